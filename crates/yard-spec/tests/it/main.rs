//! Any sound specification keeps its meaning through every format; anything else is refused without a panic.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::{Value, json};
use yard_spec::{TrainingSpec, apply, examples};

fn number(low: f64, high: f64) -> BoxedStrategy<Value> {
    (low..high).prop_map(|number| json!(number)).boxed()
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    prop::sample::select(words).prop_map(Value::from).boxed()
}

fn whole(low: u64, high: u64) -> BoxedStrategy<Value> {
    (low..=high).prop_map(Value::from).boxed()
}

/// A table in which each key is there or not.
fn some_of(keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let mut table = Just(json!({})).boxed();
    for (key, values) in keys {
        table = (table, prop::option::of(values))
            .prop_map(move |(mut table, value)| {
                if let Some(value) = value {
                    table[key] = value;
                }
                table
            })
            .boxed();
    }
    table
}

fn tagged(tag: &'static str, kind: &'static str, keys: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    keys.prop_map(move |mut table| {
        table[tag] = json!(kind);
        table
    })
    .boxed()
}

fn optimizer() -> BoxedStrategy<Value> {
    let rate = || ("learning_rate", number(1e-9, 10.0));
    let share = || number(0.0, 1.0);
    prop_oneof![
        tagged("kind", "gradient_descent", some_of(vec![rate()])),
        tagged("kind", "sgd", some_of(vec![rate()])),
        tagged("kind", "momentum", some_of(vec![rate(), ("momentum", share())])),
        tagged("kind", "nesterov", some_of(vec![rate(), ("momentum", share())])),
        tagged(
            "kind",
            "rmsprop",
            some_of(vec![rate(), ("decay", share()), ("epsilon", number(1e-12, 1e-3))])
        ),
        tagged("kind", "adam", some_of(vec![rate(), ("beta_1", share()), ("beta_2", share())])),
        tagged("kind", "adamw", some_of(vec![rate(), ("epsilon", number(1e-300, 1.0))])),
    ]
    .boxed()
}

fn schedule() -> BoxedStrategy<Value> {
    let warmup = || ("warmup_steps", whole(0, 1000));
    prop_oneof![
        tagged("kind", "constant", some_of(vec![warmup()])),
        tagged(
            "kind",
            "step",
            some_of(vec![warmup(), ("every", whole(1, 50)), ("factor", number(0.001, 1.0))])
        ),
        tagged("kind", "exponential", some_of(vec![warmup(), ("factor", number(0.001, 1.0))])),
        tagged("kind", "cosine", some_of(vec![warmup(), ("final_share", number(0.0, 1.0))])),
    ]
    .boxed()
}

fn training() -> BoxedStrategy<Value> {
    let class_weights = prop_oneof![
        word(&["none", "balanced"]),
        some_of(vec![("a b.c\"", number(0.1, 9.0)), ("é", whole(1, 9))])
    ];
    some_of(vec![
        ("class_weights", class_weights.boxed()),
        ("epochs", whole(10, 1000)),
        ("batch_size", whole(1, 4096)),
        ("weight_decay", number(0.0, 1.0)),
        ("clip_value", number(0.001, 10.0)),
        ("clip_norm", number(0.001, 10.0)),
        ("clip_weights", number(0.001, 10.0)),
        ("threads", whole(1, 64)),
        ("optimizer", optimizer()),
        ("schedule", schedule()),
        ("early_stopping", some_of(vec![("patience", whole(1, 9)), ("min_delta", number(0.0, 1.0))])),
    ])
}

fn hidden_layer() -> BoxedStrategy<Value> {
    let activation = || word(&["relu", "gelu", "tanh", "sigmoid", "none"]);
    prop_oneof![
        whole(1, 512).prop_map(|units| json!({ "type": "dense", "units": units })),
        activation().prop_map(|function| json!({ "type": "activation", "function": function })),
        number(0.0, 1.0).prop_map(|rate| json!({ "type": "dropout", "rate": rate })),
        tagged("type", "batch_norm", some_of(vec![("momentum", number(0.01, 1.0))])),
        tagged("type", "layer_norm", some_of(vec![("epsilon", number(1e-9, 1.0))])),
        Just(json!({ "type": "flatten" })),
    ]
    .boxed()
}

fn model() -> BoxedStrategy<Value> {
    let layers =
        (prop::collection::vec(hidden_layer(), 0..6), whole(2, 20)).prop_map(|(mut layers, classes)| {
            layers.push(json!({ "type": "dense", "units": classes, "activation": "softmax" }));
            json!({ "kind": "network", "layers": layers })
        });
    let pictures = (whole(1, 4), whole(8, 40), whole(1, 8), whole(1, 2), whole(0, 2)).prop_map(
        |(channels, side, kernel, stride, padding)| {
            json!({ "kind": "network", "input": [channels, side, side], "layers": [
                { "type": "conv2d", "filters": 3, "kernel": kernel, "stride": stride, "padding": padding },
                { "type": "flatten" },
                { "type": "dense", "units": 2 },
            ]})
        },
    );
    let trees = some_of(vec![
        ("rounds", whole(1, 500)),
        ("learning_rate", number(0.001, 1.0)),
        ("max_depth", whole(1, 20)),
        ("l2", number(0.0, 10.0)),
        ("row_share", number(0.1, 1.0)),
    ]);
    prop_oneof![
        Just(json!({ "kind": "logistic" })),
        layers,
        pictures,
        tagged("kind", "decision_tree", some_of(vec![("max_depth", whole(1, 20))])),
        tagged("kind", "boosted_trees", trees),
        tagged(
            "kind",
            "text_classifier",
            some_of(vec![("max_tokens", whole(1, 100)), ("lower_case", Just(json!(false)).boxed())])
        ),
    ]
    .boxed()
}

