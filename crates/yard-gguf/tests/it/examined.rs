//! What must hold for any bytes at all.

use yard_gguf::{Gguf, GgufError, GgufWriter, ReadLimits, TensorInfo};

use crate::memory::most_held;

/// Reads any bytes: no panic, bounded memory, and what is accepted can be used and written again.
#[track_caller]
pub(crate) fn examine(bytes: &[u8]) -> Result<Gguf<&[u8]>, GgufError> {
    let (result, most) = most_held(|| Gguf::read(bytes, &ReadLimits::default()));
    let bound = 8 * bytes.len() + 4096;
    assert!(most <= bound, "{} bytes were read with {most} bytes of memory, more than {bound}", bytes.len());
    let file = result?;
    for tensor in file.tensors() {
        assert_eq!(tensor.bytes.len(), tensor.info.byte_length());
        assert_eq!(tensor.to_f32().unwrap().len(), tensor.info.values());
        assert_eq!(tensor.row(tensor.info.rows() - 1).unwrap().len(), tensor.info.row_bytes());
        assert!(tensor.row(tensor.info.rows()).is_none());
        assert_eq!(file.tensor(tensor.info.name()).unwrap().bytes.as_ptr(), tensor.bytes.as_ptr());
    }
    for (key, value) in file.metadata().iter() {
        // Not compared as values: a NaN differs from itself.
        assert_eq!(file.metadata().get(key).map(std::ptr::from_ref), Some(std::ptr::from_ref(value)));
    }
    let written = rewritten(&file);
    let again = Gguf::read(written.as_slice(), &ReadLimits::default()).unwrap();
    assert!(rewritten(&again) == written, "a file that was written differs when it is written again");
    Ok(file)
}

/// The same metadata and tensors, written anew.
pub(crate) fn rewritten<B: AsRef<[u8]>>(file: &Gguf<B>) -> Vec<u8> {
    let tensors: Vec<TensorInfo> = file.tensors().map(|tensor| tensor.info.clone()).collect();
    let mut writer = GgufWriter::start(Vec::new(), file.metadata(), &tensors).unwrap();
    for tensor in file.tensors() {
        writer.tensor(tensor.info.name(), tensor.bytes).unwrap();
    }
    writer.finish().unwrap()
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
