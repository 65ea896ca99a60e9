//! Putting the values of a search into a specification.

use serde_json::Value;

use crate::{
    error::{KeyPath, SpecError, quoted},
    spec::TrainingSpec,
};

/// The specification of one trial: `spec` without its search, with each value in the place that its path names.
///
/// A path is that of the keys, joined by dots; an element of a list is its number from 0. The result is read and
/// checked as if it had come as text.
pub fn apply(spec: &TrainingSpec, changes: &[(&str, Value)]) -> Result<TrainingSpec, SpecError> {
    TrainingSpec::from_value(&apply_unchecked(spec, changes)?).map_err(|source| match changes {
        [(path, value)] => blame(path, value, source),
        _ => source,
    })
}

/// As [`apply`], but the result is not read: values that do not fit together are left in their places for whoever reads
/// it next.
pub fn apply_unchecked(spec: &TrainingSpec, changes: &[(&str, Value)]) -> Result<Value, SpecError> {
    let mut base = spec.clone();
    base.search = None;
    let mut tree = base.to_value();
    for (path, value) in changes {
        set(&mut tree, path, value.clone()).map_err(|source| blame(path, value, source))?;
    }
    tree.sort_all_objects();
    Ok(tree)
}

/// What stands at a path of keys joined by dots, as [`apply`] takes it.
pub fn value_at<'tree>(tree: &'tree Value, path: &str) -> Option<&'tree Value> {
    path.split('.').try_fold(tree, |place, segment| match place {
        Value::Array(list) => list.get(segment.parse::<usize>().ok()?),
        other => other.get(segment),
    })
}

fn blame(path: &str, value: &Value, source: SpecError) -> SpecError {
    SpecError::Candidate {
        path: KeyPath::of(path),
        value: match value {
            Value::String(text) => format!("'{}'", quoted(text)),
            other => quoted(&other.to_string()),
        },
        source: Box::new(source),
    }
}

fn set(tree: &mut Value, path: &str, value: Value) -> Result<(), SpecError> {
    let mut place = tree;
    let mut walked = KeyPath::root();
    for segment in path.split('.') {
        walked = walked.key(segment);
        place = match place {
            // A key that is not there yet may be one without a default; reading the result says if it does not exist.
            Value::Object(table) => table.entry(segment).or_insert(Value::Null),
            Value::Array(list) => {
                let length = list.len();
                let element = segment.parse::<usize>().ok().and_then(|index| list.get_mut(index));
                element.ok_or_else(|| SpecError::Contradiction {
                    path: walked.clone(),
                    problem: format!("the list has {length} elements, counted from 0"),
                })?
            }
            Value::Null => {
                *place = Value::Object(serde_json::Map::new());
                match place {
                    Value::Object(table) => table.entry(segment).or_insert(Value::Null),
                    other => other,
                }
            }
            other => {
                return Err(SpecError::WrongType {
                    path: walked,
                    expected: "a key of a table or an element of a list".to_owned(),
                    found: format!("below {}", crate::keys::found(other)),
                });
            }
        };
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Candidates, example};

    fn base() -> TrainingSpec {
        example("search").and_then(|example| TrainingSpec::from_toml(example.toml).ok()).unwrap()
    }

    #[test]
    fn values_are_put_in_their_places_and_nothing_else_changes() {
        let changes = [("model.layers.0.units", json!(77)), ("training.clip_norm", json!(0.25))];
        let trial = apply(&base(), &changes).unwrap();
        let mut expected = base().to_value();
        expected["model"]["layers"][0]["units"] = json!(77);
        expected["training"]["clip_norm"] = json!(0.25);
        expected.as_object_mut().unwrap().remove("search");
        assert_eq!(trial.to_value(), expected);
    }

    #[test]
    fn what_does_not_fit_together_is_put_in_its_place_all_the_same() {
        let changes = [("model.layers.1.units", json!(7)), ("training.epochs", json!("many"))];
        assert!(apply(&base(), &changes).is_err());
        let tree = apply_unchecked(&base(), &changes).unwrap();
        assert_eq!(value_at(&tree, "model.layers.1.units"), Some(&json!(7)));
        assert_eq!(value_at(&tree, "training.epochs"), Some(&json!("many")));
        assert_eq!(value_at(&tree, "search.trials"), None);
        assert_eq!(value_at(&tree, "model.layers.x"), None);
        assert_eq!(value_at(&tree, "model.layers.5.units"), None);
    }

    #[test]
    fn a_whole_table_replaces_the_one_that_was_there() {
        let trial = apply(&base(), &[("model", json!({ "kind": "boosted_trees", "rounds": 3 }))]).unwrap();
        assert_eq!(trial.model.kind(), "boosted_trees");
    }

    #[test]
    fn a_value_that_does_not_fit_is_blamed_with_its_cause() {
        let cases = [
            (
                "training.epochs",
                json!("many"),
                "training.epochs to 'many': training.epochs must be a whole number",
            ),
            ("training.epochs.x", json!(1), "training.epochs.x must be a key of a table"),
            ("training.nothing.x", json!(1), "training.nothing is not a key"),
            ("model.layers.first.units", json!(1), "the list has 2 elements"),
            ("", json!(1), "is not a key"),
        ];
        for (path, value, expected) in cases {
            let message = apply(&base(), &[(path, value)]).unwrap_err().to_string();
            assert!(message.starts_with("the search cannot set"), "{message}");
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn draws_and_grid_points_stay_in_their_range() {
        let search = base().search.unwrap();
        let rate = &search.keys["training.optimizer.learning_rate"];
        assert_eq!(rate.at(0.0), json!(1e-4));
        assert_eq!(rate.at(1.0), json!(1e-1));
        assert_eq!(rate.at(0.5), json!(0.003_162_28), "six digits of the square root of 1e-5");
        for part in 0..1000 {
            let drawn = rate.at(f64::from(part) / 1000.0);
            let read: Value = serde_json::from_str(&drawn.to_string()).unwrap();
            assert_eq!(read, drawn, "a specification that is read again is another");
        }
        let units = &search.keys["model.layers.0.units"];
        assert!(
            (0..=100).all(|part| units
                .at(f64::from(part) / 100.0)
                .as_u64()
                .is_some_and(|n| (16..=128).contains(&n)))
        );
        let batch = &search.keys["training.batch_size"];
        assert_eq!([batch.at(0.0), batch.at(0.34), batch.at(0.999)], [json!(16), json!(32), json!(64)]);
        assert_eq!(batch.grid_values().len(), 3);
        assert_eq!(rate.grid_values().len(), 5);
        let Candidates::Range(mut narrow) = units.clone() else { panic!("{units:?}") };
        (narrow.low, narrow.high) = (1.0, 3.0);
        assert_eq!(Candidates::Range(narrow).grid_values(), [json!(1), json!(2), json!(3)]);
    }
}
