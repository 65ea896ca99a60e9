//! Ids of jobs and of those that hold them.

use std::{fmt, str::FromStr};

/// The id of a job: 32 lower-case hexadecimal digits, random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(u128);

/// Who holds a lease: one run of a scheduler. A process that starts again is another holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HolderId(u128);

/// The text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job id is written as 32 lower-case hexadecimal digits")]
pub struct IdError;

// === impl JobId ===

impl JobId {
    /// Wraps random bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// A new one.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_bits().map(Self)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse(text).map(Self)
    }
}

// === impl HolderId ===

impl HolderId {
    /// Wraps random bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// A new one.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_bits().map(Self)
    }
}

impl fmt::Display for HolderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl FromStr for HolderId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse(text).map(Self)
    }
}

fn random_bits() -> Result<u128, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

fn parse(text: &str) -> Result<u128, IdError> {
    let plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !plain {
        return Err(IdError);
    }
    u128::from_str_radix(text, 16).map_err(|_| IdError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let id = JobId::from_bits(0xab << 120 | 7);
        let text = id.to_string();
        assert_eq!(text, "ab000000000000000000000000000007");
        assert_eq!(text.parse(), Ok(id));
        let upper = text.to_uppercase();
        for wrong in ["", "7", upper.as_str(), "+b000000000000000000000000000007", "../etc"] {
            assert_eq!(wrong.parse::<JobId>(), Err(IdError), "{wrong}");
        }
    }
}
