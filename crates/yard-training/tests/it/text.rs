//! Text classifiers: from raw texts to probabilities, trained as served.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use yard_data::{Column, Table, Values, draw};
use yard_engine::{Engine, LoadOptions, LoadedModel, ModelPackage, RunControl};
use yard_onnx::{GraphBuilder, Model, ReadLimits};
use yard_training::{TextPreparation, TokenizerOptions, TrainingError, Verifier as _, train};
use yard_types::{DataType, Dim, NamedTensor, Tensor, TensorData};

use crate::{
    place::onnx_runtime,
    served::{Engines, InMemory, categories, data_of, file, numbers, spec, trained, trained_on},
};

fn texts(name: &str, texts: &[&str]) -> Column {
    let texts = texts.iter().map(|text| Some((*text).to_owned())).collect();
    Column { name: name.to_owned(), values: Values::Texts(texts) }
}

fn table(column: Column) -> Table {
    Table { rows: column.values.rows(), columns: vec![column] }
}

/// The part of a graph that makes numbers of words, in the engine.
struct Split {
    preparation: TextPreparation,
    model: Arc<dyn LoadedModel>,
}

impl Split {
    fn new(known: &[&str], lower_case: bool, max_tokens: usize) -> Self {
        let options = TokenizerOptions { vocabulary: 10_000, min_count: 1, lower_case, max_tokens };
        let rows: Vec<usize> = (0..known.len()).collect();
        let preparation = TextPreparation::fit(&table(texts("text", known)), &rows, &options).unwrap();
        let (graph, ids) = preparation.emit(GraphBuilder::new(18));
        let shape = [Dim::Symbol("batch".to_owned()), Dim::Symbol("words".to_owned())];
        let bytes = graph
            .node("Identity", &[&ids], &["ids"], Vec::new())
            .output("ids", DataType::Int64, &shape[..])
            .into_bytes();
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("model.onnx"), bytes).unwrap();
        let package = ModelPackage::new(folder.path(), "model.onnx".parse().unwrap());
        Self { preparation, model: onnx_runtime().load(&package, &LoadOptions::default()).unwrap() }
    }

    /// What the engine makes of the texts, and what training makes of them; both filled up with padding.
    fn both(&self, rows: &[&str]) -> (Vec<Vec<i64>>, Vec<Vec<i64>>) {
        let data = rows.iter().map(|text| bytes::Bytes::copy_from_slice(text.as_bytes())).collect();
        let input = Tensor::new(vec![rows.len(), 1], TensorData::Bytes(data)).unwrap();
        let outputs = self.model.predict(&[input], &RunControl::new()).unwrap();
        let TensorData::Int64(values) = outputs[0].data() else { panic!("{:?}", outputs[0].data_type()) };
        let width = outputs[0].shape()[1];
        let served = values.chunks(width).map(<[i64]>::to_vec).collect();
        let trained = rows.iter().map(|text| {
            let mut ids: Vec<i64> =
                self.preparation.tokenizer().ids(text).into_iter().map(i64::from).collect();
            assert!(ids.len() <= width, "{text:?}: {ids:?} in {width} places");
            ids.resize(width, 0);
            ids
        });
        (served, trained.collect())
    }
}

/// Texts of characters that are likely to make a difference, and of any.
fn any_text() -> impl Strategy<Value = String> {
    let near = prop::sample::select(
        " \t\n\0.,;:!?$%'\"-_/\\()[]{}<>|@#&*+=^`~aAbBzZ09\u{7F}\u{80}\u{A0}\u{A2}£¥ªµºÀÖ×Ø÷ÿŸßẞıİſKÅΣσςЖж\
         \u{300}\u{301}\u{37E}\u{589}שם\u{5BE}سل؟ہ\u{6D4}हि।ไทย၊ქ\u{1680}\u{180E}\u{1FFF}\u{2000}\u{200B}\u{200D}\u{2014}\u{2028}\
         \u{206F}\u{2070}\u{20A0}€₿\u{2190}\u{25FF}☀➿\u{27C0}⠀\u{2BFF}\u{2C00}\u{2E00}\u{3000}々〇あんァヶー・漢字\u{9FFF}\u{A000}한\u{D7FF}\
         \u{E000}\u{F8FF}豈\u{FB00}\u{FE0F}\u{FE10}\u{FE70}\u{FEFF}\u{FF00}Aａ９ｱ｡\u{FFFD}\u{FFFE}\u{10000}\u{1EFFF}\u{1F000}😀\u{1FAFF}\
         \u{1FB00}\u{20000}\u{3FFFF}\u{40000}\u{E0001}\u{10FFFF}"
            .chars()
            .collect::<Vec<char>>(),
    );
    let character = prop_oneof![4 => near, 2 => any::<char>(), 2 => "[a-zA-Z ]".prop_map(|text| {
        text.chars().next().unwrap_or(' ')
    })];
    prop::collection::vec(character, 0..40).prop_map(|characters| characters.into_iter().collect())
}

