use yard_gguf::Metadata;

use super::*;
use crate::config::{NormKind, Rotary};

/// Numbers of a small Llama.
pub(crate) fn small() -> ModelConfig {
    ModelConfig {
        architecture: "llama".to_owned(),
        width: 64,
        layers: 2,
        heads: 4,
        key_heads: 2,
        head_size: 16,
        inner_width: 96,
        context: 256,
        norm: Norm { kind: NormKind::Rms, epsilon: 1e-5 },
        positions: Positions::Rotary(Rotary {
            pairing: yard_kernels::RopePairing::Neighbours,
            values: 16,
            base: 10_000.0,
            scaling: RopeScaling::None,
            magnitude: 1.0,
            base_in_window: None,
        }),
        feed_forward: FeedForward::Gated(yard_kernels::Activation::Silu),
        attention_scale: 0.25,
        window: None,
        embedding_scale: None,
        attention_cap: None,
        logit_cap: None,
    }
}

fn metadata(architecture: &str) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", architecture).unwrap();
    let numbers = [
        ("embedding_length", 64_u32),
        ("block_count", 2),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("feed_forward_length", 96),
        ("context_length", 256),
    ];
    for (key, value) in numbers {
        metadata.set(&format!("{architecture}.{key}"), value).unwrap();
    }
    metadata.set(&format!("{architecture}.attention.layer_norm_rms_epsilon"), 1e-5_f32).unwrap();
    metadata
}

fn source<'a>(metadata: &'a Metadata, architecture: &'a str) -> Source<'a> {
    Source {
        metadata,
        architecture,
        rope_factors: None,
        short_rope_factors: None,
        has_long_rope_factors: false,
    }
}

#[test]
fn a_llama_is_read_with_its_defaults() {
    let metadata = metadata("llama");
    assert_eq!(llama::read(&source(&metadata, "llama")).unwrap(), small());
}

#[test]
fn what_is_missing_or_contradicts_itself_is_named() {
    let mut metadata = metadata("llama");
    metadata.set("llama.attention.value_length", 8_u32).unwrap();
    let error = llama::read(&source(&metadata, "llama")).unwrap_err();
    assert!(error.to_string().contains("keys of 16 and values of 8"), "{error}");
    let nothing = Metadata::new();
    let error = llama::read(&source(&nothing, "llama")).unwrap_err();
    assert!(error.to_string().contains("llama.embedding_length"), "{error}");
}

#[test]
fn positions_are_scaled_as_the_file_says() {
    let mut metadata = metadata("qwen2");
    metadata.set("qwen2.rope.scaling.factor", 4.0_f32).unwrap();
    let read =
        |metadata: &Metadata| match qwen2::read(&source(metadata, "qwen2")).map(|config| config.positions) {
            Ok(Positions::Rotary(rotary)) => Ok(rotary.scaling),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        };
    assert_eq!(read(&metadata), Ok(RopeScaling::Linear(4.0)));
    metadata.set("qwen2.rope.scaling.type", "yarn").unwrap();
    assert!(read(&metadata).unwrap_err().contains("original_context_length"));
    metadata.set("qwen2.rope.scaling.original_context_length", 64_u32).unwrap();
    assert!(
        matches!(read(&metadata), Ok(RopeScaling::Yarn(yarn)) if yarn.factor == 4.0 && yarn.original_context == 64)
    );
    metadata.set("qwen2.rope.scaling.type", "spiral").unwrap();
    assert!(read(&metadata).unwrap_err().contains("'spiral'"));
}

#[test]
fn gemma_has_windows_and_its_own_scale() {
    let mut metadata = metadata("gemma3");
    metadata.set("gemma3.attention.sliding_window", 512_u32).unwrap();
    metadata.set("gemma3.attention.key_length", 32_u32).unwrap();
    metadata.set("gemma3.attention.value_length", 32_u32).unwrap();
    let config = gemma3::read(&source(&metadata, "gemma3")).unwrap();
    assert_eq!((config.head_size, config.embedding_scale), (32, Some(8.0)));
    assert_eq!(config.window_of(0).map(std::num::NonZeroUsize::get), Some(512));
    assert_eq!(config.attention_scale, 1.0 / 32.0_f32.sqrt());
}
