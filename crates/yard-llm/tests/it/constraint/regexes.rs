//! Regular expressions and grammars, judged by the crate `regex` and by reading.

use regex::Regex;

use super::*;

const REGEXES: [&str; 18] = [
    "^[a-c]{2,5}$",
    "a+?b",
    "yes|no|maybe",
    "[a-z]{3,8}",
    r"\d{4}-\d{2}-\d{2}",
    r"(\+\d{1,3} )?\d{3}-\d{4}",
    "a*",
    "(ab|cd)+e?",
    r"[A-Z][a-z]+( [A-Z][a-z]+){1,2}",
    r#""[^"]{0,10}""#,
    r"#[0-9a-fA-F]{6}",
    r"\w{1,6}@\w{1,6}\.(com|org)",
    "[äöüß]{2,4}",
    r"[\u{1F600}-\u{1F64F}]{1,3}",
    r"/[a-z]{1,5}(/[a-z]{1,5}){0,3}",
    "(?i)select [a-z]{1,8} from [a-z]{1,8}",
    r"[^a-z\n]{1,5}",
    r"\s{1,3}x",
];

#[test]
fn whatever_is_chosen_under_a_regular_expression_matches_it() {
    for words in [smollm2(), byte_pairs(), sentence_pieces()] {
        for pattern in REGEXES {
            let judge = Regex::new(&format!("^(?:{pattern})$")).unwrap();
            check_answers(words, &Grammar::Regex(pattern.to_owned()), 4, |answer| {
                assert!(judge.is_match(answer), "{pattern}: {answer:?}");
            });
        }
    }
}

#[test]
fn boundaries_and_references_are_refused() {
    for pattern in [r"\bword\b", r"(a)\1", "(?=a)b", "(", "[z-a]"] {
        let refused = smollm2().constraint(&Grammar::Regex(pattern.to_owned())).unwrap_err();
        assert!(matches!(refused, ConstraintError::Malformed { .. }), "{pattern}: {refused:?}");
    }
}

#[test]
fn expressions_and_grammars_that_nothing_matches_are_refused() {
    for pattern in [r"[a&&b]", r"x[a&&b]"] {
        let refused = smollm2().constraint(&Grammar::Regex(pattern.to_owned())).unwrap_err();
        assert!(matches!(refused, ConstraintError::Unsatisfiable { .. }), "{pattern}: {refused:?}");
    }
}

#[test]
fn sums_are_what_a_grammar_of_sums_allows() {
    let grammar = "start: sum\nsum: product (\"+\" product)*\nproduct: atom (\"*\" atom)*\n\
                   atom: /[0-9]{1,3}/ | \"(\" sum \")\"";
    check_answers(smollm2(), &Grammar::Lark(grammar.to_owned()), 10, |answer| {
        let mut depth = 0;
        for character in answer.chars() {
            assert!("0123456789+*()".contains(character), "{answer}");
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            assert!(depth >= 0, "{answer}");
        }
        assert_eq!(depth, 0, "{answer}");
        let plain = answer.replace(['(', ')'], "");
        assert!(plain.split(['+', '*']).all(|number| (1..=3).contains(&number.len())), "{answer}");
    });
}

#[test]
fn grammars_hold_schemas() {
    let grammar = "start: \"<call>\" call \"</call>\"\ncall: %json {\"type\":\"object\",\"properties\":{\"n\":{\"type\":\
                   \"integer\"}},\"required\":[\"n\"],\"additionalProperties\":false}";
    check_answers(smollm2(), &Grammar::Lark(grammar.to_owned()), 5, |answer| {
        let call = answer.strip_prefix("<call>").and_then(|rest| rest.strip_suffix("</call>")).unwrap();
        let call: serde_json::Value = serde_json::from_str(call).unwrap();
        assert!(call["n"].is_number(), "{answer}");
    });
    let refused = smollm2().constraint(&Grammar::Lark("start: %json {\"not\": {}}".to_owned())).unwrap_err();
    assert_eq!(refused.to_string(), "#: 'not' is not supported");
}

#[test]
fn grammars_that_are_none_are_refused() {
    for grammar in
        ["", "start", "start: undefined", "rule: \"a\"", "start: \"a", "start: /(/", "start: %json"]
    {
        let refused = smollm2().constraint(&Grammar::Lark(grammar.to_owned())).unwrap_err();
        assert!(matches!(refused, ConstraintError::Malformed { .. }), "{grammar}: {refused:?}");
    }
}
