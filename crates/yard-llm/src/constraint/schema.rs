//! What is asked of a JSON schema before the library reads it: parts that it cannot keep to are named with their place,
//! and such as would cost it too much are refused.

use serde_json::{Map, Value};

use super::compile::LONGEST_REGEX;
use super::{ConstraintError, error};

/// Keys that say what is allowed and that cannot be kept to while an answer is written.
const UNSUPPORTED: [&str; 19] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    // Options of the library, not of a schema.
    "x-guidance",
];

/// Keys that leave what is allowed as it is.
const SAYS_NOTHING: [&str; 9] =
    ["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples"];

/// Of all patterns for keys each is held against each other.
const MOST_KEY_PATTERNS: usize = 16;
/// Patterns for one text, all of which it has to match, are made into one automaton, whose size is their product at
/// worst. They come together by `allOf` and the like.
const MOST_PATTERNS_TOGETHER: usize = 6;
/// Choices and enumerations may be multiplied with each other.
const MOST_PARTS: usize = 20_000;
/// The time for an object grows with the square of its keys.
const MOST_KEYS: usize = 1_000;
/// The library counts bounds in 64 bits, and turns their signs: the largest number below 2^63 that 64 bits of floating
/// point have.
const LARGEST_BOUND: i64 = 9_223_372_036_854_774_784;

/// A schema that the library may read.
pub(super) fn read(text: &str) -> Result<Value, ConstraintError> {
    let malformed = |problem: &dyn std::fmt::Display| ConstraintError::Malformed {
        problem: error::cut(&problem.to_string()),
    };
    // Nesting is bounded by the reader.
    let mut schema: Value = serde_json::from_str(text).map_err(|problem| malformed(&problem))?;
    narrow(&mut schema);
    check(&schema)?;
    match schema {
        Value::Bool(false) => {
            Err(ConstraintError::Unsatisfiable { problem: "the schema is false".to_owned() })
        }
        Value::Bool(true) => Ok(Value::Object(Map::new())),
        schema @ Value::Object(_) => Ok(schema),
        _ => Err(malformed(&"a schema is an object, true or false")),
    }
}

/// Checks the schemas within a grammar: those behind `%json`, wherever it stands.
pub(super) fn check_embedded(grammar: &str) -> Result<(), ConstraintError> {
    for (place, mark) in grammar.match_indices("%json") {
        let behind = &grammar[place + mark.len()..];
        let problem = match serde_json::Deserializer::from_str(behind).into_iter::<Value>().next() {
            Some(Ok(schema)) => {
                check(&schema)?;
                continue;
            }
            Some(Err(problem)) => error::cut(&problem.to_string()),
            None => "nothing follows".to_owned(),
        };
        return Err(ConstraintError::Malformed { problem: format!("the schema behind %json: {problem}") });
    }
    Ok(())
}

