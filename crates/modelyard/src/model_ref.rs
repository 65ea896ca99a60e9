//! How a person names a version on the command line: `NAME`, `NAME@alias` or `NAME:version`.

use std::{fmt, str::FromStr};

use yard_types::{ModelName, Selector};

/// A model and which of its versions is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelRef {
    pub(crate) model: ModelName,
    pub(crate) selector: Selector,
}

impl FromStr for ModelRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Neither character can stand in a name, so the first of them ends it.
        let (name, selector) = match text.find(['@', ':']) {
            None => (text, Selector::Production),
            Some(place) => {
                let after = &text[place + 1..];
                let selector = if text[place..].starts_with('@') {
                    after
                        .parse()
                        .map(Selector::Alias)
                        .map_err(|error: yard_types::NameError| error.to_string())
                } else {
                    let parsed = after.parse().map(Selector::Version);
                    parsed.map_err(|error: yard_types::VersionNumberError| error.to_string())
                };
                (&text[..place], selector?)
            }
        };
        let model = name.parse().map_err(|error: yard_types::NameError| error.to_string())?;
        Ok(Self { model, selector })
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.model)?;
        match &self.selector {
            Selector::Production => Ok(()),
            other => write!(formatter, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_carry_an_alias_or_a_version() {
        for text in ["digits", "digits@canary", "digits:3", "a.b_c-d@x.1"] {
            assert_eq!(text.parse::<ModelRef>().unwrap().to_string(), text);
        }
        assert_eq!("digits".parse::<ModelRef>().unwrap().selector, Selector::Production);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "@canary", ":1", "digits@", "digits:", "digits:0", "digits:x", "digits@7", "a@b:1", "a/b"]
        {
            assert!(text.parse::<ModelRef>().is_err(), "{text}");
        }
    }
}
