//! Vocabularies and what the reference packages make of texts with them.

use std::env;
use std::path::PathBuf;

use yard_llm::{EncodeOptions, TokenId};

use super::{Gguf, Metadata, PARSED, PLAIN, ReadLimits};

pub(super) const BYTE_PAIRS: &[u8] = include_bytes!("../../reference/byte_pairs.gguf");
pub(super) const SENTENCE_PIECES: &[u8] = include_bytes!("../../reference/sentence_pieces.gguf");

/// The real vocabularies, and how their references read text.
pub(super) const REAL: [(&str, EncodeOptions); 7] = [
    ("smollm2", PARSED),
    ("gpt-2", PARSED),
    ("llama-bpe", PARSED),
    ("qwen2", PARSED),
    ("llama-spm", PLAIN),
    ("phi-3", PARSED),
    ("gemma3", PLAIN),
];

/// Texts with their tokens.
pub(super) struct Cases(pub(super) Vec<(String, Vec<TokenId>)>);

impl Cases {
    pub(super) fn named(metadata: &Metadata, name: &str) -> Self {
        let texts = metadata.strings("cases.texts").unwrap();
        let counts: &[i32] = metadata.required(&format!("cases.{name}.counts")).unwrap();
        let bytes: &[u8] = metadata.required(&format!("cases.{name}.tokens")).unwrap();
        let mut tokens =
            bytes.chunks(3).map(|bytes| TokenId::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]));
        assert_eq!(texts.len(), counts.len());
        let cases = texts.iter().zip(counts).map(|(text, count)| {
            (text.to_owned(), tokens.by_ref().take(usize::try_from(*count).unwrap()).collect())
        });
        let cases = Self(cases.collect());
        assert!(tokens.next().is_none());
        cases
    }
}

pub(super) fn metadata(file: &[u8]) -> Metadata {
    Gguf::read(file, &ReadLimits::default()).unwrap().metadata().clone()
}

/// The file with a real vocabulary, out of the folder that `cargo xtask setup` fills; none if the folder is not there.
pub(super) fn real_vocabulary(name: &str) -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let assets = variable("MODELYARD_TEST_ASSETS").or_else(|| {
        let cache = variable("MODELYARD_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("modelyard")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/modelyard")))?;
        Some(cache.join("assets/current"))
    })?;
    let folder = assets.join("tokenizers");
    let file = folder.join(format!("{name}.gguf"));
    assert!(!folder.is_dir() || file.is_file(), "'{}' is missing", file.display());
    file.is_file().then_some(file)
}
