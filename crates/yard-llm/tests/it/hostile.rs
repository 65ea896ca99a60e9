//! Files whose fields say anything: they are refused with words, or they run. Nothing panics, and little memory is taken.

use std::{fs::File, io::BufWriter, num::NonZeroUsize, path::Path};

use yard_gguf::{BlockType, Gguf, GgufWriter, Metadata, ReadLimits, TensorInfo, Value};
use yard_kernels::{Machine, PageElement};
use yard_llm::{
    ControlText, EncodeOptions, KeyValueCache, LlmError, LogitRows, Model, Part, Scratch, Sequence, Tokenizer,
};

use crate::{
    small_model::{FAMILIES, SmallModel},
    tokenizer::{BYTE_PAIRS, SENTENCE_PIECES},
};

/// Values that no model means, of every type that a number may have.
fn extremes() -> Vec<Value> {
    let mut values = vec![Value::Bool(true), Value::String(String::new()), Value::String("x".repeat(5_000))];
    values.extend([0, 1, 2, 3, 7, 255, 65_536, 1 << 30, u32::MAX].map(Value::U32));
    values.extend([i32::MIN, -1].map(Value::I32));
    values.extend([u64::MAX, 1 << 40].map(Value::U64));
    values.extend(
        [0.0, -0.0, -1.0, 1e-45, 1e-30, 1e30, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]
            .map(Value::F32),
    );
    values.extend([f64::MAX, f64::NAN].map(Value::F64));
    values
}

/// A copy of a model's file with other fields and other tensors.
fn rewrite(
    from: &Path,
    to: &Path,
    metadata: impl FnOnce(&mut Metadata),
    change: impl Fn(&str, &mut Vec<usize>, &mut Vec<u8>) -> bool,
) {
    let file = Gguf::open(from, &ReadLimits::default()).unwrap();
    let mut changed = file.metadata().clone();
    metadata(&mut changed);
    let (mut infos, mut all) = (Vec::new(), Vec::new());
    for tensor in file.tensors() {
        let mut dimensions = tensor.info.dimensions().to_vec();
        let mut bytes = tensor.bytes.to_vec();
        if change(tensor.info.name(), &mut dimensions, &mut bytes) {
            infos.push(TensorInfo::new(tensor.info.name(), tensor.info.kind(), &dimensions).unwrap());
            all.push(bytes);
        }
    }
    let out = BufWriter::new(File::create(to).unwrap());
    let mut writer = GgufWriter::start(out, &changed, &infos).unwrap();
    for (info, bytes) in infos.iter().zip(&all) {
        writer.tensor(info.name(), bytes).unwrap();
    }
    writer.finish().unwrap();
}

/// Loads a file and, if it can be loaded, runs it: as far as that goes.
fn try_it(path: &Path, machine: &Machine) -> Result<(), LlmError> {
    let model = Model::load(path, machine, &mut |_| {})?;
    let mut cache = KeyValueCache::new(model.config(), 64, PageElement::F16)?;
    let mut sequence = Sequence::new();
    cache.reserve(&mut sequence, 3)?;
    let part = Part { sequence: &mut sequence, tokens: &[1, 2, 3], logits: LogitRows::All };
    model.step(machine, &mut cache, &mut Scratch::new(), &mut [part], &mut Vec::new())
}

/// What the process may take at most, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn every_field_at_its_extremes_is_refused_or_runs() {
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    let (mut refused, mut ran) = (0, 0);
    for family in FAMILIES {
        let small = SmallModel::new(family, BlockType::Q8_0);
        let path = small.folder().join("changed.gguf");
        let file = Gguf::open(&small.path(), &ReadLimits::default()).unwrap();
        let mut keys: Vec<String> = file.metadata().iter().map(|(key, _)| key.to_owned()).collect();
        // Those that are read if they are there.
        for key in [
            "rope.dimension_count",
            "rope.scaling.type",
            "rope.scaling.factor",
            "rope.scaling.attn_factor",
            "rope.scaling.original_context_length",
            "rope.scaling.finetuned",
            "attention.sliding_window",
            "attention.scale",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "attention.causal",
            "rope.scaling.yarn_beta_fast",
            "rope.scaling.yarn_beta_slow",
            "expert_count",
        ] {
            keys.push(format!("{family}.{key}"));
        }
        for key in keys {
            for value in extremes() {
                let what = format!("{family}: {key} = {value:?}");
                rewrite(&small.path(), &path, |metadata| metadata.set(&key, value).unwrap(), |_, _, _| true);
                match try_it(&path, &machine) {
                    Ok(()) => ran += 1,
                    Err(error) => {
                        refused += 1;
                        assert!(!error.to_string().is_empty(), "{what}");
                    }
                }
                assert!(peak_memory() < 1 << 30, "{what}");
            }
        }
    }
    // Most fields matter; some do not to some families.
    assert!(refused > 1_000 && ran > 100, "{refused} {ran}");
}