#[test]
fn the_graph_numbers_the_words_of_any_text_as_training_does() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let rows = prop::collection::vec(any_text(), 1..60);
    runner
        .run(&(rows, any::<bool>(), 1_usize..30), |(rows, lower_case, max_tokens)| {
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            // Every other text is learned from, so that words are known, and every second word only in other letters.
            let known: Vec<&str> = rows.iter().copied().step_by(2).chain(["a known word"]).collect();
            let split = Split::new(&known, lower_case, max_tokens);
            let (served, trained) = split.both(&rows);
            prop_assert_eq!(served, trained);
            let upper: Vec<String> = rows.iter().map(|text| text.to_uppercase()).collect();
            let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
            let (served, trained) = split.both(&upper);
            prop_assert_eq!(served, trained);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_character_is_split_alike() {
    // Each between two letters, a thousand to a text.
    let characters: Vec<char> = (0..=0x10_FFFF).filter_map(char::from_u32).collect();
    let rows: Vec<String> = characters
        .chunks(1000)
        .map(|chunk| chunk.iter().flat_map(|character| ['a', *character]).collect())
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let split = Split::new(&["a A ! é É"], true, 4000);
    for rows in rows.chunks(64) {
        let (served, trained) = split.both(rows);
        assert!(served == trained, "{:?}", served.iter().zip(&trained).position(|(one, other)| one != other));
    }
}

#[test]
fn texts_without_words_become_padding_whatever_else_is_in_the_batch() {
    let split = Split::new(&["some words"], true, 3);
    for rows in [&[""][..], &["", ""], &["...", "some words some words"], &["some", "", "\0"]] {
        let (served, trained) = split.both(rows);
        assert_eq!(served, trained);
    }
    assert_eq!(split.both(&["...", "words some"]).0, [[0, 0, 0], [3, 2, 0]]);
}

const SMALL: &str =
    "name = 'm'\nseed = 5\n[data]\nbuiltin = 'synthetic-text'\n[model]\nkind = 'text_classifier'
max_tokens = 24\nwidth = 16\nheads = 2\nblocks = 2\nhidden = 32\n[training]\nepochs = 2\nbatch_size = 32
optimizer = { kind = 'adamw', learning_rate = 0.003 }\n";

fn asked(rows: &[&str]) -> Vec<NamedTensor> {
    let data = rows.iter().map(|text| bytes::Bytes::copy_from_slice(text.as_bytes())).collect();
    let tensor = Tensor::new(vec![rows.len(), 1], TensorData::Bytes(data)).unwrap();
    vec![NamedTensor { name: "text".to_owned(), tensor }]
}

fn probabilities(model: &[u8], rows: &[&str]) -> Vec<f32> {
    let mut outputs = Engines.predict(model, asked(rows)).unwrap();
    let TensorData::Fp32(values) = outputs.remove(0).tensor.into_parts().1 else { panic!() };
    values
}

#[test]
fn a_text_classifier_learns_and_takes_raw_texts() {
    let example = yard_spec::example("text-classifier").unwrap().toml;
    let (trained, _) = trained(example);
    let accuracy = trained.metrics["test"]["accuracy"];
    assert!(accuracy >= 0.95, "{accuracy}");
    let names: Vec<&str> = trained.files.iter().map(|file| file.path).collect();
    let expected = [
        "model.onnx",
        "training.json",
        "learning_curve.svg",
        "golden.json",
        "tokenizer.json",
        "vocabulary.txt",
    ];
    assert_eq!(names, expected);
    let model = file(&trained, "model.onnx");
    let signature =
        Model::decode(model.to_vec().into(), &ReadLimits::default()).unwrap().signature().unwrap();
    assert_eq!((signature.inputs.len(), signature.inputs[0].data_type), (1, DataType::Bytes));
    let labels = ["cooking", "sport", "weather"].map(str::to_owned).to_vec();
    assert_eq!(signature.outputs[0].labels.as_ref(), Some(&labels));
    let answer = probabilities(
        model,
        &["THE COACH kicks the ball!", "my aunt bakes a loaf", "The fog covers the hills"],
    );
    assert!(answer[1] > 0.8 && answer[3] > 0.8 && answer[8] > 0.8, "{answer:?}");
    let golden: Value = serde_json::from_slice(file(&trained, "golden.json")).unwrap();
    assert_eq!(golden["samples"][0]["inputs"][0]["datatype"], "BYTES");
    let vocabulary = std::str::from_utf8(file(&trained, "vocabulary.txt")).unwrap();
    let tokenizer: Value = serde_json::from_slice(file(&trained, "tokenizer.json")).unwrap();
    assert_eq!(tokenizer["ids"][vocabulary.lines().next().unwrap()], 2);
}

#[test]
fn an_answer_does_not_depend_on_the_other_texts_of_a_request() {
    let (trained, _) = trained(SMALL);
    let model = file(&trained, "model.onnx");
    let mut source = draw(1, "test", 0);
    let words = ["the", "cook", "storm", "ball", "nothing", "!", "Sunday", "and"];
    let rows: Vec<String> = (0..40_u64)
        .map(|row| (0..row).map(|_| words[source.below(8) as usize]).collect::<Vec<_>>().join(" "))
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let together = probabilities(model, &rows);
    for (row, together) in rows.iter().zip(together.chunks(3)) {
        let alone = probabilities(model, &[row]);
        for (alone, together) in alone.iter().zip(together) {
            assert!((alone - together).abs() <= 1e-6, "{row:?}: {alone} alone, {together} together");
        }
    }
}

#[test]
fn equal_runs_give_equal_bytes_and_so_does_one_that_was_stopped() {
    let (first, whole) = trained(SMALL);
    assert_eq!(first, trained(SMALL).0);
    let spec = spec(SMALL);
    let data = data_of(&spec);
    let stop_after = Some(whole.events.len() / 3);
    let mut run = InMemory { stop_after, ..InMemory::default() };
    let error = train(&spec, &data, &Engines, &mut run).unwrap_err();
    assert!(matches!(error, TrainingError::Stopped { .. }), "{error}");
    run.stop_after = None;
    assert_eq!(train(&spec, &data, &Engines, &mut run).unwrap(), first);
}

#[track_caller]
fn check_refused(text: &str, columns: Vec<Column>, message: &str) {
    let error = trained_on(text, columns, &mut InMemory::default()).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn what_a_text_classifier_cannot_learn_from_is_said() {
    let rows: Vec<String> = (0..40).map(|row| format!("word{row} again")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let label = || categories("label", &["a", "b"], &(0..40).map(|row| row % 2).collect::<Vec<_>>());
    let numbers = || numbers("size", &(0..40).map(f64::from).collect::<Vec<_>>());
    let message = "a text classifier learns from one column of texts, but the features are `text`, `size`: name all \
                   others in data.ignore";
    check_refused(SMALL, vec![texts("text", &rows), numbers(), label()], message);
    let message = "a text classifier learns from one column of texts, but the features are `size`: name all others in data.ignore";
    check_refused(SMALL, vec![numbers(), label()], message);
    let strict = SMALL.replace("max_tokens", "min_count = 50\nmax_tokens");
    let message = "no word stands 50 times in column `text` of the 28 training rows: lower model.min_count, or choose \
                   another column";
    check_refused(&strict, vec![texts("text", &rows), label()], message);
    let large = SMALL.replace("max_tokens = 24", "max_tokens = 4096");
    let message = "a step of 32 texts of 4096 words holds more than 268435456 numbers in one part: lower \
                   model.max_tokens, model.heads or training.batch_size";
    check_refused(&large, vec![texts("text", &rows), label()], message);
}

#[test]
fn texts_that_are_cut_and_empty_ones_are_reported_and_served() {
    let rows: Vec<String> = (0..60)
        .map(|row| match row % 3 {
            0 => String::new(),
            1 => "good ".repeat(40),
            _ => "bad".to_owned(),
        })
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let label = categories(
        "label",
        &["bad", "empty", "good"],
        &(0..60).map(|row| [1, 2, 0][row % 3]).collect::<Vec<_>>(),
    );
    let mut run = InMemory::default();
    let text = SMALL.replace("epochs = 2", "epochs = 60");
    let trained = trained_on(&text, vec![texts("text", &rows), label], &mut run).unwrap();
    assert_eq!(trained.metrics["test"]["accuracy"], 1.0);
    let record: Value = serde_json::from_slice(file(&trained, "training.json")).unwrap();
    let notes = record["notes"].to_string();
    assert!(
        notes.contains("14 of 42 training texts have more than 24 words; the rest is cut off"),
        "{notes}"
    );
    assert!(notes.contains("14 of 42 training texts have no words"), "{notes}");
}
