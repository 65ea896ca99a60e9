//! Why there is no text.

use minijinja::{Error, ErrorKind};

/// Marks what a template itself says when it refuses a conversation.
pub(super) const REFUSED: &str = "refused by the template: ";

/// Why a template gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template is too long.
    #[error("the template has {bytes} bytes, at most {limit} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// It is no template.
    #[error("the model's chat template cannot be read{}: {problem}", at(*.line))]
    Malformed {
        /// Where.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// The template does not take this conversation, and says so.
    #[error("the model's chat template refuses the conversation: {0}")]
    Refused(String),
    /// The template does too much.
    #[error("the model's chat template does not come to an end")]
    TooMuchWork,
    /// The template writes too much.
    #[error("the model's chat template writes more than {limit} bytes")]
    TooMuchText {
        /// How much it may write.
        limit: usize,
    },
    /// The template cannot be applied to this conversation.
    #[error("the model's chat template fails{}: {problem}", at(*.line))]
    Failed {
        /// Where.
        line: Option<usize>,
        /// Why.
        problem: String,
    },
}

impl TemplateError {
    pub(super) fn malformed(error: &Error) -> Self {
        Self::Malformed { line: error.line(), problem: words(error) }
    }

    pub(super) fn failed(error: &Error) -> Self {
        // What a macro or an expression within fails with is the cause of what is told.
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let mut deepest = error;
        while let Some(next) = cause {
            if let Some(next) = next.downcast_ref::<Error>() {
                deepest = next;
            }
            cause = next.source();
        }
        let problem = words(deepest);
        match problem.strip_prefix(REFUSED) {
            Some(said) => Self::Refused(said.to_owned()),
            None if deepest.kind() == ErrorKind::OutOfFuel => Self::TooMuchWork,
            None => Self::Failed { line: deepest.line(), problem },
        }
    }
}

fn words(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(" in line {line}")).unwrap_or_default()
}
