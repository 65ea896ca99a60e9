//! What a job made, kept in its directory: the trial of a search is asked for it long after its child is gone.

use std::{
    io::{self, Write as _},
    path::Path,
};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use yard_jobs::{Lineage, ProducedFile, Product};
use yard_types::PackagePath;
use yard_worker::train::{Fact, TrainResult};

/// The record of a product in its job's directory.
const FILE: &str = "product.json";
const UNFINISHED: &str = "product.json.new";
/// Raised when a change breaks older records.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    /// Of the package, relative to the job's directory.
    package: String,
    /// Relative to the package.
    files: Vec<String>,
    summary: String,
    spec: String,
    seed: u64,
    code_version: String,
    /// Name and digest.
    data: Vec<(String, String)>,
    /// Name and value.
    environment: Vec<(String, String)>,
}

/// Looks at what a child says that it made, and keeps a record of it.
pub(super) fn keep(directory: &Path, result: TrainResult, lineage: Lineage) -> io::Result<Product> {
    let pairs = |facts: Vec<Fact>| facts.into_iter().map(|fact| (fact.name, fact.value)).collect();
    let record = Record {
        format: FORMAT,
        package: result.package_directory,
        files: result.files,
        summary: result.summary_json,
        spec: lineage.spec,
        seed: lineage.seed,
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        data: pairs(result.data_digests),
        environment: pairs(result.environment),
    };
    let text = serde_json::to_vec(&record)?;
    let product = product(directory, record)?;
    let unfinished = directory.join(UNFINISHED);
    let mut file = fs::File::create(&unfinished)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(unfinished, directory.join(FILE))?;
    fs::File::open(directory)?.sync_all()?;
    Ok(product)
}

/// What a job made, as [`keep`] kept it.
pub(super) fn read(directory: &Path) -> io::Result<Product> {
    let record: Record = serde_json::from_slice(&fs::read(directory.join(FILE))?)?;
    product(directory, record)
}

/// A record comes from a child and is not believed: its paths stay in the directory, and lead to plain files.
fn product(directory: &Path, record: Record) -> io::Result<Product> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    if record.format != FORMAT {
        return Err(wrong(format!("the record has format {}, not {FORMAT}", record.format)));
    }
    let inside = |path: &str| {
        path.parse::<PackagePath>().map_err(|error| wrong(format!("the path '{path}': {error}")))
    };
    let package = directory.join(inside(&record.package)?.as_str());
    if !fs::symlink_metadata(&package)?.is_dir() {
        return Err(wrong("the package is no directory".to_owned()));
    }
    let mut files = Vec::with_capacity(record.files.len());
    for file in record.files {
        let path = inside(&file)?;
        let source = package.join(path.as_str());
        if !fs::symlink_metadata(&source)?.is_file() {
            return Err(wrong(format!("'{file}' is no file")));
        }
        files.push(ProducedFile { path, source });
    }
    let mut data = Vec::with_capacity(record.data.len());
    for (name, digest) in record.data {
        let digest = digest.parse().map_err(|error| wrong(format!("the digest of '{name}': {error}")))?;
        data.push((name, digest));
    }
    let lineage = Lineage {
        spec: record.spec,
        data,
        code_version: record.code_version,
        seed: record.seed,
        environment: record.environment,
    };
    Ok(Product { files, summary: record.summary, lineage })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(files: &[&str]) -> TrainResult {
        let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
        TrainResult {
            package_directory: "package".to_owned(),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            summary_json: "{}".to_owned(),
            data_digests: vec![fact("data", "ab".repeat(32))],
            environment: vec![fact("threads", "1".to_owned())],
        }
    }

    fn job(files: &[&str]) -> tempfile::TempDir {
        let job = tempfile::tempdir().unwrap();
        for file in files {
            let path = job.path().join("package").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "content").unwrap();
        }
        job
    }

    #[test]
    fn a_product_is_found_again_as_it_was_kept() {
        let job = job(&["model.onnx", "more/curve.svg"]);
        let lineage = Lineage { spec: "{\"name\":\"m\"}".to_owned(), seed: 7, ..Lineage::default() };
        let kept = keep(job.path(), result(&["model.onnx", "more/curve.svg"]), lineage).unwrap();
        assert_eq!(kept.files[1].source, job.path().join("package/more/curve.svg"));
        assert_eq!((kept.lineage.seed, &*kept.lineage.data[0].0), (7, "data"));
        assert_eq!(read(job.path()).unwrap(), kept);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_not_believed() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let job = job(&["model.onnx"]);
        std::os::unix::fs::symlink(outside.path(), job.path().join("package/link")).unwrap();
        std::os::unix::fs::symlink(job.path().join("package"), job.path().join("linked")).unwrap();
        for file in ["link", "../model.onnx", "/etc/passwd", "missing", ""] {
            assert!(keep(job.path(), result(&[file]), Lineage::default()).is_err(), "{file}");
        }
        for package in ["linked", "..", ".", "/etc", "missing"] {
            let result = TrainResult { package_directory: package.to_owned(), ..result(&[]) };
            assert!(keep(job.path(), result, Lineage::default()).is_err(), "{package}");
        }
        assert!(read(job.path()).is_err(), "nothing was kept");
    }

    #[test]
    fn a_digest_that_is_none_is_refused() {
        let job = job(&[]);
        fs::create_dir(job.path().join("package")).unwrap();
        let mut wrong = result(&[]);
        wrong.data_digests[0].value = "abc".to_owned();
        assert!(keep(job.path(), wrong, Lineage::default()).is_err());
    }

    // === the museum: the record of every format that was ever written ===

    #[test]
    fn records_of_every_format_are_understood() {
        let record = r#"{"format":1,"package":"package","files":["model.onnx"],"summary":"{\"a\":1}","spec":"{}",
            "seed":3,"code_version":"0.0.0","data":[],"environment":[["os","linux"]]}"#;
        let job = job(&["model.onnx"]);
        fs::write(job.path().join(FILE), record).unwrap();
        let product = read(job.path()).unwrap();
        assert_eq!((product.files.len(), &*product.summary, product.lineage.seed), (1, "{\"a\":1}", 3));
        fs::write(job.path().join(FILE), record.replace("\"format\":1", "\"format\":2")).unwrap();
        assert!(read(job.path()).is_err());
    }
}
