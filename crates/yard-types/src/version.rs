//! Versions of a model and how a request names one.

use std::{fmt, num::NonZeroU32, str::FromStr};

use crate::{AliasName, ModelName, NameError};

/// The number of a version: 1, 2, 3 ... within its model, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNumber(NonZeroU32);

/// The text is not a version number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a version is a whole number from 1 to 4294967295")]
pub struct VersionNumberError;

/// One version of one model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionRef {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: VersionNumber,
}

/// How a request says which version of a model it wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Selector {
    /// It does not say: the alias `production`.
    #[default]
    Production,
    /// This very version.
    Version(VersionNumber),
    /// The version that the alias points at.
    Alias(AliasName),
}

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadState {
    /// Files are coming in.
    Receiving,
    /// All files are here; the model is being proven.
    Proving,
    /// A version was made of it (or an identical one was there).
    Ready,
    /// It was refused; its message says why.
    Failed,
}

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionState {
    /// Proven and usable.
    Ready,
    /// Kept for the record, not served.
    Archived,
}

// === impl VersionNumber ===

impl VersionNumber {
    /// The first version of every model.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// Makes a number of a count from 1.
    pub fn new(number: u32) -> Result<Self, VersionNumberError> {
        NonZeroU32::new(number).map(Self).ok_or(VersionNumberError)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The number after this one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl FromStr for VersionNumber {
    type Err = VersionNumberError;

    fn from_str(text: &str) -> Result<Self, VersionNumberError> {
        let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        if !plain {
            return Err(VersionNumberError);
        }
        text.parse().map(Self).map_err(|_| VersionNumberError)
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} version {}", self.model, self.version)
    }
}

// === impl Selector ===

impl Selector {
    /// Reads what stands where a protocol puts the version: digits are a version, all else is an alias.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.parse::<VersionNumber>() {
            Ok(version) => Ok(Self::Version(version)),
            Err(_) => text.parse().map(Self::Alias),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Production => formatter.write_str("@production"),
            Self::Version(version) => write!(formatter, ":{version}"),
            Self::Alias(alias) => write!(formatter, "@{alias}"),
        }
    }
}

// === impl states ===

impl UploadState {
    /// The state as it stands in answers and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Proving => "proving",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

impl VersionState {
    /// The state as it stands in answers and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Archived => "archived",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_one_spelling() {
        for text in ["", "0", "01", "-1", "+1", "1.0", "4294967296", "x"] {
            assert_eq!(text.parse::<VersionNumber>(), Err(VersionNumberError), "{text}");
        }
        assert_eq!("4294967295".parse::<VersionNumber>().unwrap().next(), None);
        assert_eq!(VersionNumber::FIRST.next(), VersionNumber::new(2).ok());
    }

    #[test]
    fn selectors_tell_versions_from_aliases() {
        assert_eq!(Selector::parse("7"), Ok(Selector::Version(VersionNumber::new(7).unwrap())));
        assert_eq!(Selector::parse("canary"), Ok(Selector::Alias("canary".parse().unwrap())));
        assert!(Selector::parse("0").is_err());
        assert!(Selector::parse("").is_err());
    }
}
