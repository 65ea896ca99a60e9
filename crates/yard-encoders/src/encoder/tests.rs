use yard_engine::{Engine, LoadOptions, RunControl};

use super::*;
use crate::testing::{CountingEngine, TOKENIZER_FILE, package};

/// An encoder and the model that it reads for.
fn open(engine: &CountingEngine, files: &[(&str, &str)]) -> (TextEncoder, CountingEngine) {
    let mut files = files.to_vec();
    files.push(("tokenizer.json", TOKENIZER_FILE));
    let (_folder, package) = package(&files);
    let model = engine.load(&package, &LoadOptions::default()).unwrap();
    (TextEncoder::open(&package, model.as_ref(), Occasion::Proof).unwrap().unwrap(), engine.clone())
}

/// The rows of all texts, run as they are planned.
fn run((encoder, model): &(TextEncoder, CountingEngine), texts: &[Tokens], joined: bool) -> Vec<Vec<f32>> {
    let mut rows = vec![Vec::new(); texts.len()];
    for places in encoder.plan(texts, joined) {
        let inputs = encoder.inputs(texts, &places).unwrap();
        let outputs = model.predict(&inputs, &RunControl::new()).unwrap();
        for (place, row) in places.iter().zip(encoder.rows(texts, &places, &outputs).unwrap()) {
            rows[*place] = row;
        }
    }
    rows
}

const NOT_NORMALIZED: (&str, &str) = ("modules.json", "[]");

#[test]
fn rows_are_the_mean_of_the_tokens_whatever_they_are_padded_to() {
    let opened = open(&CountingEngine::tokens(), &[NOT_NORMALIZED]);
    let texts = ["the cat", "a", "the cat sits!"].map(|text| opened.0.text(text, false).unwrap());
    // [CLS] and [SEP] are 2 and 3.
    let expected = [vec![3.5, 1.0], vec![5.0, 1.0], vec![36.0 / 7.0, 1.0]];
    for joined in [true, false] {
        assert_eq!(run(&opened, &texts, joined), expected, "joined: {joined}");
    }
    assert_eq!(opened.0.plan(&texts, true), [[1, 0, 2]]);
    assert_eq!(opened.0.plan(&texts, false).len(), 3);
}

#[test]
fn rows_have_the_length_of_one_unless_the_modules_say_otherwise() {
    let opened = open(&CountingEngine::tokens(), &[]);
    let texts = [opened.0.text("the cat", false).unwrap()];
    let row = &run(&opened, &texts, true)[0];
    let length = 3.5_f32.hypot(1.0);
    assert!((row[0] - 3.5 / length).abs() < 1e-6 && (row[1] - 1.0 / length).abs() < 1e-6, "{row:?}");
}

#[test]
fn pooling_is_what_the_package_says() {
    for (mode, expected) in [("cls", 2.0), ("max", 5.0), ("lasttoken", 3.0)] {
        let config = format!(r#"{{"pooling_mode":"{mode}"}}"#);
        let opened =
            open(&CountingEngine::tokens(), &[NOT_NORMALIZED, ("pooling_config.json", config.as_str())]);
        let texts = ["the cat", "the cat sits!"].map(|text| opened.0.text(text, false).unwrap());
        assert_eq!(run(&opened, &texts, true)[0][0], expected, "{mode}");
    }
}

#[test]
fn pairs_have_scores() {
    let opened = open(&CountingEngine::scores(), &[]);
    assert_eq!(*opened.0.facts(), EncoderFacts { purpose: Purpose::Scores, longest: 512, width: 1 });
    let query = opened.0.query("the").unwrap();
    let texts = ["a dog", "the cat", "a"].map(|document| opened.0.pair(&query, document, false).unwrap());
    // [CLS] the [SEP] ... [SEP]: 12, and what the document has.
    assert_eq!(run(&opened, &texts, true), [[30.0], [21.0], [22.0]]);
}

#[test]
fn an_answer_of_another_form_is_told() {
    let (encoder, _) = open(&CountingEngine::tokens(), &[]);
    let texts = [encoder.text("the cat", false).unwrap()];
    let rows = |shape: Vec<usize>, value: f32| {
        let count = shape.iter().product();
        let output = Tensor::new(shape, TensorData::Fp32(vec![value; count])).unwrap();
        encoder.rows(&texts, &[0], &[output])
    };
    assert!(rows(vec![1, 4, 2], 1.0).is_ok());
    for (shape, value) in
        [(vec![2, 4, 2], 1.0), (vec![1, 3, 2], 1.0), (vec![1, 2], 1.0), (vec![1, 4, 2], f32::NAN)]
    {
        assert!(matches!(rows(shape, value), Err(EncoderError::BadOutput(_))));
    }
    assert!(encoder.rows(&texts, &[0], &[]).is_err());
}

#[test]
fn a_model_that_the_tokens_do_not_fit_is_refused() {
    let (_folder, package) = package(&[("tokenizer.json", TOKENIZER_FILE)]);
    let mut engine = CountingEngine::tokens();
    // It answers three dimensions, where its signature says two.
    engine.rename_output("sentence_embedding");
    let model = engine.load(&package, &LoadOptions::default()).unwrap();
    let error = TextEncoder::open(&package, model.as_ref(), Occasion::Proof).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("its shape is"), "{error}");
}

#[test]
fn the_proof_runs_as_much_as_requests_may() {
    let length = |tokens: usize| format!(r#"{{"max_seq_length":{tokens}}}"#);
    let seen = |tokens: usize, occasion: Occasion| {
        let length = length(tokens);
        let files = [("tokenizer.json", TOKENIZER_FILE), ("sentence_bert_config.json", length.as_str())];
        let (_folder, package) = package(&files);
        let engine = CountingEngine::tokens();
        TextEncoder::open(&package, &engine, occasion).unwrap().unwrap();
        engine.seen()
    };
    // [CLS] [UNK] [SEP].
    let word = vec![1, 3];
    assert_eq!(seen(512, Occasion::Proof), [word.clone(), vec![1, 512], vec![4, 512]]);
    assert_eq!(seen(8, Occasion::Proof), [word.clone(), vec![1, 8], vec![32, 8]]);
    assert_eq!(seen(8_192, Occasion::Proof), [word.clone(), vec![1, 2_048]]);
    assert_eq!(seen(512, Occasion::Serving { warn: |_, _| {} }), [word]);
}

#[test]
fn a_model_that_reads_fewer_tokens_than_its_files_say_is_refused() {
    let (_folder, package) = package(&[("tokenizer.json", TOKENIZER_FILE)]);
    let mut engine = CountingEngine::tokens();
    engine.limit(128);
    let error = TextEncoder::open(&package, &engine, Occasion::Proof).unwrap_err().to_string();
    assert!(error.contains("512 tokens") && error.contains("'max_seq_length'"), "{error}");
}
