//! Small models with random weights, one of each family, written as files.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use yard_gguf::{BlockType, GgufWriter, Metadata, TensorInfo, dequantize, quantize};

pub(crate) const WIDTH: usize = 64;
pub(crate) const LAYERS: usize = 7;
pub(crate) const HEADS: usize = 4;
pub(crate) const KEY_HEADS: usize = 2;
pub(crate) const INNER: usize = 96;
pub(crate) const CONTEXT: usize = 96;
pub(crate) const VOCABULARY: usize = 80;
pub(crate) const EPSILON: f32 = 1e-5;
pub(crate) const BASE: f32 = 5000.0;
pub(crate) const WINDOW: usize = 12;

/// The families, by what files call them.
pub(crate) const FAMILIES: [&str; 6] = ["llama", "qwen2", "qwen3", "gemma3", "gpt2", "phi3"];

/// A file and what is in it, dequantized.
pub(crate) struct SmallModel {
    pub(crate) family: &'static str,
    pub(crate) head_size: usize,
    pub(crate) key_heads: usize,
    pub(crate) tensors: BTreeMap<String, Vec<f32>>,
    folder: TempDir,
}

/// Numbers that look like learned ones: around 0, mostly small.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..4 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (self.0 >> 40) as f32 / (1 << 24) as f32 - 0.5;
        }
        sum
    }
}

/// What is written, in order.
struct Tensors {
    draw: Draw,
    kind: BlockType,
    infos: Vec<TensorInfo>,
    bytes: Vec<Vec<u8>>,
    values: BTreeMap<String, Vec<f32>>,
}

impl Tensors {
    fn add(&mut self, name: &str, kind: BlockType, dimensions: &[usize], value: impl Fn(f32) -> f32) {
        let count: usize = dimensions.iter().product();
        let values: Vec<f32> = (0..count).map(|_| value(self.draw.next())).collect();
        let info = TensorInfo::new(name, kind, dimensions).unwrap();
        let mut bytes = vec![0; info.byte_length()];
        quantize(kind, &values, &mut bytes).unwrap();
        let mut stored = vec![0.0; count];
        dequantize(kind, &bytes, &mut stored).unwrap();
        self.infos.push(info);
        self.bytes.push(bytes);
        self.values.insert(name.to_owned(), stored);
    }

    fn matrix(&mut self, name: &str, columns: usize, rows: usize) {
        let scale = 1.5 / (columns as f32).sqrt();
        self.add(name, self.kind, &[columns, rows], |value| value * scale);
    }

    fn norm(&mut self, name: &str, length: usize, with_bias: bool) {
        self.add(&format!("{name}.weight"), BlockType::F32, &[length], |value| 1.0 + 0.3 * value);
        if with_bias {
            self.bias(name, length);
        }
    }

    fn bias(&mut self, name: &str, length: usize) {
        self.add(&format!("{name}.bias"), BlockType::F32, &[length], |value| 0.2 * value);
    }
}

impl SmallModel {
    pub(crate) fn new(family: &'static str, kind: BlockType) -> Self {
        // Some heads are wider than the model's width says.
        let head_size = if family == "qwen3" { 24 } else { 16 };
        let key_heads = if family == "gpt2" { HEADS } else { KEY_HEADS };
        let mut tensors = Tensors {
            draw: Draw(family.len() as u64 * 77 + u64::from(kind.number())),
            kind,
            infos: Vec::new(),
            bytes: Vec::new(),
            values: BTreeMap::new(),
        };
        tensors.matrix("token_embd.weight", WIDTH, VOCABULARY);
        for layer in 0..LAYERS {
            add_layer(&mut tensors, family, layer, HEADS * head_size, key_heads * head_size, head_size);
        }
        let is_gpt = family == "gpt2";
        tensors.norm("output_norm", WIDTH, is_gpt);
        if is_gpt {
            tensors.add("position_embd.weight", BlockType::F32, &[WIDTH, CONTEXT], |value| 0.1 * value);
        }
        if family == "llama" || family == "phi3" {
            tensors.matrix("output.weight", WIDTH, VOCABULARY);
        }
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("model.gguf")).unwrap();
        let metadata = metadata(family, key_heads, head_size);
        let mut writer = GgufWriter::start(BufWriter::new(file), &metadata, &tensors.infos).unwrap();
        for (info, bytes) in tensors.infos.iter().zip(&tensors.bytes) {
            writer.tensor(info.name(), bytes).unwrap();
        }
        writer.finish().unwrap();
        Self { family, head_size, key_heads, tensors: tensors.values, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("model.gguf")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn add_layer(tensors: &mut Tensors, family: &str, layer: usize, query: usize, key: usize, head_size: usize) {
    let named = |name: &str| format!("blk.{layer}.{name}");
    let is_gpt = family == "gpt2";
    tensors.norm(&named("attn_norm"), WIDTH, is_gpt);
    if is_gpt || family == "phi3" {
        tensors.matrix(&named("attn_qkv.weight"), WIDTH, query + 2 * key);
        if is_gpt {
            tensors.bias(&named("attn_qkv"), query + 2 * key);
        }
    } else {
        for (name, rows) in [("attn_q", query), ("attn_k", key), ("attn_v", key)] {
            tensors.matrix(&named(&format!("{name}.weight")), WIDTH, rows);
            if family == "qwen2" {
                tensors.bias(&named(name), rows);
            }
        }
    }
    if family == "qwen3" || family == "gemma3" {
        tensors.norm(&named("attn_q_norm"), head_size, false);
        tensors.norm(&named("attn_k_norm"), head_size, false);
    }
    tensors.matrix(&named("attn_output.weight"), query, WIDTH);
    if family == "gemma3" {
        tensors.norm(&named("post_attention_norm"), WIDTH, false);
        tensors.norm(&named("post_ffw_norm"), WIDTH, false);
    }
    tensors.norm(&named("ffn_norm"), WIDTH, is_gpt);
    match family {
        "gpt2" => {
            tensors.matrix(&named("ffn_up.weight"), WIDTH, INNER);
            tensors.bias(&named("attn_output"), WIDTH);
            tensors.bias(&named("ffn_up"), INNER);
            tensors.bias(&named("ffn_down"), WIDTH);
        }
        "phi3" => tensors.matrix(&named("ffn_up.weight"), WIDTH, 2 * INNER),
        _ => {
            tensors.matrix(&named("ffn_gate.weight"), WIDTH, INNER);
            tensors.matrix(&named("ffn_up.weight"), WIDTH, INNER);
        }
    }
    tensors.matrix(&named("ffn_down.weight"), INNER, WIDTH);
}

fn metadata(family: &str, key_heads: usize, head_size: usize) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", family).unwrap();
    let mut number = |key: &str, value: usize| {
        metadata.set(&format!("{family}.{key}"), u32::try_from(value).unwrap()).unwrap();
    };
    number("embedding_length", WIDTH);
    number("block_count", LAYERS);
    number("attention.head_count", HEADS);
    number("attention.head_count_kv", key_heads);
    number("attention.key_length", head_size);
    number("attention.value_length", head_size);
    number("feed_forward_length", INNER);
    number("context_length", CONTEXT);
    if family == "gemma3" {
        number("attention.sliding_window", WINDOW);
    }
    let epsilon =
        if family == "gpt2" { "attention.layer_norm_epsilon" } else { "attention.layer_norm_rms_epsilon" };
    metadata.set(&format!("{family}.{epsilon}"), EPSILON).unwrap();
    metadata.set(&format!("{family}.rope.freq_base"), BASE).unwrap();
    metadata
}
