//! What is wrong with a specification, said so that its author can mend it.

use std::fmt;

use yard_types::{Coded, ErrorCode};

/// Where a value stands in a specification.
///
/// It has two forms: the path that a program can follow (`model.layers.2.units`) and the one that is shown, in which
/// layers are counted from 1 and named (`layer 3 (dense): units`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPath {
    path: String,
    shown: String,
    /// What follows in the shown form is joined by this.
    joint: &'static str,
}

/// Why a specification is refused.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The text is longer than any specification needs to be.
    #[error("the specification is {bytes} bytes long; at most {limit} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The most that is read.
        limit: usize,
    },
    /// The text is not TOML.
    #[error("the specification is not valid TOML: {0}")]
    NotToml(String),
    /// The text is not JSON.
    #[error("the specification is not valid JSON: {0}")]
    NotJson(String),
    /// A key that does not exist.
    #[error("{path} is not a key{}", hint(.nearest, .known))]
    UnknownKey {
        /// The key.
        path: KeyPath,
        /// The known key that it resembles most, if it resembles one.
        nearest: Option<String>,
        /// All keys of that table.
        known: Vec<String>,
    },
    /// A key without which the specification says too little.
    #[error("{path} is missing: it has no default")]
    Missing {
        /// The key.
        path: KeyPath,
    },
    /// The value has another type.
    #[error("{path} must be {expected}, not {found}")]
    WrongType {
        /// The key.
        path: KeyPath,
        /// The type it has.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The value is none of a closed list.
    #[error("{path} is '{found}', which does not exist{}", hint(.nearest, .known))]
    UnknownValue {
        /// The key.
        path: KeyPath,
        /// What was given.
        found: String,
        /// The known value that it resembles most, if it resembles one.
        nearest: Option<String>,
        /// All values.
        known: Vec<String>,
    },
    /// The value is outside of what the key allows.
    #[error("{path} must be {allowed}, not {found}")]
    NotAllowed {
        /// The key.
        path: KeyPath,
        /// What it allows.
        allowed: String,
        /// What was given.
        found: String,
    },
    /// A layer does not fit what comes before or after it. Layers are counted from 1.
    #[error("layer {number} ({kind}): {problem}")]
    Layer {
        /// Which layer, from 1.
        number: usize,
        /// Its type.
        kind: &'static str,
        /// What does not fit, and what to do.
        problem: String,
    },
    /// Two keys contradict each other.
    #[error("{path}: {problem}")]
    Contradiction {
        /// The key to change.
        path: KeyPath,
        /// What contradicts what, and what to do.
        problem: String,
    },
    /// A value of the search does not fit the specification.
    #[error("the search cannot set {path} to {value}: {source}")]
    Candidate {
        /// The key that the search sets.
        path: KeyPath,
        /// The value, shortened.
        value: String,
        /// Why it does not fit.
        #[source]
        source: Box<SpecError>,
    },
}

fn hint(nearest: &Option<String>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!(": did you mean '{nearest}'?"),
        None => format!(": use one of {}", known.join(", ")),
    }
}

/// Shows at most the beginning of a text that a client sent, with control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() {
        shown.push_str("...");
    }
    shown
}

// === impl SpecError ===

impl SpecError {
    /// The path of the key that is to blame, where it is one key.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { path, .. }
            | Self::Missing { path }
            | Self::WrongType { path, .. }
            | Self::UnknownValue { path, .. }
            | Self::NotAllowed { path, .. }
            | Self::Contradiction { path, .. }
            | Self::Candidate { path, .. } => Some(path.as_str()),
            Self::Layer { .. } => Some("model.layers"),
            Self::TooLong { .. } | Self::NotToml(_) | Self::NotJson(_) => None,
        }
    }

    pub(crate) fn contradiction(path: &str, problem: impl Into<String>) -> Self {
        Self::Contradiction { path: KeyPath::of(path), problem: problem.into() }
    }
}

impl Coded for SpecError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooLong { .. } => ErrorCode::PayloadTooLarge,
            _ => ErrorCode::InvalidArgument,
        }
    }
}

// === impl KeyPath ===

impl KeyPath {
    /// The path of the specification itself.
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// A path that is shown as it is.
    pub(crate) fn of(path: &str) -> Self {
        Self { path: path.to_owned(), shown: quoted(path), joint: "." }
    }

    /// The path of a key in this table.
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        Self { path, shown: format!("{}{}{}", self.shown, self.joint, quoted(key)), joint: "." }
    }

    /// The path of an element of this list, counted from 0.
    pub(crate) fn element(&self, index: usize) -> Self {
        Self { path: format!("{}.{index}", self.path), shown: format!("{}[{index}]", self.shown), joint: "." }
    }

    /// The path of an element of this list, shown by its number from 1 and its kind: `layer 3 (dense)`.
    pub(crate) fn counted_element(&self, index: usize, kind: Option<&str>) -> Self {
        let list = self.path.rsplit('.').next().unwrap_or_default();
        let one = list.strip_suffix('s').unwrap_or(list);
        let mut shown = format!("{one} {}", index + 1);
        if let Some(kind) = kind {
            shown.push_str(&format!(" ({})", quoted(kind)));
        }
        Self { path: format!("{}.{index}", self.path), shown, joint: ": " }
    }

    /// The form that a program can follow: `model.layers.2.units`.
    pub fn as_str(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.shown.is_empty() { "the specification" } else { &self.shown })
    }
}