/// Brings bounds that are too far out nearer: what keeps to the narrower ones keeps to the schema.
fn narrow(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            for (key, value) in keys {
                match (key.as_str(), value.as_f64()) {
                    ("enum" | "const" | "default" | "examples", _) => {}
                    ("minimum" | "exclusiveMinimum", Some(bound)) if bound < -(LARGEST_BOUND as f64) => {
                        *value = Value::from(-LARGEST_BOUND);
                    }
                    ("maximum" | "exclusiveMaximum", Some(bound)) if bound > LARGEST_BOUND as f64 => {
                        *value = Value::from(LARGEST_BOUND);
                    }
                    _ => narrow(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(narrow),
        _ => {}
    }
}

fn check(schema: &Value) -> Result<(), ConstraintError> {
    let mut walk = Walk::default();
    walk.schema(schema, &mut "#".to_owned())?;
    if walk.joins && walk.multiples > 1 {
        // Their common multiple may be too large to be counted in.
        let problem = "more than one 'multipleOf' where schemas are joined by 'allOf' or '$ref'".to_owned();
        return Err(ConstraintError::TooLarge { problem });
    }
    if walk.joins && walk.patterns > MOST_PATTERNS_TOGETHER {
        let problem = format!(
            "more than {MOST_PATTERNS_TOGETHER} patterns and formats where schemas are joined by 'allOf' or '$ref'"
        );
        return Err(ConstraintError::TooLarge { problem });
    }
    Ok(())
}

#[derive(Default)]
struct Walk {
    parts: usize,
    key_patterns: usize,
    patterns: usize,
    multiples: usize,
    /// Whether somewhere a value has to fit several schemas at once.
    joins: bool,
}

impl Walk {
    fn schema(&mut self, schema: &Value, place: &mut String) -> Result<(), ConstraintError> {
        self.count()?;
        let Value::Object(keys) = schema else { return Ok(()) };
        let chooses = ["anyOf", "oneOf", "$ref"].iter().any(|key| keys.contains_key(*key));
        let fellows = keys.keys().filter(|key| !SAYS_NOTHING.contains(&key.as_str())).count();
        self.joins |= keys.contains_key("allOf") || (chooses && fellows > 1);
        for (key, value) in keys {
            if UNSUPPORTED.contains(&key.as_str()) {
                let problem = format!("'{key}' is not supported");
                return Err(ConstraintError::Unsupported { place: error::cut(place), problem });
            }
            match (key.as_str(), value) {
                ("properties" | "patternProperties" | "$defs" | "definitions", Value::Object(schemas)) => {
                    if key == "patternProperties" {
                        self.count_key_patterns(schemas.len(), place)?;
                        for pattern in schemas.keys() {
                            fits(pattern.len(), LONGEST_REGEX, "bytes of a pattern")?;
                        }
                    }
                    if key == "properties" {
                        fits(schemas.len(), MOST_KEYS, "keys of one object")?;
                    }
                    for (name, schema) in schemas {
                        self.below(place, &[key, name], schema)?;
                    }
                }
                ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                    for (index, schema) in schemas.iter().enumerate() {
                        self.below(place, &[key, &index.to_string()], schema)?;
                    }
                }
                ("items" | "additionalItems" | "additionalProperties", schema) => {
                    self.below(place, &[key], schema)?;
                }
                ("enum", Value::Array(values)) => {
                    self.parts += values.len();
                    self.count()?;
                }
                ("required", Value::Array(names)) => fits(names.len(), MOST_KEYS, "keys of one object")?,
                ("pattern" | "format", Value::String(pattern)) => {
                    fits(pattern.len(), LONGEST_REGEX, "bytes of a pattern")?;
                    self.patterns += 1;
                }
                ("multipleOf", Value::Number(divisor)) => {
                    self.multiples += 1;
                    if !is_counted_in_small_steps(&divisor.to_string()) {
                        let problem = format!("'multipleOf' {divisor} is not supported");
                        return Err(ConstraintError::Unsupported { place: error::cut(place), problem });
                    }
                }
                ("minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum", Value::Number(bound))
                    if bound.as_f64().is_none_or(|bound| bound.abs() > LARGEST_BOUND as f64) =>
                {
                    let problem = format!("'{key}' {bound} is further from 0 than {LARGEST_BOUND}");
                    return Err(ConstraintError::Unsupported { place: error::cut(place), problem });
                }
                ("$ref", Value::String(reference)) if !reference.starts_with('#') => {
                    let problem = format!("'$ref' leads out of the schema, to '{}'", error::cut(reference));
                    return Err(ConstraintError::Unsupported { place: error::cut(place), problem });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn below(&mut self, place: &mut String, steps: &[&str], schema: &Value) -> Result<(), ConstraintError> {
        let length = place.len();
        for step in steps {
            place.push('/');
            place.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        self.schema(schema, place)?;
        place.truncate(length);
        Ok(())
    }

    fn count(&mut self) -> Result<(), ConstraintError> {
        self.parts += 1;
        fits(self.parts, MOST_PARTS, "parts of a schema")
    }

    fn count_key_patterns(&mut self, patterns: usize, place: &str) -> Result<(), ConstraintError> {
        self.key_patterns += patterns;
        fits(
            self.key_patterns,
            MOST_KEY_PATTERNS,
            &format!("'patternProperties' up to {}", error::cut(place)),
        )
    }
}

/// Remainders are counted digit by digit in 32 bits.
fn is_counted_in_small_steps(divisor: &str) -> bool {
    const LARGEST: u32 = 100_000_000;
    let digits: String = divisor.chars().filter(|character| *character != '.').collect();
    digits.parse::<u32>().is_ok_and(|digits| (1..=LARGEST).contains(&digits))
}

fn fits(count: usize, most: usize, what: &str) -> Result<(), ConstraintError> {
    if count > most {
        return Err(ConstraintError::TooLarge { problem: format!("more than {most} {what}") });
    }
    Ok(())
}
