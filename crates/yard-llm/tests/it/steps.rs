//! Steps of small models of every family.

use std::num::NonZeroUsize;

use yard_gguf::BlockType;
use yard_kernels::{Cpu, Machine, PageElement, ThreadPool};
use yard_llm::{KeyValueCache, LlmError, LogitRows, Model, Part, Scratch, Sequence};

use crate::{
    naive,
    small_model::{CONTEXT, FAMILIES, SmallModel, VOCABULARY},
};

fn machine(threads: usize) -> Machine {
    Machine::new(NonZeroUsize::new(threads).unwrap()).unwrap()
}

fn load(small: &SmallModel, machine: &Machine) -> Model {
    Model::load(&small.path(), machine, &mut |_| {}).unwrap()
}

fn tokens(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|number| ((number * 31 + seed * 17 + number * number) % VOCABULARY) as u32).collect()
}

/// A sequence of its own, its tokens cut into steps of these lengths: the logits after each token.
fn alone(model: &Model, machine: &Machine, element: PageElement, tokens: &[u32], cuts: &[usize]) -> Vec<f32> {
    let mut cache = KeyValueCache::new(model.config(), CONTEXT, element).unwrap();
    let (mut scratch, mut sequence) = (Scratch::new(), Sequence::new());
    let (mut all, mut logits, mut rest) = (Vec::new(), Vec::new(), tokens);
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
        cache.reserve(&mut sequence, now.len()).unwrap();
        let part = Part { sequence: &mut sequence, tokens: now, logits: LogitRows::All };
        model.step(machine, &mut cache, &mut scratch, &mut [part], &mut logits).unwrap();
        all.extend_from_slice(&logits);
        rest = later;
    }
    all
}

