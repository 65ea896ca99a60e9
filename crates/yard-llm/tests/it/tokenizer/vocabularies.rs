//! Vocabularies and what the reference packages make of texts with them.

use std::env;
use std::path::PathBuf;

use yard_llm::{EncodeOptions, TokenId};

use super::{Gguf, Metadata, PARSED, PLAIN, ReadLimits};

pub(crate) const BYTE_PAIRS: &[u8] = include_bytes!("../../reference/byte_pairs.gguf");
pub(crate) const SENTENCE_PIECES: &[u8] = include_bytes!("../../reference/sentence_pieces.gguf");

/// The real vocabularies, and how their references read text.
pub(crate) const REAL: [(&str, EncodeOptions); 7] = [
    ("smollm2", PARSED),
    ("gpt-2", PARSED),
    ("llama-bpe", PARSED),
    ("qwen2", PARSED),
    ("llama-spm", PLAIN),
    ("phi-3", PARSED),
    ("gemma3", PLAIN),
];

/// Texts with the digests of their tokens.
pub(crate) struct Cases(pub(super) Vec<(String, u64)>);

impl Cases {
    pub(super) fn named(file: &[u8], name: &str) -> Self {
        let file = metadata(file);
        let digests: &[u64] = file.required(&format!("cases.{name}")).unwrap();
        let texts = texts();
        assert_eq!(texts.len(), digests.len());
        Self(texts.into_iter().zip(digests.iter().copied()).collect())
    }
}

/// The texts that the reference packages have read.
pub(crate) fn texts() -> Vec<String> {
    let texts: Vec<String> =
        metadata(BYTE_PAIRS).strings("cases.texts").unwrap().iter().map(str::to_owned).collect();
    assert!(texts.len() > 50);
    texts
}

/// As the script computes it: FNV-1a over the ids.
pub(crate) fn digest(tokens: &[TokenId]) -> u64 {
    tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .fold(0xCBF2_9CE4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

pub(crate) fn metadata(file: &[u8]) -> Metadata {
    Gguf::read(file, &ReadLimits::default()).unwrap().metadata().clone()
}

/// The file with a real vocabulary. SmolLM2's is in the assets that `cargo xtask setup` makes; the others are looked for in
/// the folder that `MODELYARD_TEST_TOKENIZERS` names, if it names one.
pub(super) fn real_vocabulary(name: &str) -> Option<PathBuf> {
    if name == "smollm2" {
        return Some(yard_fixtures::language_model("smollm2-135m-q4_1"));
    }
    let folder = env::var_os("MODELYARD_TEST_TOKENIZERS").filter(|folder| !folder.is_empty())?;
    Some(PathBuf::from(folder).join(format!("{name}.gguf")))
}
