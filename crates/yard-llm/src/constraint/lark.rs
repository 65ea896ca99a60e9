//! What is asked of a grammar in Lark's language before the library reads it.

use super::ConstraintError;
use super::compile::LONGEST_REGEX;

/// Terminals may be made of terminals: each further one takes longer than the one before.
const MOST_TERMINALS: usize = 300;

pub(super) fn check(grammar: &str) -> Result<(), ConstraintError> {
    // Lines that go on with a terminal are counted as well; grammars of that size are refused either way.
    let terminals = grammar.lines().filter(|line| begins_with_a_terminal(line)).count();
    let longest = longest_expression(grammar);
    let problem = if terminals > MOST_TERMINALS {
        format!("more than {MOST_TERMINALS} terminals")
    } else if longest > LONGEST_REGEX {
        format!("a regular expression of {longest} bytes, at most {LONGEST_REGEX} are allowed")
    } else {
        return Ok(());
    };
    Err(ConstraintError::TooLarge { problem })
}

fn begins_with_a_terminal(line: &str) -> bool {
    let name = line.trim_start().trim_start_matches(['?', '!', '_']);
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

/// The length of the longest regular expression, its slashes not counted. Where the text is no grammar any answer will
/// do: the library refuses it.
fn longest_expression(grammar: &str) -> usize {
    let mut longest = 0;
    let mut rest = grammar;
    while let Some(start) = rest.find(['"', '/', '#']) {
        let behind = &rest[start + 1..];
        let is_comment = rest.as_bytes()[start] == b'#' || behind.starts_with('/');
        rest = if is_comment {
            behind.find('\n').map_or("", |end| &behind[end..])
        } else {
            let quote = rest.as_bytes()[start];
            let length = length_of_quoted(behind, quote);
            if quote == b'/' {
                longest = longest.max(length);
            }
            behind.get(length + 1..).unwrap_or_default()
        };
    }
    longest
}

/// How much stands before the quote that ends it; a backslash hides what follows it.
fn length_of_quoted(text: &str, quote: u8) -> usize {
    let mut is_hidden = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == quote && !is_hidden;
        is_hidden = byte == b'\\' && !is_hidden;
        ends
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_told_from_texts_and_comments() {
        let check =
            |grammar: &str, expected: usize| assert_eq!(longest_expression(grammar), expected, "{grammar}");
        check("start: \"a/bc/d\" /xy/ // \"/long one/\n", 2);
        check("# a quote: \"\nstart: /abc/", 3);
        check("start: /a\\/b/ \"\\\"/12345678/\" /c/", 4);
        check("start: /[\"#]/ /abcd", 4);
        check("start: \"ä\" /ö/i", 2);
        check("", 0);
    }
}