/// The root of the mean square of the difference, over that of the reference.
fn relative_error(actual: &[f32], expected: &[Vec<f64>]) -> f64 {
    let expected = expected.concat();
    assert_eq!(actual.len(), expected.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let difference = actual.iter().zip(&expected).map(|(actual, expected)| f64::from(*actual) - expected);
    (square(&mut { difference }) / square(&mut expected.iter().copied())).sqrt()
}

#[test]
fn every_family_computes_what_its_definition_says() {
    let machine = machine(2);
    for family in FAMILIES {
        let small = SmallModel::new(family, BlockType::F32);
        let model = load(&small, &machine);
        let tokens = tokens(45, 1);
        let actual = alone(&model, &machine, PageElement::F32, &tokens, &[45]);
        let error = relative_error(&actual, &naive::logits(&small, &tokens));
        assert!(error < 2e-6, "{family}: {error:e}");
    }
}

#[test]
fn quantized_weights_stay_close_to_their_definition() {
    let machine = machine(2);
    // What activations lose by their eight bits is all that may differ: the reference has the same weights.
    for kind in BlockType::ALL.into_iter().filter(|kind| kind.values_per_block() <= 32) {
        let small = SmallModel::new("llama", kind);
        let model = load(&small, &machine);
        let tokens = tokens(40, 2);
        let actual = alone(&model, &machine, PageElement::F16, &tokens, &[40]);
        let error = relative_error(&actual, &naive::logits(&small, &tokens));
        assert!(error < 0.03, "{kind:?}: {error}");
    }
}

#[test]
fn a_sequence_gets_the_same_bits_alone_among_others_and_however_it_is_cut() {
    for family in FAMILIES {
        let small = SmallModel::new(family, BlockType::Q8_0);
        let one = machine(1);
        let model = load(&small, &one);
        let all: Vec<Vec<u32>> = (0..13).map(|number| tokens(3 + 7 * number, number)).collect();
        let expected: Vec<Vec<f32>> =
            all.iter().map(|tokens| alone(&model, &one, PageElement::F16, tokens, &[96])).collect();
        for threads in [1, 2, 3] {
            let machine = machine(threads);
            for (tokens, expected) in all.iter().zip(&expected) {
                let cut = alone(&model, &machine, PageElement::F16, tokens, &[1, 5, 2, 16]);
                assert!(cut == *expected, "{family}, {threads} threads, {} tokens", tokens.len());
            }
            let together = together(&model, &machine, &all);
            assert!(together == expected.concat(), "{family}, {threads} threads");
        }
    }
}

/// All sequences in one step.
fn together(model: &Model, machine: &Machine, all: &[Vec<u32>]) -> Vec<f32> {
    let mut cache = KeyValueCache::new(model.config(), all.len() * CONTEXT, PageElement::F16).unwrap();
    let (mut scratch, mut logits) = (Scratch::new(), Vec::new());
    let mut sequences: Vec<Sequence> = all.iter().map(|_| Sequence::new()).collect();
    let mut parts = Vec::new();
    for (sequence, tokens) in sequences.iter_mut().zip(all) {
        cache.reserve(sequence, tokens.len()).unwrap();
        parts.push(Part { sequence, tokens, logits: LogitRows::All });
    }
    model.step(machine, &mut cache, &mut scratch, &mut parts, &mut logits).unwrap();
    logits
}

#[test]
fn every_path_of_the_processor_agrees() {
    for family in FAMILIES {
        let small = SmallModel::new(family, BlockType::Q4_0);
        let tokens = tokens(30, 3);
        let mut results = Cpu::every().into_iter().map(|cpu| {
            let machine = Machine { cpu, pool: ThreadPool::new(NonZeroUsize::MIN).unwrap() };
            (cpu, alone(&load(&small, &machine), &machine, PageElement::F16, &tokens, &[8]))
        });
        let (_, first) = results.next().unwrap();
        for (cpu, other) in results {
            assert!(first == other, "{family}: {cpu:?}");
        }
    }
}

/// A sequence that has run these tokens.
fn read(model: &Model, machine: &Machine, cache: &mut KeyValueCache, tokens: &[u32]) -> Sequence {
    let mut sequence = Sequence::new();
    cache.reserve(&mut sequence, tokens.len()).unwrap();
    let part = Part { sequence: &mut sequence, tokens, logits: LogitRows::Last };
    model.step(machine, cache, &mut Scratch::new(), &mut [part], &mut Vec::new()).unwrap();
    sequence
}

#[test]
fn a_shared_beginning_changes_nothing_and_is_held_once() {
    let machine = machine(2);
    let small = SmallModel::new("llama", BlockType::Q8_0);
    let model = load(&small, &machine);
    let prompt = tokens(37, 4);
    let mut cache = KeyValueCache::new(model.config(), 4 * CONTEXT, PageElement::F16).unwrap();
    let (mut scratch, mut logits) = (Scratch::new(), Vec::new());
    let mut first = read(&model, &machine, &mut cache, &prompt);
    let before = cache.free_pages();

    let mut second = cache.share(&first, 36);
    assert_eq!((second.len(), cache.free_pages()), (36, before));
    cache.truncate(&mut second, 32);
    let rest: Vec<u32> = [&prompt[32..36], &[7, 8]].concat();
    cache.reserve(&mut first, 1).unwrap();
    cache.reserve(&mut second, rest.len()).unwrap();
    let mut parts = [
        Part { sequence: &mut first, tokens: &[9], logits: LogitRows::Last },
        Part { sequence: &mut second, tokens: &rest, logits: LogitRows::Last },
    ];
    model.step(&machine, &mut cache, &mut scratch, &mut parts, &mut logits).unwrap();
    for (row, end) in [(0, [&prompt[..], &[9]].concat()), (1, [&prompt[..36], &[7, 8]].concat())] {
        let expected = alone(&model, &machine, PageElement::F16, &end, &[96]);
        let last = &expected[expected.len() - VOCABULARY..];
        assert!(&logits[row * VOCABULARY..(row + 1) * VOCABULARY] == last, "sequence {row}");
    }
    cache.release(first);
    cache.release(second);
    assert_eq!(cache.free_pages(), cache.pages());
}

#[test]
fn a_page_held_in_common_is_copied_before_it_is_written() {
    let machine = machine(2);
    let small = SmallModel::new("gemma3", BlockType::Q8_0);
    let model = load(&small, &machine);
    let prompt = tokens(40, 5);
    let mut cache = KeyValueCache::new(model.config(), 4 * CONTEXT, PageElement::F16).unwrap();
    let (mut scratch, mut logits) = (Scratch::new(), Vec::new());
    let mut first = read(&model, &machine, &mut cache, &prompt);

    let mut second = cache.share(&first, 20);
    let unprepared = Part { sequence: &mut second, tokens: &[3], logits: LogitRows::Last };
    let refused = model.step(&machine, &mut cache, &mut scratch, &mut [unprepared], &mut logits);
    assert!(matches!(refused, Err(LlmError::NotReserved { tokens: 1, length: 20 })), "{refused:?}");
    let free = cache.free_pages();
    cache.reserve(&mut second, 2).unwrap();
    assert_eq!(cache.free_pages(), free - 1);
    cache.reserve(&mut first, 1).unwrap();
    let mut parts = [
        Part { sequence: &mut second, tokens: &[3, 4], logits: LogitRows::Last },
        Part { sequence: &mut first, tokens: &[5], logits: LogitRows::Last },
    ];
    model.step(&machine, &mut cache, &mut scratch, &mut parts, &mut logits).unwrap();
    for (row, whole) in [(0, [&prompt[..20], &[3, 4]].concat()), (1, [&prompt[..], &[5]].concat())] {
        let expected = alone(&model, &machine, PageElement::F16, &whole, &[96]);
        let last = &expected[expected.len() - VOCABULARY..];
        assert!(&logits[row * VOCABULARY..(row + 1) * VOCABULARY] == last, "row {row}");
    }
    cache.release(first);
    cache.release(second);
    assert_eq!(cache.free_pages(), cache.pages());
}

#[test]
fn a_cache_of_another_model_is_refused() {
    let machine = machine(1);
    let (llama, gpt) = (SmallModel::new("llama", BlockType::F32), SmallModel::new("gpt2", BlockType::F32));
    let (llama, gpt) = (load(&llama, &machine), load(&gpt, &machine));
    let mut cache = KeyValueCache::new(gpt.config(), 32, PageElement::F16).unwrap();
    let (mut scratch, mut logits, mut sequence) = (Scratch::new(), Vec::new(), Sequence::new());
    cache.reserve(&mut sequence, 1).unwrap();
    let part = Part { sequence: &mut sequence, tokens: &[1], logits: LogitRows::Last };
    let refused = llama.step(&machine, &mut cache, &mut scratch, &mut [part], &mut logits);
    assert!(refused.unwrap_err().to_string().contains("another model"));
}

#[test]
fn what_cannot_be_run_is_refused_and_changes_nothing() {
    let machine = machine(1);
    let small = SmallModel::new("llama", BlockType::Q8_0);
    let model = load(&small, &machine);
    let mut cache = KeyValueCache::new(model.config(), 32, PageElement::F16).unwrap();
    let (mut scratch, mut logits, mut sequence) = (Scratch::new(), Vec::new(), Sequence::new());
    let mut run = |cache: &mut KeyValueCache, sequence: &mut Sequence, tokens: &[u32]| {
        let part = Part { sequence, tokens, logits: LogitRows::Last };
        model.step(&machine, cache, &mut scratch, &mut [part], &mut logits)
    };
    assert!(matches!(run(&mut cache, &mut sequence, &[1]), Err(LlmError::NotReserved { .. })));
    cache.reserve(&mut sequence, 20).unwrap();
    let refused = run(&mut cache, &mut sequence, &[1, VOCABULARY as u32]);
    assert!(matches!(refused, Err(LlmError::UnknownToken { token: 80, vocabulary: 80 })), "{refused:?}");
    assert!(run(&mut cache, &mut sequence, &[]).is_err());
    assert_eq!(sequence.len(), 0);
    run(&mut cache, &mut sequence, &[1, 2, 3]).unwrap();
    assert_eq!(sequence.len(), 3);
    assert!(matches!(cache.reserve(&mut sequence, CONTEXT), Err(LlmError::ContextFull { .. })));
}

#[test]
fn files_that_fit_no_family_are_refused_by_name() {
    let machine = machine(1);
    let small = SmallModel::new("llama", BlockType::F32);
    let bytes = std::fs::read(small.path()).unwrap();
    let changed = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let place = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut bytes = bytes.clone();
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        let path = small.folder().join("changed.gguf");
        std::fs::write(&path, bytes).unwrap();
        Model::load(&path, &machine, &mut |_| {}).unwrap_err().to_string()
    };
    let error = changed("llama", "mamba");
    assert!(error.contains("'mamba'") && error.contains("gemma3"), "{error}");
    let error = changed("llama.block_count", "llama.block_coun_");
    assert!(error.contains("llama.block_count"), "{error}");
    let error = changed("blk.3.ffn_norm.weight", "blk.3.ffn_norm.weighs");
    assert!(error.contains("blk.3.ffn_norm.weight"), "{error}");
    // Qwen 2 goes without its biases, but not with one that it has no use for.
    let small = SmallModel::new("qwen2", BlockType::F32);
    let bytes = std::fs::read(small.path()).unwrap();
    let place = bytes.windows(15).position(|part| part == b"blk.2.attn_q.bi").unwrap();
    let mut changed_bias = bytes;
    changed_bias[place..place + 15].copy_from_slice(b"blk.2.attn_r.bi");
    let path = small.folder().join("changed.gguf");
    std::fs::write(&path, changed_bias).unwrap();
    let error = Model::load(&path, &machine, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("no use for the tensor 'blk.2.attn_r.bias'"), "{error}");
    let error = changed("blk.3.ffn_down.weight", "blk.3.ffn_dawn.weight");
    assert!(error.contains("blk.3.ffn_down.weight"), "{error}");
}
