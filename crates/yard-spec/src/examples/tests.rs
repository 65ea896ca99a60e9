use std::collections::BTreeSet;

use super::*;
use crate::{ModelSpec, Source, TrainingSpec, network_shapes};

fn read(kind: &str) -> TrainingSpec {
    TrainingSpec::from_toml(example(kind).unwrap().toml).unwrap_or_else(|error| panic!("{kind}: {error}"))
}

#[test]
fn every_example_is_a_sound_specification_on_a_built_in_set() {
    for example in examples() {
        let spec = read(example.kind);
        assert!(matches!(spec.data.source(), Ok(Source::Builtin(_))), "{}", example.kind);
        assert!(!spec.names_paths(), "{}", example.kind);
        assert_eq!(TrainingSpec::from_json(&spec.to_json()).unwrap(), spec, "{}", example.kind);
    }
}

#[test]
fn every_kind_of_model_has_an_example_and_no_name_stands_twice() {
    let kinds: BTreeSet<&str> = examples().iter().map(|example| read(example.kind).model.kind()).collect();
    assert_eq!(kinds, ModelSpec::KINDS.iter().copied().collect());
    let names: BTreeSet<&str> = examples().iter().map(|example| example.kind).collect();
    assert_eq!(names.len(), examples().len());
}

#[test]
fn the_articles_networks_have_their_shapes() {
    let cases: [(&str, &[&[usize]]); 3] = [
        ("article-classifier", &[&[128], &[10]]),
        ("article-regression", &[&[1]]),
        ("article-convolution", &[&[6, 28, 28], &[6, 14, 14], &[1176], &[10]]),
    ];
    for (kind, expected) in cases {
        let ModelSpec::Network(network) = read(kind).model else { panic!("{kind} is no network") };
        assert_eq!(network_shapes(&network.input.unwrap(), &network.layers).unwrap(), expected, "{kind}");
    }
}
