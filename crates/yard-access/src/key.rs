//! Keys as text: `my_<id>_<secret>`.
//!
//! The id is 48 random bits as 12 hexadecimal digits and names the key in lists and logs. The secret is 256 random bits
//! as 64 hexadecimal digits. Only lower-case digits are taken, so that a key has one spelling. The secret is random, not
//! chosen by a person: one SHA-256 of it is as hard to reverse as the secret is to guess, and cheap enough to compute on
//! every request.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use yard_types::Digest;

const PREFIX: &str = "my_";
const ID_DIGITS: usize = 12;
const SECRET_BYTES: usize = 32;
const SECRET_DIGITS: usize = 2 * SECRET_BYTES;
const KEY_LENGTH: usize = PREFIX.len() + ID_DIGITS + 1 + SECRET_DIGITS;

/// The public name of a key: 12 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

/// The text is not the id of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the id of a key is written as 12 lower-case hexadecimal digits")]
pub struct KeyIdError;

/// The SHA-256 of a key's secret: all that is kept of it.
///
/// It has no `==`: comparing takes the same time wherever the difference is.
#[derive(Clone, Copy)]
pub struct SecretHash(Digest);

/// A key as a client presents it. `Debug` hides the secret.
pub struct PresentedKey {
    id: KeyId,
    secret: [u8; SECRET_BYTES],
}

/// The text of a key that was just made: shown once, never stored by the server. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(String);

fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

// === impl KeyId ===

impl KeyId {
    /// Makes an id of the lowest 48 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & 0xffff_ffff_ffff)
    }

    fn parse(digits: &[u8]) -> Option<Self> {
        let mut bits = 0;
        for digit in digits {
            bits = bits << 4 | u64::from(nibble(*digit)?);
        }
        (digits.len() == ID_DIGITS).then_some(Self(bits))
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        Self::parse(text.as_bytes()).ok_or(KeyIdError)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:012x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

// === impl SecretHash ===

impl SecretHash {
    /// Wraps a hash that was stored.
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The hash, to store it.
    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    fn of(secret: &[u8; SECRET_BYTES]) -> Self {
        Self(Digest::from_bytes(Sha256::digest(secret).into()))
    }

    /// Whether both are the hash of the same secret, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(..)")
    }
}

// === impl PresentedKey ===

impl PresentedKey {
    /// Reads a key; `None` when the text does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != KEY_LENGTH {
            return None;
        }
        let rest = bytes.strip_prefix(PREFIX.as_bytes())?;
        let (id, rest) = rest.split_at(ID_DIGITS);
        let digits = rest.strip_prefix(b"_")?;
        let mut secret = [0; SECRET_BYTES];
        for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self { id: KeyId::parse(id)?, secret })
    }

    /// Which key it claims to be.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What is stored of its secret.
    pub fn secret_hash(&self) -> SecretHash {
        SecretHash::of(&self.secret)
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PresentedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

// === impl KeyText ===

impl KeyText {
    /// Wraps a text that is, or should be, a key, to keep it out of logs.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Makes an id of random bits.
    pub(crate) fn random_id() -> Result<KeyId, getrandom::Error> {
        getrandom::u64().map(KeyId::from_bits)
    }

    /// Makes a key with a random secret, and what is to be stored of the secret.
    pub(crate) fn random(id: KeyId) -> Result<(Self, SecretHash), getrandom::Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        let mut text = format!("{PREFIX}{id}_");
        for byte in &secret {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        Ok((Self(text), SecretHash::of(&secret)))
    }

    /// The text itself, to show it once or to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyText(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_that_was_made_reads_back_and_matches_its_hash() {
        let id = KeyText::random_id().unwrap();
        let (text, hash) = KeyText::random(id).unwrap();
        let presented = PresentedKey::parse(text.reveal()).unwrap();
        assert_eq!(presented.id(), id);
        assert!(presented.secret_hash().matches(&hash));
        let (_, other) = KeyText::random(id).unwrap();
        assert!(!presented.secret_hash().matches(&other));
    }

    #[test]
    fn the_stored_hash_is_the_sha_256_of_the_secret() {
        let text = format!("my_00000000002a_{}", "00".repeat(32));
        let hash = PresentedKey::parse(&text).unwrap().secret_hash();
        // SHA-256 of 32 zero bytes.
        let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(hash.digest().to_string(), expected);
    }

    #[test]
    fn other_spellings_are_refused() {
        let good = format!("my_0123456789ab_{}", "c".repeat(64));
        assert!(PresentedKey::parse(&good).is_some());
        let cases = [
            String::new(),
            "my_".into(),
            "my__".into(),
            good.to_uppercase(),
            good.replace("my_", "mY_"),
            good.replace("ab_", "abc"),
            good.replace("01", "0g"),
            good.replace("ccc", "cCc"),
            format!("{good}c"),
            format!(" {good}"),
            format!("{good}\n"),
            good[..good.len() - 1].into(),
            format!("my_0123456789ab_{}é", "c".repeat(62)),
        ];
        for text in cases {
            assert!(PresentedKey::parse(&text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn nothing_prints_a_secret() {
        let (text, hash) = KeyText::random(KeyId::from_bits(7)).unwrap();
        let secret = text.reveal().rsplit('_').next().unwrap();
        let presented = PresentedKey::parse(text.reveal()).unwrap();
        let printed = format!("{text:?} {hash:?} {presented:?}");
        assert!(!printed.contains(secret), "{printed}");
        assert!(!printed.contains(&hash.digest().to_string()), "{printed}");
    }

    proptest! {
        #[test]
        fn ids_read_back(bits: u64) {
            let id = KeyId::from_bits(bits);
            prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(my_)?[0-9a-fé_]{0,90}") {
            let _ = PresentedKey::parse(&text);
        }
    }
}
