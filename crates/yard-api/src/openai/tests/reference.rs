//! The page that lists every parameter of every route, made from the tables.

use std::fmt::Write;

use super::*;

const HEAD: &str = "\
# Parameters of the OpenAI-compatible routes

What each route takes, ignores and refuses. A parameter that is not listed is refused by its name, a value outside of what is
given here with what belongs there; `null` is as good as leaving a parameter out. What stands inside of messages, tools and
schemas is checked in the same way. [language-models.md](language-models.md) shows the routes at work.

- **supported**: does what OpenAI documents; one that OpenAI does not have does what its note says.
- **ignored**: may be given and does nothing, for the reason that is told.
- **refused**: the request ends with 400, for the reason that is told.

This page is made from the code; a test fails when they differ.
";

/// Where each route is.
const PLACES: &[(Route, &str)] = &[
    (Route::ChatCompletions, "POST /v1/chat/completions"),
    (Route::Completions, "POST /v1/completions"),
    (Route::Responses, "POST /v1/responses"),
    (Route::Embeddings, "POST /v1/embeddings"),
    (Route::Rerank, "POST /v1/rerank"),
    (Route::Tokenize, "POST /tokenize"),
    (Route::Detokenize, "POST /detokenize"),
];

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (route, place) in PLACES {
        // Writing to a text cannot fail.
        let _ = write!(page, "\n## `{place}`\n\n| parameter | here | notes |\n|---|---|---|\n");
        for parameter in parameters(*route) {
            let (here, notes) = row(parameter);
            let _ = writeln!(page, "| `{}` | {here} | {notes} |", parameter.name);
        }
    }
    page
}

fn row(parameter: &Parameter) -> (&'static str, String) {
    match parameter.support {
        Support::Works => ("supported", sentences(&[parameter.accepts, parameter.note])),
        Support::Ignored(why) => ("ignored", sentences(&[why])),
        Support::Refused(why) if parameter.accepts == "null" => ("refused", sentences(&[why])),
        Support::Refused(why) => {
            let taken = format!("only {} may be given", parameter.accepts);
            ("refused", sentences(&[why, taken.as_str()]))
        }
    }
}

/// Each part as a sentence; empty ones are left out.
fn sentences(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        let mut letters = part.chars();
        let Some(first) = letters.next() else { continue };
        if !text.is_empty() {
            text.push(' ');
        }
        // Names of parameters and values keep their case: they stand in quotes, or have an underscore in them.
        let is_a_name = part.split(' ').next().is_some_and(|word| word.contains('_'));
        text.push(if is_a_name { first } else { first.to_ascii_uppercase() });
        text.push_str(letters.as_str());
        text.push('.');
    }
    text
}

#[test]
fn the_committed_reference_of_parameters_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openai-parameters.md");
    let page = page();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == page,
        "docs/openai-parameters.md differs from the code; run with UPDATE_EXPECTED=1 to rewrite it"
    );
}

#[test]
fn every_route_is_on_the_page() {
    for route in ROUTES {
        assert!(PLACES.iter().any(|(placed, _)| *placed == route), "{route:?} has no place on the page");
    }
}

#[test]
fn what_is_said_of_a_parameter_fits_into_a_table() {
    for (route, _) in PLACES {
        for parameter in parameters(*route) {
            let (_, notes) = row(parameter);
            assert!(!notes.is_empty() && !notes.contains(['|', '\n']), "{route:?} {}", parameter.name);
            assert!(!notes.contains("..") || notes.contains("..."), "{route:?} {}: {notes}", parameter.name);
        }
    }
}
