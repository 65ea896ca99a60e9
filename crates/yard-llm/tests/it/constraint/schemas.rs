//! JSON schemas.

use serde_json::Value;

use super::judge::Judge;
use super::*;

pub(super) const SCHEMAS: [(&str, &str); 37] = [
    ("object", r#"{"type":"object"}"#),
    ("string", r#"{"type":"string"}"#),
    ("string lengths", r#"{"type":"string","minLength":3,"maxLength":9}"#),
    ("pattern", r#"{"type":"string","pattern":"^[A-Z]{2}-[0-9]{3,5}$"}"#),
    ("open pattern", r#"{"type":"string","pattern":"^[0-9]+"}"#),
    ("date", r#"{"type":"string","format":"date"}"#),
    ("date-time", r#"{"type":"string","format":"date-time"}"#),
    ("time", r#"{"type":"string","format":"time"}"#),
    ("uuid", r#"{"type":"string","format":"uuid"}"#),
    ("ipv4", r#"{"type":"string","format":"ipv4"}"#),
    ("email", r#"{"type":"string","format":"email","maxLength":40}"#),
    ("integer", r#"{"type":"integer"}"#),
    ("integer range", r#"{"type":"integer","minimum":-17,"maximum":2024}"#),
    (
        "integers of 64 bits",
        r#"{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}"#,
    ),
    ("number range", r#"{"type":"number","exclusiveMinimum":-1.5,"maximum":10.25}"#),
    ("multiple", r#"{"type":"integer","multipleOf":7,"minimum":0,"maximum":7000}"#),
    ("boolean", r#"{"type":"boolean"}"#),
    ("null", r#"{"type":"null"}"#),
    ("enum", r#"{"enum":["red","green",3,null,{"a":[1,"b"]}]}"#),
    ("const", r#"{"const":{"kind":"fixed","n":[1,2,3]}}"#),
    ("types", r#"{"type":["integer","null","boolean"]}"#),
    ("list", r#"{"type":"array","items":{"type":"integer"},"maxItems":6}"#),
    ("list lengths", r#"{"type":"array","items":{"enum":["a","b"]},"minItems":2,"maxItems":5}"#),
    (
        "tuple",
        r#"{"type":"array","prefixItems":[{"type":"string","maxLength":5},{"type":"number","minimum":-1e6,"maximum":1e6}],"items":false,"minItems":2}"#,
    ),
    (
        "person",
        r#"{"type":"object","properties":{"name":{"type":"string","maxLength":20},"age":{"type":"integer","minimum":0,
        "maximum":130},"email":{"type":"string","format":"email"}},"required":["name","age"],"additionalProperties":false}"#,
    ),
    (
        "optional keys",
        r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"boolean"},"c":{"type":"null"}},
        "additionalProperties":false}"#,
    ),
    (
        "further keys",
        r#"{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"],
        "additionalProperties":{"type":"string","maxLength":6}}"#,
    ),
    (
        "key patterns",
        r#"{"type":"object","patternProperties":{"^n_":{"type":"number","minimum":-1e6,"maximum":1e6},"^s_":{"type":"string","maxLength":4}},
        "additionalProperties":false}"#,
    ),
    ("number of keys", r#"{"type":"object","additionalProperties":{"type":"boolean"},"maxProperties":2}"#),
    (
        "anyOf",
        r#"{"anyOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number","minimum":-1e6,"maximum":1e6}},
        "required":["kind","r"],"additionalProperties":false},{"type":"object","properties":{"kind":{"const":"square"},
        "side":{"type":"integer"}},"required":["kind","side"],"additionalProperties":false}]}"#,
    ),
    (
        "oneOf",
        r#"{"oneOf":[{"type":"object","properties":{"t":{"const":"a"}},"required":["t"]},
        {"type":"object","properties":{"t":{"const":"b"},"n":{"type":"integer"}},"required":["t","n"]}]}"#,
    ),
    (
        "allOf",
        r#"{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
        {"type":"object","properties":{"b":{"type":"string","maxLength":5}},"required":["b"]}]}"#,
    ),
    (
        "reference",
        r##"{"$defs":{"point":{"type":"object","properties":{"x":{"type":"number","minimum":-1e6,"maximum":1e6},"y":{"type":"number","minimum":-1e6,"maximum":1e6}},
        "required":["x","y"],"additionalProperties":false}},"type":"array","items":{"$ref":"#/$defs/point"},"maxItems":3}"##,
    ),
    (
        "tree",
        r##"{"$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"children":{"type":"array",
        "items":{"$ref":"#/$defs/node"},"maxItems":2}},"required":["v"],"additionalProperties":false}},
        "$ref":"#/$defs/node"}"##,
    ),
    (
        "nested",
        r#"{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"object","properties":{"c":{
        "type":"array","items":{"type":"array","items":{"type":"boolean"},"maxItems":2},"maxItems":2}},"required":["c"],
        "additionalProperties":false}},"required":["b"],"additionalProperties":false}},"required":["a"],
        "additionalProperties":false}"#,
    ),
    (
        "tool call",
        r#"{"type":"object","properties":{"name":{"enum":["search","open"]},"arguments":{"type":"object","properties":{
        "query":{"type":"string","minLength":1,"maxLength":30},"limit":{"type":"integer","minimum":1,"maximum":50}},
        "required":["query"],"additionalProperties":false}},"required":["name","arguments"],"additionalProperties":false}"#,
    ),
    (
        "draft 7",
        r##"{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"c":{"type":"string","enum":["x","y"]}},
        "type":"array","items":[{"$ref":"#/definitions/c"},{"type":"integer"}],"additionalItems":false}"##,
    ),
];

