//! Files whose tokenizer cannot be used are refused by what is wrong with them.

use std::error::Error;

use yard_gguf::{Strings, Value};
use yard_llm::Tokenizer;

use super::vocabularies::{BYTE_PAIRS, SENTENCE_PIECES, metadata};

/// What is said about a file after one of its keys is changed.
fn refused(file: &[u8], key: &str, value: impl Into<Value>) -> String {
    let mut metadata = metadata(file);
    metadata.set(key, value).unwrap();
    let error = Tokenizer::from_metadata(&metadata).unwrap_err();
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

fn strings(texts: &[&str]) -> Strings {
    texts.iter().collect()
}

#[test]
fn kinds_that_are_not_known_are_named() {
    assert_eq!(
        refused(BYTE_PAIRS, "tokenizer.ggml.model", "bert"),
        "tokenizers of the kind 'bert' are not supported; known are gpt2 and llama"
    );
    let message = refused(BYTE_PAIRS, "tokenizer.ggml.pre", "default");
    assert!(
        message.starts_with("the pre-tokenizer 'default' is not supported; known are gpt-2, "),
        "{message}"
    );
    let long = refused(BYTE_PAIRS, "tokenizer.ggml.pre", "\n".repeat(1000));
    assert!(long.len() < 400 && !long.contains('\n'), "{long}");
}

#[test]
fn keys_that_are_missing_are_named() {
    let message = refused(SENTENCE_PIECES, "tokenizer.ggml.model", "gpt2");
    assert_eq!(
        message,
        "the tokenizer's metadata is incomplete: the metadata key 'tokenizer.ggml.pre' is missing"
    );
    let message = refused(BYTE_PAIRS, "tokenizer.ggml.model", "llama");
    assert_eq!(
        message,
        "the tokenizer's metadata is incomplete: the metadata key 'tokenizer.ggml.scores' is missing"
    );
}

#[test]
fn lists_that_contradict_each_other_are_refused() {
    let cases = [
        (
            refused(SENTENCE_PIECES, "tokenizer.ggml.token_type", vec![1_i32]),
            "'tokenizer.ggml.token_type' has 1 entries for 900 tokens",
        ),
        (
            refused(SENTENCE_PIECES, "tokenizer.ggml.scores", vec![0_f32]),
            "'tokenizer.ggml.scores' has 1 entries for 900 tokens",
        ),
        (
            refused(SENTENCE_PIECES, "tokenizer.ggml.scores", vec![f32::NAN; 900]),
            "the score of token 0 is not a number",
        ),
        (
            refused(SENTENCE_PIECES, "tokenizer.ggml.token_type", vec![9_i32; 900]),
            "token 0 is of the unknown type 9",
        ),
        (
            refused(SENTENCE_PIECES, "tokenizer.ggml.token_type", vec![6_i32; 900]),
            "byte token 0 has the text '<unk>', not one such as <0x0A>",
        ),
        (
            refused(SENTENCE_PIECES, "tokenizer.ggml.eos_token_id", 900_u32),
            "'tokenizer.ggml.eos_token_id' is 900, beyond a vocabulary of 900 tokens",
        ),
        (
            refused(SENTENCE_PIECES, "tokenizer.ggml.tokens", Strings::default()),
            "a vocabulary of 0 tokens cannot be used",
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(message, expected);
    }
}

#[test]
fn merges_that_join_nothing_are_refused() {
    for merge in ["", " ", "a", "a ", "a\u{10FFFF} b", "x!x y!y", "日 本"] {
        let message = refused(BYTE_PAIRS, "tokenizer.ggml.merges", strings(&[merge]));
        assert!(
            message.starts_with("merge 0 ('") && message.ends_with("does not join two tokens to a third")
        );
    }
}

#[test]
fn special_tokens_that_would_take_too_much_memory_are_refused() {
    let long: Strings = (0..900).map(|token| format!("{token}{}", "x".repeat(2000))).collect();
    let mut changed = metadata(SENTENCE_PIECES);
    changed.set("tokenizer.ggml.tokens", long).unwrap();
    changed.set("tokenizer.ggml.token_type", vec![3_i32; 900]).unwrap();
    assert_eq!(
        Tokenizer::from_metadata(&changed).unwrap_err().to_string(),
        "the special tokens are too many or too long to look for: more than 1 MiB"
    );
}
