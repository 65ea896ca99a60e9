//! Which models a key may see.

use std::{fmt, str::FromStr, sync::Arc};

use yard_types::{ModelName, NameError};

/// Most patterns of one key.
const MAX_PATTERNS: usize = 256;

/// One model, or all whose names begin alike: `digits` or `team-a.*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelPattern {
    /// The model of this name.
    Exact(ModelName),
    /// The models whose names begin with that of this name. Written with a `*` behind it.
    Prefix(ModelName),
}

/// Which models a key may see; to it, the others do not exist. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedModels {
    /// All, also those to come.
    All,
    /// Those that a pattern fits. Sorted, without duplicates, never empty.
    Only(Arc<[ModelPattern]>),
}

/// Why a text is not a pattern, or a list is not a list of patterns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelPatternError {
    /// Neither a name nor the beginning of one followed by `*`.
    #[error("a model pattern is a name or the beginning of one followed by '*'")]
    Malformed(#[from] NameError),
    /// An empty list: more likely a mistake than a key that may see nothing.
    #[error("the list of models is empty: name at least one, or leave it out to allow all")]
    Empty,
    /// Too long a list.
    #[error("a key may have at most 256 model patterns")]
    TooMany,
}

// === impl ModelPattern ===

impl ModelPattern {
    /// Whether it fits the model.
    pub fn fits(&self, model: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str() == model,
            Self::Prefix(prefix) => model.starts_with(prefix.as_str()),
        }
    }
}

impl FromStr for ModelPattern {
    type Err = ModelPatternError;

    fn from_str(text: &str) -> Result<Self, ModelPatternError> {
        // The beginning of a name is itself a name, so one rule serves both.
        match text.strip_suffix('*') {
            Some(prefix) => Ok(Self::Prefix(prefix.parse()?)),
            None => Ok(Self::Exact(text.parse()?)),
        }
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(formatter),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

// === impl AllowedModels ===

impl AllowedModels {
    /// Allows what the patterns fit; `*` alone allows all.
    pub fn parse<Text: AsRef<str>>(
        patterns: impl IntoIterator<Item = Text>,
    ) -> Result<Self, ModelPatternError> {
        let mut parsed = Vec::new();
        for pattern in patterns {
            if pattern.as_ref() == "*" {
                return Ok(Self::All);
            }
            if parsed.len() == MAX_PATTERNS {
                return Err(ModelPatternError::TooMany);
            }
            parsed.push(pattern.as_ref().parse()?);
        }
        Self::only(parsed)
    }

    /// Allows what the patterns fit.
    pub fn only(mut patterns: Vec<ModelPattern>) -> Result<Self, ModelPatternError> {
        patterns.sort();
        patterns.dedup();
        match patterns.len() {
            0 => Err(ModelPatternError::Empty),
            1..=MAX_PATTERNS => Ok(Self::Only(patterns.into())),
            _ => Err(ModelPatternError::TooMany),
        }
    }

    /// Whether the model is among them.
    pub fn contains(&self, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| pattern.fits(model)),
        }
    }

    /// The patterns; empty when all models are allowed.
    pub fn patterns(&self) -> &[ModelPattern] {
        match self {
            Self::All => &[],
            Self::Only(patterns) => patterns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names_and_beginnings() {
        let cases = [
            (&["digits"][..], "digits", true),
            (&["digits"], "digits2", false),
            (&["digits"], "Digits", false),
            (&["team-a.*"], "team-a.x", true),
            (&["team-a.*"], "team-a.", true),
            (&["team-a.*"], "team-a", false),
            (&["team-a.*"], "team-ab", false),
            (&["a", "b*"], "bc", true),
            (&["a", "b*"], "c", false),
            (&["a", "*"], "anything", true),
        ];
        for (patterns, model, expected) in cases {
            let allowed = AllowedModels::parse(patterns).unwrap();
            assert_eq!(allowed.contains(model), expected, "{patterns:?} {model}");
        }
    }

    #[test]
    fn malformed_patterns_and_lists_are_refused() {
        for text in ["", "**", "a**", "*a", "a*b", "a b", "-*", "../*"] {
            assert!(AllowedModels::parse([text]).is_err(), "{text:?}");
        }
        assert_eq!(AllowedModels::parse([""; 0]), Err(ModelPatternError::Empty));
        let many = (0..257).map(|number| format!("m{number}"));
        assert_eq!(AllowedModels::parse(many), Err(ModelPatternError::TooMany));
    }

    #[test]
    fn patterns_read_back_sorted_and_once() {
        let allowed = AllowedModels::parse(["z", "a*", "z"]).unwrap();
        let texts: Vec<String> = allowed.patterns().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["z", "a*"]);
        assert_eq!(AllowedModels::parse(&texts), Ok(allowed));
    }
}
