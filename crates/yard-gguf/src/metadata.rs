//! Typed metadata: keys and values in the order of the file.

use crate::error::shown;

mod access;
mod read;
mod value;
mod write;

pub use access::{FromValue, MetadataError, Mismatch};
pub(crate) use read::LEAST_BYTES;
pub use value::{Array, Strings, Value, ValueType};
pub(crate) use write::put_text;

/// The longest key, in bytes.
const KEY_LIMIT: u64 = u16::MAX as u64;
/// An array, an array of arrays, and so on. Published files have 1; reading recurses as deep.
const DEPTH_LIMIT: u32 = 4;

/// A file's metadata: keys and values, in the order of the file.
///
/// In a file an entry is the key (`u64` length, UTF-8), the value's type (`u32`, see [`ValueType`]), and the value:
/// numbers little endian; a truth value as one byte, 0 or 1; text as a `u64` length and UTF-8; an array as the type of
/// its items (`u32`), how many (`u64`), and the items without types.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    /// The places of the entries, sorted by key.
    sorted: Vec<u32>,
}

impl Metadata {
    /// No entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let place = self.place(key).ok()?;
        Some(&self.entries[self.sorted[place] as usize].1)
    }

    /// Every key with its value, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets the value of `key`: in its old place, or behind all others.
    ///
    /// # Errors
    ///
    /// The key is empty or longer than 65,535 bytes, the value is arrays more than four deep, or there are `u32::MAX`
    /// keys.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<(), MetadataError> {
        let value = value.into();
        if key.is_empty() || key.len() as u64 > KEY_LIMIT {
            return Err(MetadataError::Key { key: shown(key), length: key.len() });
        }
        if let Value::Array(array) = &value
            && !array.is_within(DEPTH_LIMIT)
        {
            return Err(MetadataError::TooDeep { key: shown(key) });
        }
        match self.place(key) {
            Ok(place) => self.entries[self.sorted[place] as usize].1 = value,
            Err(place) => {
                let index = u32::try_from(self.entries.len()).map_err(|_| MetadataError::Full)?;
                self.entries.push((key.to_owned(), value));
                self.sorted.insert(place, index);
            }
        }
        Ok(())
    }

    /// Where `key` is in `sorted`, or would be.
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.sorted.binary_search_by(|index| self.entries[*index as usize].0.as_str().cmp(key))
    }
}
