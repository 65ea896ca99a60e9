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
    let mut base = spec.clone();
    base.search = None;
    let mut tree = base.to_value();
    for (path, value) in changes {
        set(&mut tree, path, value.clone()).map_err(|source| blame(path, value, source))?;
    }
    TrainingSpec::from_value(&tree).map_err(|source| match changes {
        [(path, value)] => blame(path, value, source),
        _ => source,
    })
}

fn blame(path: &str, value: &Value, source: SpecError) -> SpecError {
    SpecError::Candidate {
        path: KeyPath::of(path),
        value: quoted(&value.to_string()),
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
