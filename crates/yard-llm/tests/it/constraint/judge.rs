//! A validator of JSON for the schemas of these tests, which shares nothing with what makes the masks. It knows the keys
//! that they use and fails at others. `python/conformance` holds the same answers against the reference validator.

use regex::Regex;
use serde_json::Value;

pub(super) struct Judge<'a> {
    root: &'a Value,
}

impl<'a> Judge<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root }
    }

    pub(super) fn accepts(&self, value: &Value) -> bool {
        self.valid(self.root, value)
    }

    fn valid(&self, schema: &Value, value: &Value) -> bool {
        let keys = match schema {
            Value::Bool(verdict) => return *verdict,
            other => other.as_object().unwrap(),
        };
        keys.iter().all(|(key, rule)| match key.as_str() {
            "type" => match rule {
                Value::Array(names) => names.iter().any(|name| is_of_type(name, value)),
                name => is_of_type(name, value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "$ref" => {
                let place = rule.as_str().unwrap().strip_prefix('#').unwrap();
                self.valid(self.root.pointer(place).unwrap(), value)
            }
            "anyOf" => self.count(rule, value) > 0,
            "oneOf" => self.count(rule, value) == 1,
            "allOf" => self.count(rule, value) == rule.as_array().unwrap().len(),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= number(rule)),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= number(rule)),
            "pattern" => value.as_str().is_none_or(|text| matches(rule, text)),
            "format" => value.as_str().is_none_or(|text| has_format(rule.as_str().unwrap(), text)),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "exclusiveMinimum" => value.as_f64().is_none_or(|number| number > rule.as_f64().unwrap()),
            "multipleOf" => value.as_i64().is_none_or(|number| number % rule.as_i64().unwrap() == 0),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= number(rule)),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= number(rule)),
            "maxProperties" => value.as_object().is_none_or(|object| object.len() as u64 <= number(rule)),
            "prefixItems" => self.tuple(rule, value),
            "items" if rule.is_array() => self.tuple(rule, value),
            "items" | "additionalItems" => {
                let first =
                    keys.get("prefixItems").or_else(|| keys.get("items").filter(|items| items.is_array()));
                let behind = first.map_or(0, |first| first.as_array().unwrap().len());
                value
                    .as_array()
                    .is_none_or(|items| items.iter().skip(behind).all(|item| self.valid(rule, item)))
            }
            "required" => {
                let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                !value.is_object() || rule.as_array().unwrap().iter().all(has)
            }
            "properties" => value.as_object().is_none_or(|object| {
                object.iter().all(|(name, value)| rule.get(name).is_none_or(|rule| self.valid(rule, value)))
            }),
            "patternProperties" => value.as_object().is_none_or(|object| {
                object.iter().all(|(name, value)| {
                    let rules = rule.as_object().unwrap().iter();
                    rules
                        .filter(|(pattern, _)| Regex::new(pattern).unwrap().is_match(name))
                        .all(|(_, rule)| self.valid(rule, value))
                })
            }),
            "additionalProperties" => value.as_object().is_none_or(|object| {
                object.iter().all(|(name, value)| {
                    let named = keys.get("properties").is_some_and(|names| names.get(name).is_some());
                    let patterns = keys.get("patternProperties").and_then(Value::as_object);
                    let like = patterns.is_some_and(|patterns| {
                        patterns.keys().any(|pattern| Regex::new(pattern).unwrap().is_match(name))
                    });
                    named || like || self.valid(rule, value)
                })
            }),
            "$defs" | "definitions" | "$schema" => true,
            other => panic!("the judge does not know '{other}'"),
        })
    }

    fn count(&self, schemas: &Value, value: &Value) -> usize {
        schemas.as_array().unwrap().iter().filter(|schema| self.valid(schema, value)).count()
    }

    fn tuple(&self, schemas: &Value, value: &Value) -> bool {
        let Some(items) = value.as_array() else { return true };
        schemas.as_array().unwrap().iter().zip(items).all(|(schema, item)| self.valid(schema, item))
    }
}

fn number(rule: &Value) -> u64 {
    rule.as_u64().unwrap()
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("the judge does not know the type '{other}'"),
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text)
}

fn has_format(name: &str, text: &str) -> bool {
    match name {
        "date" => is_date(text),
        "time" => is_time(text),
        "date-time" => text.split_once(['T', 't']).is_some_and(|(date, time)| is_date(date) && is_time(time)),
        "uuid" => Regex::new("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$").unwrap().is_match(text),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "email" => text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()),
        other => panic!("the judge does not know the format '{other}'"),
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<u32> = text.split('-').map_while(|part| part.parse().ok()).collect();
    let [_, month, day] = parts[..] else { return false };
    let days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    text.len() == 10 && (1..=12).contains(&month) && (1..=days[month as usize - 1]).contains(&day)
}

fn is_time(text: &str) -> bool {
    let shape = Regex::new(r"^(\d\d):(\d\d):(\d\d)(\.\d+)?([zZ]|[+-]\d\d:\d\d)$").unwrap();
    let Some(parts) = shape.captures(text) else { return false };
    let part = |index: usize| parts[index].parse::<u32>().unwrap();
    part(1) < 24 && part(2) < 60 && part(3) <= 60
}
