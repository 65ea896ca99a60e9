//! A small language model with random weights and a byte for every token, as a GGUF file.

use std::path::Path;

use yard_gguf::{BlockType, GgufWriter, Metadata, Strings, TensorInfo, quantize};

const WIDTH: usize = 64;
const LAYERS: usize = 2;
const HEADS: usize = 4;
const KEY_HEADS: usize = 2;
const HEAD_SIZE: usize = 16;
const INNER: usize = 96;
pub(crate) const CONTEXT: usize = 96;
/// Three tokens with a part of their own, two of a chat, and the bytes.
pub(crate) const VOCABULARY: usize = 3 + 2 + 256;

/// What differs from one that works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a> {
    pub(crate) architecture: &'a str,
    pub(crate) chat_template: Option<&'a str>,
    /// What all weights of matrices are multiplied with.
    pub(crate) scale: f32,
    /// What the weights of norms lie around.
    pub(crate) norm: f32,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { architecture: "llama", chat_template: None, scale: 1.0, norm: 1.0 }
    }
}

/// Writes it, and gives how many values its tensors have.
pub(crate) fn write(path: &Path, options: Options<'_>) -> u64 {
    let tensors = tensors();
    let metadata = metadata(options);
    let file = std::fs::File::create(path).unwrap();
    let mut writer = GgufWriter::start(file, &metadata, &tensors).unwrap();
    let mut draws = 77_u64;
    let mut draw = || {
        draws = draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draws >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    for info in &tensors {
        let is_norm = info.kind() == BlockType::F32;
        let value = |draw: f32| if is_norm { options.norm + draw } else { options.scale * draw };
        let values: Vec<f32> = (0..info.values()).map(|_| value(draw())).collect();
        let mut bytes = vec![0; info.byte_length()];
        quantize(info.kind(), &values, &mut bytes).unwrap();
        writer.tensor(info.name(), &bytes).unwrap();
    }
    writer.finish().unwrap();
    tensors.iter().map(|info| info.values() as u64).sum()
}

fn tensors() -> Vec<TensorInfo> {
    let matrix = |name: &str, columns, rows| {
        TensorInfo::new(&format!("{name}.weight"), BlockType::Q8_0, &[columns, rows]).unwrap()
    };
    let norm = |name: &str| TensorInfo::new(&format!("{name}.weight"), BlockType::F32, &[WIDTH]).unwrap();
    let (query, key) = (HEADS * HEAD_SIZE, KEY_HEADS * HEAD_SIZE);
    let mut tensors = vec![matrix("token_embd", WIDTH, VOCABULARY)];
    for layer in 0..LAYERS {
        let named = |name: &str| format!("blk.{layer}.{name}");
        tensors.extend([
            norm(&named("attn_norm")),
            matrix(&named("attn_q"), WIDTH, query),
            matrix(&named("attn_k"), WIDTH, key),
            matrix(&named("attn_v"), WIDTH, key),
            matrix(&named("attn_output"), query, WIDTH),
            norm(&named("ffn_norm")),
            matrix(&named("ffn_gate"), WIDTH, INNER),
            matrix(&named("ffn_up"), WIDTH, INNER),
            matrix(&named("ffn_down"), INNER, WIDTH),
        ]);
    }
    tensors.extend([norm("output_norm"), matrix("output", WIDTH, VOCABULARY)]);
    tensors
}

fn metadata(options: Options<'_>) -> Metadata {
    const UNKNOWN: i32 = 2;
    const CONTROL: i32 = 3;
    const BYTE: i32 = 6;
    let family = options.architecture;
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", family).unwrap();
    for (key, value) in [
        ("embedding_length", WIDTH),
        ("block_count", LAYERS),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", KEY_HEADS),
        ("feed_forward_length", INNER),
        ("context_length", CONTEXT),
    ] {
        metadata.set(&format!("{family}.{key}"), u32::try_from(value).unwrap()).unwrap();
    }
    metadata.set(&format!("{family}.attention.layer_norm_rms_epsilon"), 1e-5_f32).unwrap();
    let named = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"].map(str::to_owned);
    let tokens = named.into_iter().chain((0..=255).map(|byte: u8| format!("<0x{byte:02X}>")));
    let kinds = [UNKNOWN, CONTROL, CONTROL, CONTROL, CONTROL].into_iter().chain([BYTE; 256]);
    metadata.set("tokenizer.ggml.model", "llama").unwrap();
    metadata.set("tokenizer.ggml.tokens", tokens.collect::<Strings>()).unwrap();
    metadata.set("tokenizer.ggml.token_type", kinds.collect::<Vec<i32>>()).unwrap();
    metadata.set("tokenizer.ggml.scores", vec![0_f32; VOCABULARY]).unwrap();
    metadata.set("tokenizer.ggml.unknown_token_id", 0_u32).unwrap();
    metadata.set("tokenizer.ggml.bos_token_id", 1_u32).unwrap();
    metadata.set("tokenizer.ggml.eos_token_id", 2_u32).unwrap();
    if let Some(template) = options.chat_template {
        metadata.set("tokenizer.chat_template", template).unwrap();
    }
    metadata
}