#[test]
fn every_tensor_of_another_shape_or_missing_is_refused() {
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    for family in FAMILIES {
        let small = SmallModel::new(family, BlockType::F32);
        let path = small.folder().join("changed.gguf");
        let file = Gguf::open(&small.path(), &ReadLimits::default()).unwrap();
        let names: Vec<String> = file.tensors().map(|tensor| tensor.info.name().to_owned()).collect();
        for name in names {
            let missing = |this: &str, _: &mut Vec<usize>, _: &mut Vec<u8>| this != name;
            rewrite(&small.path(), &path, |_| {}, missing);
            // A head of its own is the one tensor that a model may have or not.
            let outcome = try_it(&path, &machine);
            assert!(outcome.is_err() || name == "output.weight", "{family} without {name}");
            let longer = |this: &str, dimensions: &mut Vec<usize>, bytes: &mut Vec<u8>| {
                if this == name {
                    let last = dimensions.last_mut().unwrap();
                    let row = bytes.len() / *last;
                    *last += 1;
                    bytes.extend(vec![0; row]);
                }
                true
            };
            rewrite(&small.path(), &path, |_| {}, longer);
            let outcome = try_it(&path, &machine);
            // As many tokens as rows, and positions may be more than the context has.
            let may_be_longer = ["token_embd.weight", "position_embd.weight", "output.weight"];
            assert!(outcome.is_err() || may_be_longer.contains(&name.as_str()), "{family}: longer {name}");
        }
    }
}

#[test]
fn weights_that_are_no_numbers_do_not_stop_the_machine() {
    let machine = Machine::new(NonZeroUsize::new(2).unwrap()).unwrap();
    for family in FAMILIES {
        let small = SmallModel::new(family, BlockType::F32);
        let path = small.folder().join("changed.gguf");
        for bits in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE / 2.0] {
            let poison = |_: &str, _: &mut Vec<usize>, bytes: &mut Vec<u8>| {
                for (place, four) in bytes.chunks_exact_mut(4).enumerate() {
                    if place % 97 == 5 {
                        four.copy_from_slice(&bits.to_le_bytes());
                    }
                }
                true
            };
            rewrite(&small.path(), &path, |_| {}, poison);
            // Whatever it is, it comes back.
            let _ = try_it(&path, &machine);
        }
    }
}

/// Draws that look random and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

/// A copy with a few bytes changed, cut off, or put in.
fn damaged(bytes: &[u8], head: usize, draw: &mut Draw) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=draw.below(4) {
        let place = draw.below(head);
        match draw.below(6) {
            0 => bytes[place] ^= 1 << draw.below(8),
            1 => bytes[place] = [0, 1, 0x7f, 0x80, 0xff][draw.below(5)],
            2 => {
                let end = (place + 8).min(bytes.len());
                bytes[place..end].fill([0, 0xff][draw.below(2)]);
            }
            3 => bytes.truncate(place.max(32)),
            4 => bytes.insert(place, draw.below(256) as u8),
            _ => {
                let from = draw.below(head);
                let piece = bytes[from..(from + 16).min(bytes.len())].to_vec();
                let end = (place + piece.len()).min(bytes.len());
                bytes[place..end].copy_from_slice(&piece[..end - place]);
            }
        }
        if bytes.len() <= head {
            break;
        }
    }
    bytes
}

#[test]
fn files_damaged_anywhere_are_refused_or_run() {
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    let (mut draw, mut refused, mut ran) = (Draw(1), 0, 0);
    for family in FAMILIES {
        let small = SmallModel::new(family, BlockType::Q4_0);
        let whole = std::fs::read(small.path()).unwrap();
        let path = small.folder().join("damaged.gguf");
        // Descriptions come first: damage in the data gives other numbers and nothing else.
        let head = whole.len().min(6_000);
        for _ in 0..300 {
            std::fs::write(&path, damaged(&whole, head, &mut draw)).unwrap();
            match try_it(&path, &machine) {
                Ok(()) => ran += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 300 && ran > 50, "{refused} {ran}");
    assert!(peak_memory() < 1 << 30);
}

#[test]
fn vocabularies_damaged_anywhere_are_refused_or_read_and_write() {
    let (mut draw, mut refused, mut used) = (Draw(2), 0, 0);
    let text = "Damage: \u{e9}\u{4e16}\u{1f600} x  y\n<|end|> 123";
    for whole in [BYTE_PAIRS, SENTENCE_PIECES] {
        for _ in 0..400 {
            let mut bytes = whole.to_vec();
            if draw.below(2) == 0 {
                bytes = damaged(whole, whole.len() - 100, &mut draw);
            } else {
                // Lengths mostly survive single bits.
                (0..20).for_each(|_| bytes[draw.below(whole.len())] ^= 1 << draw.below(8));
            }
            let tokenizer = Gguf::read(bytes.as_slice(), &ReadLimits::default())
                .ok()
                .and_then(|file| Tokenizer::from_metadata(file.metadata()).ok());
            let Some(tokenizer) = tokenizer else {
                refused += 1;
                continue;
            };
            used += 1;
            let options = EncodeOptions { add_special: true, parse_special: true };
            let tokens = tokenizer.encode(text, options);
            assert!(tokens.iter().all(|token| (*token as usize) < tokenizer.vocabulary_size()));
            let _ = tokenizer.decode(&tokens, ControlText::Hidden);
        }
    }
    assert!(refused > 50 && used > 20, "{refused} {used}");
}
