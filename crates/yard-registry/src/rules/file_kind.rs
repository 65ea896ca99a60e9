//! Which files are let in. Only data is: nothing that a program would run, or that runs code when it is read.

use yard_types::PackagePath;

/// How many bytes of a file [`refused_by_content`] wants to see.
pub(crate) const HEAD_BYTES: usize = 8;

/// Extensions that are taken. External data of ONNX may have any name; these are the usual ones, and files without an
/// extension are taken as well.
const ACCEPTED: &[&str] = &[
    // Models and weights.
    "onnx",
    "safetensors",
    "gguf",
    // External data of ONNX, by whatever name exporters give it (often that of the tensor).
    "data",
    "onnx_data",
    "bin",
    "weights",
    "weight",
    "bias",
    "raw",
    "pb",
    // What travels beside a model: tokenizers, labels, samples, words.
    "json",
    "jsonl",
    "txt",
    "md",
    "rst",
    "csv",
    "tsv",
    "yaml",
    "yml",
    "toml",
    "model",
    "spm",
    "vocab",
    "merges",
    "bpe",
    "tiktoken",
    "jinja",
    "license",
    "licence",
    "notice",
];

const PICKLE: &str = "pickled objects run code when they are read; export the model to ONNX \
                      (scikit-learn: skl2onnx, PyTorch: torch.onnx.export)";
const TORCH: &str = "PyTorch checkpoints are pickled objects, which run code when they are read; export the model with \
                     torch.onnx.export, or keep bare weights as safetensors";
const KERAS: &str = "Keras and TensorFlow models can hold code; export the model to ONNX with tf2onnx";
const CODE: &str = "it is code, and models come without code; leave it out";
const ARCHIVE: &str = "archives are not unpacked; push the folder or the files themselves";
const OTHER_MODEL: &str = "no engine here reads this kind of model; export it to ONNX";
const UNKNOWN: &str = "this kind of file is not kept beside a model (ONNX and its data, safetensors, GGUF, JSON, text, \
                       CSV and tokenizer files are); leave it out";

/// Why a file of this name is not taken, and what to do instead.
pub(crate) fn refused_by_name(path: &PackagePath) -> Option<&'static str> {
    let file_name = path.file_name();
    if file_name.eq_ignore_ascii_case("saved_model.pb") {
        return Some(KERAS);
    }
    let extension = path.extension()?.to_ascii_lowercase();
    if ACCEPTED.contains(&extension.as_str()) {
        return None;
    }
    Some(match extension.as_str() {
        "pkl" | "pickle" | "joblib" | "dill" | "cloudpickle" | "skops" => PICKLE,
        "pt" | "pth" | "ckpt" | "mar" => TORCH,
        "h5" | "hdf5" | "keras" => KERAS,
        "py" | "pyc" | "pyi" | "ipynb" | "so" | "dll" | "dylib" | "exe" | "sh" | "bat" | "ps1" | "js"
        | "jar" | "wasm" | "lua" | "rb" | "pl" => CODE,
        "zip" | "tar" | "gz" | "tgz" | "bz2" | "xz" | "zst" | "7z" | "rar" | "whl" | "npz" => ARCHIVE,
        "tflite" | "mlmodel" | "pdmodel" | "pdiparams" | "pmml" | "cbm" | "ubj" | "engine" | "plan"
        | "caffemodel" => OTHER_MODEL,
        _ => UNKNOWN,
    })
}

