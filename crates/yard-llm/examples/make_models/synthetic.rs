//! A Llama with a billion random weights.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use yard_gguf::{BlockType, GgufWriter, Metadata, TensorInfo, quantize};

const WIDTH: usize = 2048;
const LAYERS: usize = 16;
const HEADS: usize = 32;
const KEY_HEADS: usize = 8;
const HEAD_SIZE: usize = WIDTH / HEADS;
const INNER: usize = 8192;
const CONTEXT: usize = 8192;
/// Rows that are drawn; a matrix repeats them. What a product costs does not depend on the numbers.
const DRAWN_ROWS: usize = 64;

/// Writes the model with the vocabulary of `like`. `head` is the type of the embedding, which is the head as well.
pub(crate) fn write(
    like: &Metadata,
    kind: BlockType,
    head: BlockType,
    target: &Path,
) -> Result<(), Box<dyn Error>> {
    let vocabulary = like.strings("tokenizer.ggml.tokens")?.len();
    let infos = infos(vocabulary, kind, head)?;
    let out = BufWriter::new(File::create(target)?);
    let metadata = metadata(like)?;
    let mut writer = GgufWriter::start(out, &metadata, &infos)?;
    for info in &infos {
        writer.tensor(info.name(), &values(info)?)?;
    }
    writer.finish()?;
    Ok(())
}

fn infos(vocabulary: usize, kind: BlockType, head: BlockType) -> Result<Vec<TensorInfo>, Box<dyn Error>> {
    let mut infos = vec![
        TensorInfo::new("token_embd.weight", head, &[WIDTH, vocabulary])?,
        TensorInfo::new("output_norm.weight", BlockType::F32, &[WIDTH])?,
    ];
    for layer in 0..LAYERS {
        for norm in ["attn_norm", "ffn_norm"] {
            infos.push(TensorInfo::new(&format!("blk.{layer}.{norm}.weight"), BlockType::F32, &[WIDTH])?);
        }
        for (name, columns, rows) in [
            ("attn_q", WIDTH, HEADS * HEAD_SIZE),
            ("attn_k", WIDTH, KEY_HEADS * HEAD_SIZE),
            ("attn_v", WIDTH, KEY_HEADS * HEAD_SIZE),
            ("attn_output", HEADS * HEAD_SIZE, WIDTH),
            ("ffn_gate", WIDTH, INNER),
            ("ffn_up", WIDTH, INNER),
            ("ffn_down", INNER, WIDTH),
        ] {
            infos.push(TensorInfo::new(&format!("blk.{layer}.{name}.weight"), kind, &[columns, rows])?);
        }
    }
    Ok(infos)
}

fn metadata(like: &Metadata) -> Result<Metadata, Box<dyn Error>> {
    let mut metadata = like.clone();
    metadata.set("general.name", "a billion random weights")?;
    let numbers = [
        ("block_count", LAYERS),
        ("context_length", CONTEXT),
        ("embedding_length", WIDTH),
        ("feed_forward_length", INNER),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", KEY_HEADS),
        ("rope.dimension_count", HEAD_SIZE),
    ];
    for (key, number) in numbers {
        metadata.set(&format!("llama.{key}"), u32::try_from(number)?)?;
    }
    Ok(metadata)
}

/// A matrix's bytes: rows of random numbers, so small that rows keep their size from layer to layer. A norm's are ones.
fn values(info: &TensorInfo) -> Result<Vec<u8>, Box<dyn Error>> {
    let columns = info.columns();
    let mut bytes = vec![0; info.byte_length()];
    if info.rows() == 1 {
        quantize(info.kind(), &vec![1.0; columns], &mut bytes)?;
        return Ok(bytes);
    }
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ columns as u64;
    let scale = 2.0 / (columns as f32).sqrt();
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * scale
    };
    let drawn: Vec<f32> = (0..DRAWN_ROWS * columns).map(|_| draw()).collect();
    let part = DRAWN_ROWS * info.row_bytes();
    quantize(info.kind(), &drawn, &mut bytes[..part])?;
    let (drawn, rest) = bytes.split_at_mut(part);
    for rows in rest.chunks_mut(part) {
        rows.copy_from_slice(&drawn[..rows.len()]);
    }
    Ok(bytes)
}
