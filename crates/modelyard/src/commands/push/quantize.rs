//! `push --quantize`: the same language model with smaller weights, as a version of its own with a card that says what that
//! cost.

mod compare;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tempfile::TempDir;
use yard_client::LocalPackage;
use yard_gguf::{BlockType, Gguf, GgufWriter, ReadLimits, Tensor, TensorInfo, quantize};

/// What the card was measured on: a few paragraphs in three languages and a program, written for this.
const TEXT: &str = include_str!("quantize/text.txt");
/// As files number it: `general.quantization_version`.
const QUANTIZATION_VERSION: u32 = 2;

/// A type that weights are made smaller in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Quantization {
    /// 4.5 bits a weight, the fastest here
    #[value(name = "Q4_0")]
    Q4_0,
    /// 8.5 bits a weight, hardly different from the original
    #[value(name = "Q8_0")]
    Q8_0,
    /// 4.5 bits a weight, closer to the original than Q4_0 and slower
    #[value(name = "Q4_K")]
    Q4K,
    /// What this program computes fastest with on its processors: Q4_0
    #[value(name = "auto")]
    Auto,
}

/// What it cost.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Card {
    /// The type that most bytes have: matrices whose rows do not fit the one that was asked for take another.
    pub(super) quantization: &'static str,
    pub(super) bytes: u64,
    pub(super) parent_bytes: u64,
    #[serde(flatten)]
    pub(super) compared: compare::Compared,
}

/// A package with the smaller model, which lies there as long as this lives.
pub(super) struct Quantized {
    pub(super) package: LocalPackage,
    pub(super) card: Card,
    _directory: TempDir,
}

impl Quantization {
    const fn kind(self) -> BlockType {
        match self {
            Self::Q4_0 | Self::Auto => BlockType::Q4_0,
            Self::Q8_0 => BlockType::Q8_0,
            Self::Q4K => BlockType::Q4_K,
        }
    }
}

/// Makes the smaller model of a package and compares the two.
pub(super) fn make(package: &LocalPackage, quantization: Quantization) -> Result<Quantized> {
    let is_model =
        |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    let models: Vec<&Path> =
        package.files().iter().map(|file| file.location.as_path()).filter(|path| is_model(path)).collect();
    let [source] = models[..] else {
        bail!("only a package with one GGUF file can be quantized, and this one has {}", models.len());
    };
    let directory = tempfile::tempdir().context("cannot make a directory for the quantized model")?;
    let kind = quantization.kind();
    let mut target = None;
    for file in package.files() {
        let path = directory.path().join(file.path.as_str());
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        if is_model(&file.location) {
            let path = named_after(&path, kind);
            let main = rewrite(source, quantization, &path)
                .with_context(|| format!("cannot quantize {}", source.display()))?;
            target = Some((path, main));
        } else {
            fs_err::copy(&file.location, &path)?;
        }
    }
    let (target, main) = target.context("the package lost its model")?;
    let card = Card {
        quantization: main.name(),
        bytes: fs_err::metadata(&target)?.len(),
        parent_bytes: fs_err::metadata(source)?.len(),
        compared: compare::on_text(source, &target, TEXT)?,
    };
    Ok(Quantized { package: LocalPackage::scan(directory.path())?, card, _directory: directory })
}

