//! Reading a specification.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use fs_err as fs;
use yard_spec::TrainingSpec;

/// Longest specification, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A specification that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecFileError {
    #[error("there is no file {}", path.display())]
    Missing { path: PathBuf },
    #[error("{origin}: {problem}")]
    Refused { origin: String, problem: String },
}

/// Reads a specification; the paths in it become absolute.
pub(super) fn read(file: &Path) -> Result<TrainingSpec> {
    let from_stdin = file == Path::new("-");
    let (text, origin) = if from_stdin {
        let mut text = String::new();
        io::stdin().take(MAX_BYTES + 1).read_to_string(&mut text).context("cannot read stdin")?;
        (text, "stdin".to_owned())
    } else {
        let opened = fs::File::open(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SpecFileError::Missing { path: file.to_owned() }.into(),
            _ => anyhow::Error::from(error),
        })?;
        let mut text = String::new();
        opened.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        (text, file.display().to_string())
    };
    let refused = |problem: String| SpecFileError::Refused { origin: origin.clone(), problem };
    if text.len() as u64 > MAX_BYTES {
        return Err(refused(format!("a specification has at most {MAX_BYTES} bytes")).into());
    }
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let spec = if is_json { TrainingSpec::from_json(&text) } else { TrainingSpec::from_toml(&text) };
    let mut spec = spec.map_err(|error| refused(error.to_string()))?;
    let directory = if from_stdin { None } else { file.parent() };
    let directory = std::path::absolute(directory.unwrap_or(Path::new("")).join("."));
    make_absolute(&mut spec, &directory.context("the current directory cannot be learnt")?);
    Ok(spec)
}

fn make_absolute(spec: &mut TrainingSpec, directory: &Path) {
    let data = &mut spec.data;
    let mut paths = vec![&mut data.path, &mut data.labels_path];
    if let Some(test) = &mut data.test {
        paths.extend([&mut test.path, &mut test.labels_path]);
    }
    for path in paths.into_iter().flatten() {
        *path = directory.join(&*path).to_string_lossy().into_owned();
    }
}

/// Reads a size of memory.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    let expected = || "expected a size such as 512MiB or 4GiB".to_owned();
    let split = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(split);
    let shift = match unit.trim() {
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(expected)?;
    // Less does not even hold the program.
    if bytes < 64 << 20 { Err("a job needs at least 64MiB".to_owned()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(memory("512MiB"), Ok(512 << 20));
        assert_eq!(memory("4 GiB"), Ok(4 << 30));
        for wrong in ["", "4", "4GB", "GiB", "-1GiB", "99999999999999GiB", "63MiB"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_in_a_specification_start_from_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("spec.toml");
        let text =
            "name = \"m\"\ndata = { path = \"rows.csv\", label = \"y\" }\nmodel = { kind = \"linear\" }\n";
        fs::write(&file, text).unwrap();
        let spec = read(&file).unwrap();
        assert_eq!(spec.data.path.as_deref(), directory.path().join("rows.csv").to_str());
        let absolute = text.replace("rows.csv", "/data/rows.csv");
        fs::write(&file, absolute).unwrap();
        assert_eq!(read(&file).unwrap().data.path.as_deref(), Some("/data/rows.csv"));
    }

    #[test]
    fn a_specification_that_is_not_there_or_wrong_is_told_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("spec.toml");
        let told = |file: &Path| read(file).unwrap_err().to_string();
        assert!(told(&file).starts_with("there is no file"), "{}", told(&file));
        fs::write(&file, "name = \"m\"\nmodle = 1\n").unwrap();
        assert!(told(&file).starts_with(&file.display().to_string()), "{}", told(&file));
    }
}