fn check(words: &Words, count: usize) {
    for (name, schema) in SCHEMAS {
        let parsed: Value = serde_json::from_str(schema).unwrap();
        let judge = Judge::new(&parsed);
        check_answers(words, &Grammar::JsonSchema(schema.to_owned()), count, |answer| {
            let value: Value =
                serde_json::from_str(answer).unwrap_or_else(|problem| panic!("{name}: {problem}: {answer}"));
            assert!(judge.accepts(&value), "{name}: {answer}");
        });
    }
}

#[test]
fn whatever_is_chosen_under_a_schema_is_valid() {
    check(smollm2(), 10);
}

#[test]
fn whatever_is_chosen_under_a_schema_is_valid_for_other_kinds_of_vocabularies() {
    check(byte_pairs(), 3);
    check(sentence_pieces(), 3);
}

#[test]
fn the_keys_of_an_object_come_in_the_order_of_the_schema() {
    let schema = r#"{"type":"object","properties":{"z":{"const":1},"a":{"const":2},"m":{"const":3}},
        "required":["z","a","m"],"additionalProperties":false}"#;
    check_answers(smollm2(), &Grammar::JsonSchema(schema.to_owned()), 3, |answer| {
        let places = ["\"z\"", "\"a\"", "\"m\""].map(|key| answer.find(key).unwrap());
        assert!(places.is_sorted(), "{answer}");
    });
}

#[test]
fn any_object_is_an_object() {
    check_answers(smollm2(), &Grammar::JsonObject, 10, |answer| {
        assert!(serde_json::from_str::<Value>(answer).unwrap().is_object(), "{answer}");
    });
}

#[test]
fn what_cannot_be_kept_to_is_named_with_its_place() {
    let check = |schema: &str, expected: &str| {
        let refused = smollm2().constraint(&Grammar::JsonSchema(schema.to_owned())).unwrap_err();
        assert_eq!(refused.to_string(), expected, "{schema}");
    };
    check(
        r#"{"type":"object","properties":{"tags/all":{"type":"array","uniqueItems":true}}}"#,
        "#/properties/tags~1all: 'uniqueItems' is not supported",
    );
    check(r#"{"anyOf":[{"type":"string"},{"not":{"type":"null"}}]}"#, "#/anyOf/1: 'not' is not supported");
    check(r##"{"$defs":{"a":{"if":{}}},"$ref":"#/$defs/a"}"##, "#/$defs/a: 'if' is not supported");
    check(
        r#"{"items":{"$ref":"https://example.com/schema"}}"#,
        "#/items: '$ref' leads out of the schema, to 'https://example.com/schema'",
    );
    check(r#"{"x-guidance":{"lenient":true}}"#, "#: 'x-guidance' is not supported");
    check(
        r#"{"items":{"type":"integer","multipleOf":999999937}}"#,
        "#/items: 'multipleOf' 999999937 is not supported",
    );
    check(
        r#"{"properties":{"far":{"type":"integer","minimum":1e300}}}"#,
        "#/properties/far: 'minimum' 1e+300 is further from 0 than 9223372036854774784",
    );
    check("false", "nothing is allowed by the grammar: the schema is false");
}

#[test]
fn schemas_that_are_none_are_refused() {
    let check = |schema: &str| smollm2().constraint(&Grammar::JsonSchema(schema.to_owned())).unwrap_err();
    for schema in ["", "{", "7", r#"{"type":"strange"}"#, r#"{"type":7}"#, r#"{"properties":[]}"#] {
        assert!(matches!(check(schema), ConstraintError::Malformed { .. }), "{schema}");
    }
    for schema in [
        r##"{"$ref":"#/$defs/nowhere"}"##,
        r#"{"type":"string","format":"isbn"}"#,
        r#"{"oneOf":[{"type":"integer"},{"type":"integer","minimum":3}]}"#,
    ] {
        assert!(matches!(check(schema), ConstraintError::Malformed { .. }), "{schema}");
    }
    for schema in [
        r#"{"type":"integer","minimum":5,"maximum":3}"#,
        r#"{"allOf":[{"type":"string"},{"type":"null"}]}"#,
        r#"{"type":"string","minLength":5,"maxLength":3}"#,
    ] {
        assert!(matches!(check(schema), ConstraintError::Unsatisfiable { .. }), "{schema}");
    }
}
