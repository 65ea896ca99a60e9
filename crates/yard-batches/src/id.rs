//! Names of files and batches: a prefix that says which of the two it is, and 96 random bits.

use std::{fmt, str::FromStr};

const DIGITS: usize = 24;

/// The text is no id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is written as its prefix and 24 lower-case hexadecimal digits")]
pub struct IdError;

/// The id of a file, such as `file-0123456789abcdef01234567`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(String);

/// The id of a batch, such as `batch_0123456789abcdef01234567`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(String);

/// Both kinds differ in their prefix alone.
macro_rules! id {
    ($name:ident, $prefix:literal) => {
        impl $name {
            const PREFIX: &'static str = $prefix;

            /// An id that nothing has yet.
            pub fn random() -> Result<Self, getrandom::Error> {
                Ok(Self(format!("{}{}", Self::PREFIX, random_digits()?)))
            }

            /// The whole text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What comes after the prefix.
            pub fn digits(&self) -> &str {
                &self.0[Self::PREFIX.len()..]
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix(Self::PREFIX).ok_or(IdError)?;
                if is_digits(digits) { Ok(Self(text.to_owned())) } else { Err(IdError) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id!(FileId, "file-");
id!(BatchId, "batch_");

fn is_digits(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn random_digits() -> Result<String, getrandom::Error> {
    let mut bytes = [0; DIGITS / 2];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_others_are_refused() {
        let id = BatchId::random().unwrap();
        assert_eq!(id.to_string().parse::<BatchId>(), Ok(id.clone()));
        assert_eq!(id.digits().len(), DIGITS);
        assert_ne!(BatchId::random().unwrap(), id);
        for text in
            ["", "batch_", "batch_0123", "file-0123456789abcdef01234567", "batch_0123456789ABCDEF01234567"]
        {
            assert_eq!(text.parse::<BatchId>(), Err(IdError), "{text}");
        }
        assert!("file-0123456789abcdef01234567".parse::<FileId>().is_ok());
    }
}
