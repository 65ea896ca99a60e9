//! Grammars made into parsers, within bounds.

use std::thread;

use llguidance::TokenParser;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use serde_json::{Value, json};

use super::{ConstraintError, ConstraintVocabulary, Grammar, error, lark, schema};

/// Room for schemas and grammars of real programs; those of hostile ones stay within the stack and the second below.
const LONGEST_SCHEMA: usize = 128 << 10;
const LONGEST_GRAMMAR: usize = 64 << 10;
pub(super) const LONGEST_REGEX: usize = 4 << 10;
/// Brackets within brackets.
const DEEPEST: usize = 200;
/// References and rules are followed by recursion: a chain of them through the whole of the longest text fits.
const STACK_BYTES: usize = 128 << 20;

/// White space between the parts of JSON: some on a line, or a new line with its indentation. Without an end to it weak
/// models write nothing else.
const WHITE_SPACE: &str = r"[ \t]{1,40}|\r?\n[ \t]{0,80}";

/// What reading a grammar and computing a mask may cost. A mask that is refused has taken some 15 ms; a grammar less than a
/// second, when its parts are such as take long.
pub(super) fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 2_000,
        initial_lexer_fuel: 200_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        // Of 1 to 2 kB each.
        max_lexer_states: 30_000,
        max_grammar_size: 200_000,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}

pub(super) fn compile(
    vocabulary: &ConstraintVocabulary,
    grammar: &Grammar,
) -> Result<TokenParser, ConstraintError> {
    let grammar = read(grammar)?;
    let factory = vocabulary.factory();
    let outcome = thread::scope(|scope| {
        let reader = thread::Builder::new().name("grammar".to_owned()).stack_size(STACK_BYTES);
        let reader = reader
            .spawn_scoped(scope, || factory.create_parser(grammar).map_err(|problem| format!("{problem:#}")));
        reader.map(thread::ScopedJoinHandle::join)
    });
    match outcome {
        Ok(Ok(Ok(parser))) => Ok(parser),
        Ok(Ok(Err(problem))) => Err(classified(&problem)),
        Ok(Err(_)) => Err(ConstraintError::Internal { problem: "a panic".to_owned() }),
        Err(problem) => Err(ConstraintError::Internal { problem: problem.to_string() }),
    }
}

fn read(grammar: &Grammar) -> Result<TopLevelGrammar, ConstraintError> {
    match grammar {
        Grammar::JsonObject => Ok(of_schema(json!({"type": "object"}))),
        Grammar::JsonSchema(text) => {
            bounded(text, "schema", LONGEST_SCHEMA)?;
            Ok(of_schema(schema::read(text)?))
        }
        Grammar::Regex(text) => {
            bounded(text, "regular expression", LONGEST_REGEX)?;
            not_too_deep(text)?;
            Ok(TopLevelGrammar::from_regex(text))
        }
        Grammar::Lark(text) => {
            bounded(text, "grammar", LONGEST_GRAMMAR)?;
            not_too_deep(text)?;
            lark::check(text)?;
            schema::check_embedded(text)?;
            Ok(TopLevelGrammar::from_lark(text.clone()))
        }
    }
}

fn of_schema(mut schema: Value) -> TopLevelGrammar {
    if let Value::Object(keys) = &mut schema {
        keys.insert("x-guidance".to_owned(), json!({"whitespace_pattern": WHITE_SPACE}));
    }
    TopLevelGrammar::from_json_schema(schema)
}

fn bounded(text: &str, what: &str, longest: usize) -> Result<(), ConstraintError> {
    if text.len() > longest {
        let problem = format!("a {what} of {} bytes, at most {longest} are allowed", text.len());
        return Err(ConstraintError::TooLarge { problem });
    }
    Ok(())
}

/// Brackets are counted wherever they stand, in strings too: no sensible grammar has so many more open than closed.
fn not_too_deep(text: &str) -> Result<(), ConstraintError> {
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            let problem = format!("more than {DEEPEST} brackets within each other");
            return Err(ConstraintError::TooLarge { problem });
        }
    }
    Ok(())
}

/// The library tells its refusals apart by their texts alone.
fn classified(message: &str) -> ConstraintError {
    let problem = error::cut(message);
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if message.starts_with("panic: ") {
        ConstraintError::Internal { problem }
    } else if says(&["Unsatisfiable", "unsatisfiable", "is empty"]) {
        ConstraintError::Unsatisfiable { problem }
    } else if says(&["too big", "too large", "too complex", "limit", "exceeded", "fuel", "too deeply"]) {
        ConstraintError::TooLarge { problem }
    } else {
        ConstraintError::Malformed { problem }
    }
}