fn data() -> BoxedStrategy<Value> {
    let columns = some_of(vec![
        ("a", some_of(vec![("type", word(&["number", "category", "text", "image"]))])),
        ("b.c", some_of(vec![("role", word(&["feature", "ignore"]))])),
    ]);
    let common = some_of(vec![
        ("columns", columns),
        ("label", word(&["y", "the label"])),
        ("ignore", Just(json!(["id"])).boxed()),
    ]);
    let source = prop_oneof![
        word(&["digits", "iris", "synthetic-text"]).prop_map(|name| json!({ "builtin": name })),
        word(&["a", "prices:7"]).prop_map(|name| json!({ "dataset": name })),
        ("[^\0]{1,20}", prop::option::of(word(&["csv", "parquet", "npz"]))).prop_map(|(path, format)| {
            let mut data = json!({ "path": path });
            if let Some(format) = format {
                data["format"] = format;
            }
            data
        }),
    ];
    (common, source)
        .prop_map(|(mut common, source)| {
            common.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
            common
        })
        .boxed()
}

fn search() -> BoxedStrategy<Value> {
    let keys = some_of(vec![
        (
            "training.weight_decay",
            (0.001..0.1_f64).prop_map(|low| json!({ "low": low, "high": low * 7.0, "scale": "log" })).boxed(),
        ),
        ("training.epochs", Just(json!({ "low": 10, "high": 20, "whole": true, "points": 3 })).boxed()),
        ("model", prop::collection::vec(model(), 1..4).prop_map(each_once).boxed()),
    ]);
    keys.prop_map(|mut keys| {
        keys["features.numbers"] = json!(["none", "min_max"]);
        json!({ "keys": keys, "trials": 100 })
    })
    .boxed()
}

/// A list in which no value stands twice.
fn each_once(values: Vec<Value>) -> Value {
    let mut once: Vec<Value> = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once.into()
}

fn specification() -> impl Strategy<Value = Value> {
    let features = some_of(vec![
        ("numbers", word(&["standardize", "min_max", "none"])),
        ("missing_numbers", word(&["mean", "median", "zero", "refuse"])),
        ("max_categories", whole(1, 5000)),
    ]);
    let split = (0.1..0.5_f64, 0.1..0.5_f64)
        .prop_map(|(validation, test)| json!({ "train": 1.0 - validation - test, "validation": validation, "test": test }));
    let rest = some_of(vec![
        ("seed", whole(0, (1 << 53) - 1)),
        ("features", features),
        ("split", split.boxed()),
        ("training", training()),
        ("search", search()),
    ]);
    (rest, data(), model()).prop_map(|(mut spec, data, model)| {
        spec["name"] = json!("any");
        spec["data"] = data;
        spec["model"] = model;
        spec
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sound_specification_is_the_same_in_every_format(value in specification()) {
        let text = toml::to_string(&value).unwrap();
        let spec = TrainingSpec::from_toml(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let record = spec.to_json();
        let read = TrainingSpec::from_json(&record).unwrap();
        prop_assert_eq!(&read, &spec);
        prop_assert_eq!(read.to_json(), record.clone());
        prop_assert_eq!(TrainingSpec::from_json(&value.to_string()).unwrap(), spec.clone());
        prop_assert_eq!(serde_json::from_value::<TrainingSpec>(serde_json::to_value(&spec).unwrap()).unwrap(), spec.clone());
        let again = toml::to_string(&spec.to_value()).unwrap();
        prop_assert_eq!(TrainingSpec::from_toml(&again).unwrap(), spec.clone());
        prop_assert!(spec.check().is_ok());
    }

    #[test]
    fn garbage_is_refused(text in any::<String>()) {
        prop_assert!(TrainingSpec::from_toml(&text).is_err());
        prop_assert!(TrainingSpec::from_json(&text).is_err());
    }

    #[test]
    fn a_damaged_specification_is_read_or_refused(
        which in 0..examples().len(),
        at in any::<prop::sample::Index>(),
        cut in 0_usize..12,
        put in "[-0-9.eEinfa{}\\[\\]\"'=, \n]{0,6}",
    ) {
        let toml = examples()[which].toml;
        let json = TrainingSpec::from_toml(toml).unwrap().to_json();
        for (is_toml, text) in [(true, toml), (false, json.as_str())] {
            let characters: Vec<char> = text.chars().collect();
            let start = at.index(characters.len());
            let end = (start + cut).min(characters.len());
            let damaged: String =
                characters[..start].iter().copied().chain(put.chars()).chain(characters[end..].iter().copied()).collect();
            let outcome = if is_toml { TrainingSpec::from_toml(&damaged) } else { TrainingSpec::from_json(&damaged) };
            match outcome {
                Ok(spec) => prop_assert_eq!(TrainingSpec::from_json(&spec.to_json()).unwrap(), spec),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn any_value_at_any_path_is_taken_or_refused(
        which in 0..examples().len(),
        path in "(model|training|features|task|seed|[a-z]{0,3})(\\.(layers|kind|optimizer|epochs|[0-9]|[a-z.]{0,4})){0,3}",
        value in prop_oneof![
            Just(Value::Null), any::<bool>().prop_map(Value::from), any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from), any::<String>().prop_map(Value::from), model(), optimizer(),
        ],
    ) {
        let spec = TrainingSpec::from_toml(examples()[which].toml).unwrap();
        if let Ok(trial) = apply(&spec, &[(&path, value)]) {
            prop_assert!(trial.search.is_none());
            prop_assert!(trial.check().is_ok());
        }
    }
}
