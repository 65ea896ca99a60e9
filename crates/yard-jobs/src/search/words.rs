//! What a search chose, in the words of its log and its leaderboard.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use yard_spec::Candidates;

/// A float of more characters is rounded to [`DIGITS`] digits.
const LONGEST_NUMBER: usize = 7;
const DIGITS: usize = 4;

/// A value that a search chose, short: numbers are rounded, and a whole table (a model, an optimizer) is its kind, with
/// the keys by which candidates of that kind differ.
pub fn words(candidates: Option<&Candidates>, value: &Value) -> String {
    let Value::Object(table) = value else { return of_value(value) };
    let Some(kind) = kind(table) else { return of_value(value) };
    let mut fellows: Vec<&Map<String, Value>> = Vec::new();
    if let Some(Candidates::Values(values)) = candidates {
        let tables = values.iter().filter_map(Value::as_object);
        fellows.extend(tables.filter(|other| self::kind(other) == Some(kind)));
    }
    let keys: BTreeSet<&String> = fellows.iter().flat_map(|fellow| fellow.keys()).collect();
    let differs = |key: &&String| fellows.iter().any(|fellow| fellow.get(*key) != fellows[0].get(*key));
    let told = keys.into_iter().filter(differs).filter_map(|key| Some((key, table.get(key)?)));
    let told = told.map(|(key, value)| format!("{key}={}", of_value(value)));
    [kind.to_owned()].into_iter().chain(told).collect::<Vec<_>>().join(" ")
}

fn kind(table: &Map<String, Value>) -> Option<&str> {
    table.get("kind").or_else(|| table.get("type"))?.as_str()
}

fn of_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => of_number(number),
            None => number.to_string(),
        },
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(of_value).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(table) => {
            let kind_of_it = kind(table);
            let keys = table.iter().filter(|(key, _)| kind_of_it.is_none() || !is_kind(key));
            let keys = keys.map(|(key, value)| format!("{key}={}", of_value(value)));
            kind_of_it.map(str::to_owned).into_iter().chain(keys).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Null => value.to_string(),
    }
}

fn is_kind(key: &str) -> bool {
    key == "kind" || key == "type"
}

fn of_number(number: f64) -> String {
    let whole = number.to_string();
    if whole.len() <= LONGEST_NUMBER {
        return whole;
    }
    let scientific = format!("{number:.*e}", DIGITS - 1);
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let without_zeros = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    match exponent.parse::<i32>() {
        Ok(power @ -3..=5) => {
            let decimals = usize::try_from(DIGITS as i32 - 1 - power).unwrap_or(0);
            without_zeros(&format!("{number:.decimals$}"))
        }
        _ => format!("{}e{exponent}", without_zeros(digits)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(candidates: &Value, value: &Value, expected: &str) {
        let candidates = Candidates::Values(candidates.as_array().unwrap().clone());
        assert_eq!(words(Some(&candidates), value), expected);
    }

    #[test]
    fn a_number_has_as_many_digits_as_are_worth_reading() {
        let cases = [
            (json!(64), "64"),
            (json!(0.5), "0.5"),
            (json!(0.0), "0"),
            (json!(0.0001), "0.0001"),
            (json!(0.005_819_371_625), "0.005819"),
            (json!(0.039_418_710_79), "0.03942"),
            (json!(0.000_271_318_869), "2.713e-4"),
            (json!(1e30), "1e30"),
            (json!(-1_234.567_89), "-1235"),
            (json!(123_456_789.5), "1.235e8"),
            (json!(0.100_000_01), "0.1"),
            (json!(9_007_199_254_740_991_u64), "9007199254740991"),
        ];
        for (value, expected) in cases {
            check(&json!([]), &value, expected);
            assert_eq!(words(None, &value), expected);
        }
    }

    #[test]
    fn a_model_is_its_kind_and_what_tells_it_from_others_of_that_kind() {
        let dense = |units| json!({"activation": "relu", "type": "dense", "units": units});
        let models = json!([
            {"kind": "logistic"},
            {"kind": "boosted_trees", "rounds": 50},
            {"kind": "boosted_trees", "rounds": 90, "max_leaves": 7},
            {"kind": "network", "layers": [dense(8), dense(3)]},
            {"kind": "network", "layers": [dense(9), dense(3)]},
        ]);
        check(&models, &json!({"kind": "logistic", "l2": 0.1}), "logistic");
        // Defaults are written out in the specification of a trial.
        let trees = json!({"kind": "boosted_trees", "rounds": 50, "max_leaves": 31, "l2": 0.0});
        check(&models, &trees, "boosted_trees max_leaves=31 rounds=50");
        let network = json!({"kind": "network", "layers": [dense(9), dense(3)]});
        let expected = "network layers=[dense activation=relu units=9, dense activation=relu units=3]";
        check(&models, &network, expected);
        check(&json!([{"kind": "sgd", "learning_rate": 0.1}]), &json!({"kind": "sgd"}), "sgd");
    }

    #[test]
    fn other_values_are_told_as_they_are() {
        check(&json!([]), &json!("min_max"), "min_max");
        check(&json!([]), &json!(true), "true");
        check(&json!([]), &json!(null), "null");
        check(&json!([]), &json!({"a": [1, 0.25]}), "a=[1, 0.25]");
    }
}