/// Why a file that begins with these bytes is not taken, whatever its name says: `pytorch_model.bin` is a pickle.
pub(crate) fn refused_by_content(head: &[u8]) -> Option<&'static str> {
    const SIGNATURES: &[(&[u8], &str)] = &[
        // torch.save writes a zip with pickles in it, so does Keras 3; npz and jar are zips as well.
        (
            b"PK\x03\x04",
            "it is a zip archive, as PyTorch checkpoints, Keras models and jar files are; export the model to ONNX",
        ),
        (b"\x89HDF\r\n\x1a\n", KERAS),
        // Pickle protocols 4 and 5 begin with a frame; 2 and 3 with a global, a list, a dictionary or a tuple.
        (b"\x80\x05\x95", PICKLE),
        (b"\x80\x04\x95", PICKLE),
        (b"\x80\x03c", PICKLE),
        (b"\x80\x03}", PICKLE),
        (b"\x80\x03]", PICKLE),
        (b"\x80\x03(", PICKLE),
        (b"\x80\x02c", PICKLE),
        (b"\x80\x02}", PICKLE),
        (b"\x80\x02]", PICKLE),
        (b"\x80\x02(", PICKLE),
        // What torch.save wrote before it wrote zips.
        (b"\x80\x02\x8a\nl\xfc\x9c", TORCH),
        (b"\x7fELF", CODE),
        (b"\xfe\xed\xfa\xcf", CODE),
        (b"\xcf\xfa\xed\xfe", CODE),
        (b"#!/", CODE),
        (b"#! /", CODE),
        (b"\x1f\x8b\x08", ARCHIVE),
        (b"\xfd7zXZ\x00", ARCHIVE),
        (b"7z\xbc\xaf\x27\x1c", ARCHIVE),
        (b"Rar!\x1a\x07", ARCHIVE),
    ];
    SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_taken_and_code_is_not() {
        let cases = [
            ("model.onnx", None),
            ("MODEL.ONNX", None),
            ("model.onnx_data", None),
            ("model.onnx.data", None),
            ("onnx__MatMul_1234", None),
            ("layers.0.q_proj.weight", None),
            ("tokenizer.model", None),
            ("LICENSE", None),
            ("weights.pb", None),
            ("saved_model.pb", Some(KERAS)),
            ("model.pkl", Some(PICKLE)),
            ("Model.JobLib", Some(PICKLE)),
            ("a/model.pt", Some(TORCH)),
            ("model.h5", Some(KERAS)),
            ("modeling.py", Some(CODE)),
            ("libcustom_ops.so", Some(CODE)),
            ("model.tar.gz", Some(ARCHIVE)),
            ("model.tflite", Some(OTHER_MODEL)),
            ("model.xyz", Some(UNKNOWN)),
            (".gitattributes", Some(UNKNOWN)),
        ];
        for (path, expected) in cases {
            assert_eq!(refused_by_name(&path.parse().unwrap()), expected, "{path}");
        }
    }

    #[test]
    fn a_false_name_does_not_help() {
        let cases: [(&[u8], Option<&str>); 10] = [
            (b"\x80\x04\x95\x10\0\0\0\0", Some(PICKLE)),
            (b"\x80\x02}q\0(X\x05\0", Some(PICKLE)),
            (b"\x80\x02\x8a\nl\xfc\x9cF", Some(TORCH)),
            (b"\x89HDF\r\n\x1a\n", Some(KERAS)),
            (b"\x7fELF\x02\x01\x01\0", Some(CODE)),
            (b"#!/bin/sh", Some(CODE)),
            (b"\x1f\x8b\x08\0\0\0\0\0", Some(ARCHIVE)),
            // An ONNX file, float weights, and nothing at all.
            (b"\x08\x08\x12\x07pyto", None),
            (b"\0\0\x80\x3f\0\0\0\x40", None),
            (b"", None),
        ];
        for (head, expected) in cases {
            assert_eq!(refused_by_content(head), expected, "{head:?}");
            assert!(head.len() <= HEAD_BYTES || head[..HEAD_BYTES] != *head);
        }
        assert!(refused_by_content(b"PK\x03\x04\0\0\0\0").is_some());
    }

    #[test]
    fn no_signature_is_longer_than_the_head_that_is_read() {
        for length in 0..HEAD_BYTES {
            assert_eq!(refused_by_content(&b"\x89HDF\r\n\x1a\n"[..length]), None);
        }
        assert!(refused_by_content(b"\x89HDF\r\n\x1a\n").is_some());
    }
}
