//! Names that people give: models and aliases.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// Longest name, in bytes.
const MAX_LENGTH: usize = 128;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Wrong length or a character outside the allowed set.
    #[error(
        "'{0}' is not a name: use 1 to 128 of the characters A-Z a-z 0-9 . _ - and start with a letter or digit"
    )]
    Malformed(String),
    /// An alias made of digits alone would read like a version number.
    #[error("'{0}' cannot be an alias: digits alone would read like a version number")]
    AllDigits(String),
}

/// The name of a model: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
///
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(Arc<str>);

/// The name of an alias: the form of a [`ModelName`], but never digits alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasName(Arc<str>);

fn is_well_formed(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let bytes = text.as_bytes();
    bytes.len() <= MAX_LENGTH
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| allowed(*byte))
}

/// Shows at most the beginning of a text that a client sent, with control characters escaped.
fn quoted(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

// === impl ModelName ===

impl ModelName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if !is_well_formed(text) {
            return Err(NameError::Malformed(quoted(text)));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Borrow<str> for ModelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

// === impl AliasName ===

impl AliasName {
    /// The alias that a request without a version gets.
    pub fn production() -> Self {
        Self("production".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AliasName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if !is_well_formed(text) {
            return Err(NameError::Malformed(quoted(text)));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NameError::AllDigits(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Borrow<str> for AliasName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_published_form() {
        let longest = "a".repeat(128);
        let too_long = "a".repeat(129);
        let cases = [
            ("digits", true),
            ("A.b_c-9", true),
            ("9lives", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            (".hidden", false),
            ("-flag", false),
            ("../etc/passwd", false),
            ("a/b", false),
            ("a b", false),
            ("naïve", false),
            ("a\0", false),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<ModelName>().is_ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn an_alias_never_reads_like_a_version() {
        assert_eq!("12".parse::<AliasName>(), Err(NameError::AllDigits("12".into())));
        assert!("v12".parse::<AliasName>().is_ok());
        assert!("12".parse::<ModelName>().is_ok());
    }

    #[test]
    fn messages_escape_what_the_client_sent() {
        let error = "a\u{1b}[31m".parse::<ModelName>().unwrap_err().to_string();
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}