impl Card {
    /// For the version's passport.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let compared = &self.compared;
        [
            ("quantization", self.quantization.to_owned()),
            ("quantization.bytes", self.bytes.to_string()),
            ("quantization.parent_bytes", self.parent_bytes.to_string()),
            (
                "quantization.text",
                format!("{} tokens of the text that comes with this program", compared.tokens),
            ),
            ("quantization.perplexity", format!("{:.4}", compared.perplexity)),
            ("quantization.parent_perplexity", format!("{:.4}", compared.parent_perplexity)),
            ("quantization.divergence", format!("{:.6}", compared.divergence)),
            ("quantization.agreement", format!("{:.4}", compared.agreement)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// `model.gguf` stays, so that it goes on being the one to run; other names say the type.
fn named_after(path: &Path, kind: BlockType) -> PathBuf {
    match path.file_stem() {
        Some(stem) if !stem.eq_ignore_ascii_case("model") => {
            path.with_file_name(format!("{}.{}.gguf", stem.to_string_lossy(), kind.name()))
        }
        _ => path.to_owned(),
    }
}

/// Writes a file again with smaller matrices.
fn rewrite(source: &Path, quantization: Quantization, target: &Path) -> Result<BlockType> {
    let source = Gguf::open(source, &ReadLimits::default())?;
    let infos = source
        .tensors()
        .map(|tensor| {
            let kind = kind_for(&tensor, quantization.kind());
            TensorInfo::new(tensor.info.name(), kind, tensor.info.dimensions())
        })
        .collect::<Result<Vec<_>, _>>()?;
    if source.tensors().zip(&infos).all(|(tensor, info)| tensor.info.kind() == info.kind()) {
        bail!("none of its matrices would be smaller as {}", quantization.kind().name());
    }
    let mut metadata = source.metadata().clone();
    let main = main_type(&infos);
    metadata.set("general.file_type", file_type(main))?;
    metadata.set("general.quantization_version", QUANTIZATION_VERSION)?;
    let out = BufWriter::new(File::create(target)?);
    let mut writer = GgufWriter::start(out, &metadata, &infos)?;
    for (tensor, info) in source.tensors().zip(&infos) {
        write_tensor(&mut writer, &tensor, info)?;
    }
    writer.finish()?.flush()?;
    Ok(main)
}

/// The type that most bytes have.
fn main_type(infos: &[TensorInfo]) -> BlockType {
    let mut bytes: Vec<(BlockType, usize)> = Vec::new();
    for info in infos {
        match bytes.iter_mut().find(|(kind, _)| *kind == info.kind()) {
            Some((_, sum)) => *sum += info.byte_length(),
            None => bytes.push((info.kind(), info.byte_length())),
        }
    }
    bytes.into_iter().max_by_key(|(_, sum)| *sum).map_or(BlockType::F32, |(kind, _)| kind)
}

/// As files number what most of their weights are: `general.file_type`.
const fn file_type(kind: BlockType) -> u32 {
    match kind {
        BlockType::F32 => 0,
        BlockType::Q4_0 => 2,
        BlockType::Q4_K => 15,
        _ => 7,
    }
}

fn write_tensor(
    writer: &mut GgufWriter<'_, BufWriter<File>>,
    tensor: &Tensor<'_>,
    info: &TensorInfo,
) -> Result<()> {
    if tensor.info.kind() == info.kind() {
        writer.tensor(info.name(), tensor.bytes)?;
        return Ok(());
    }
    let mut bytes = vec![0; info.byte_length()];
    quantize(info.kind(), &tensor.to_f32()?, &mut bytes)?;
    writer.tensor(info.name(), &bytes)?;
    Ok(())
}

/// The type of a tensor: `wanted` for matrices of layers, a finer one for the two that every token passes, and as it is
/// where nothing would get smaller.
fn kind_for(tensor: &Tensor<'_>, wanted: BlockType) -> BlockType {
    let (info, stored) = (tensor.info, tensor.info.kind());
    let is_matrix = info.dimensions().len() == 2 && info.rows() > 1;
    // Tables of positions are looked up, not multiplied.
    if !is_matrix || info.name().starts_with("position_embd") {
        return stored;
    }
    let is_at_an_end = matches!(info.name(), "token_embd.weight" | "output.weight");
    let wanted = if is_at_an_end { BlockType::Q8_0 } else { wanted };
    let nearest = if bits(wanted) <= bits(BlockType::Q4_0) { BlockType::Q4_0 } else { BlockType::Q8_0 };
    [wanted, nearest, BlockType::Q8_0]
        .into_iter()
        .find(|kind| info.columns().is_multiple_of(kind.values_per_block()))
        .filter(|kind| bits(*kind) < bits(stored))
        .unwrap_or(stored)
}

fn bits(kind: BlockType) -> usize {
    // A whole number for every type: blocks of 256 values have even bytes.
    kind.bytes_per_block() * 8 * 256 / kind.values_per_block()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_ranked_by_their_size() {
        let mut kinds = [BlockType::F32, BlockType::Q4_0, BlockType::F16, BlockType::Q8_0, BlockType::Q4_1];
        kinds.sort_by_key(|kind| bits(*kind));
        let expected = [BlockType::Q4_0, BlockType::Q4_1, BlockType::Q8_0, BlockType::F16, BlockType::F32];
        assert_eq!(kinds, expected);
        assert_eq!(bits(BlockType::Q4_K), bits(BlockType::Q4_0));
    }

    #[test]
    fn names_say_the_type() {
        let named = |path: &str| named_after(Path::new(path), BlockType::Q4_0).to_string_lossy().into_owned();
        assert_eq!(named("a/Smol.gguf"), "a/Smol.Q4_0.gguf");
        assert_eq!(named("a/model.gguf"), "a/model.gguf");
    }
}
