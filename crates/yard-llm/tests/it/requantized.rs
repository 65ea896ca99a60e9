//! A model file written again with matrices of other types.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use yard_gguf::{BlockType, Gguf, GgufWriter, MappedFile, TensorInfo, quantize};

/// Copies a file. What is stored as one type becomes what `kind` says.
pub(crate) fn rewrite(
    source: &Gguf<MappedFile>,
    kind: impl Fn(BlockType) -> BlockType,
    target: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let infos = source
        .tensors()
        .map(|tensor| TensorInfo::new(tensor.info.name(), kind(tensor.info.kind()), tensor.info.dimensions()))
        .collect::<Result<Vec<_>, _>>()?;
    let out = BufWriter::new(File::create(target)?);
    let mut writer = GgufWriter::start(out, source.metadata(), &infos)?;
    for (tensor, info) in source.tensors().zip(&infos) {
        if tensor.info.kind() == info.kind() {
            writer.tensor(info.name(), tensor.bytes)?;
        } else {
            let mut bytes = vec![0; info.byte_length()];
            quantize(info.kind(), &tensor.to_f32()?, &mut bytes)?;
            writer.tensor(info.name(), &bytes)?;
        }
    }
    writer.finish()?;
    Ok(())
}

/// The file with its Q4_1 matrices in another type: others, such as the embedding, are in a finer one already.
pub(crate) fn requantize(
    source: &Gguf<MappedFile>,
    kind: BlockType,
    target: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    rewrite(source, |stored| if stored == BlockType::Q4_1 { kind } else { stored }, target)
}
