//! Why an answer cannot keep to a grammar.

use crate::TokenId;

/// Why a grammar is refused, or an answer cannot go on. Texts out of grammars are cut and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// The vocabulary cannot be used with grammars.
    #[error("the model's vocabulary cannot be used with grammars: {problem}")]
    Vocabulary {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The grammar cannot be read.
    #[error("the grammar is not one: {problem}")]
    Malformed {
        /// Where and why.
        problem: String,
    },
    /// A part of a schema that cannot be kept to.
    #[error("{place}: {problem}")]
    Unsupported {
        /// Where in the schema: `#/properties/name`.
        place: String,
        /// What is there.
        problem: String,
    },
    /// Nothing at all is allowed by the grammar.
    #[error("nothing is allowed by the grammar: {problem}")]
    Unsatisfiable {
        /// Why.
        problem: String,
    },
    /// The grammar is over a limit.
    #[error("the grammar is too large: {problem}")]
    TooLarge {
        /// Which limit.
        problem: String,
    },
    /// A step would take too much time or memory.
    #[error("the grammar is too complex to be kept to: {problem}")]
    TooComplex {
        /// Which limit.
        problem: String,
    },
    /// The grammar goes on with a text that no token of the vocabulary begins.
    #[error("no token of the model's vocabulary leads on in the grammar")]
    Stuck,
    /// A token that may not come next.
    #[error("token {token} is not allowed here")]
    Forbidden {
        /// Which.
        token: TokenId,
    },
    /// A fault of the grammar's reader.
    #[error("the grammar cannot be kept to")]
    Internal {
        /// For logs.
        problem: String,
    },
}

/// A message of the library, fit for one line: without its dumps of states, cut and escaped.
pub(super) fn cut(message: &str) -> String {
    const LONGEST: usize = 300;
    let end = ["\n<state>", "\n<non-verbose/>", "\n<backtrace>"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min()
        .unwrap_or(message.len());
    let mut cut = String::new();
    for (count, character) in message[..end].trim().chars().enumerate() {
        if count == LONGEST {
            cut.push('…');
            break;
        }
        match character {
            '\n' | '\r' | '\t' => cut.push(' '),
            control if control.is_control() => cut.extend(control.escape_default()),
            other => cut.push(other),
        }
    }
    cut
}
