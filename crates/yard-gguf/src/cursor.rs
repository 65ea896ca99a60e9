//! Taking numbers and text off the front of bytes, never beyond their end.

use crate::GgufError;

/// A place in a file's head. Every step is checked before anything is taken or allocated.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    /// The file, as far as its head may reach.
    bytes: &'a [u8],
    position: usize,
    /// Whether the file goes on behind `bytes`.
    cut: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(file: &'a [u8], head_limit: usize) -> Self {
        let end = file.len().min(head_limit);
        Self { bytes: &file[..end], position: 0, cut: end < file.len() }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: u64, what: &'static str) -> Result<&'a [u8], GgufError> {
        let taken = usize::try_from(length).ok().and_then(|length| self.bytes[self.position..].get(..length));
        let Some(taken) = taken else {
            return Err(if self.cut {
                GgufError::HeadTooLong { limit: self.bytes.len() }
            } else {
                GgufError::Truncated { what, offset: self.position, needed: length, left: self.left() }
            });
        };
        self.position += taken.len();
        Ok(taken)
    }

    pub(crate) fn array<const LENGTH: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; LENGTH], GgufError> {
        let mut array = [0; LENGTH];
        array.copy_from_slice(self.take(LENGTH as u64, what)?);
        Ok(array)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of things that each take at least `least_bytes`, so that memory for as many may be asked for.
    pub(crate) fn count(
        &mut self,
        what: &'static str,
        least_bytes: usize,
        limit: usize,
    ) -> Result<usize, GgufError> {
        let declared = self.u64(what)?;
        let limit = limit.min(self.left() / least_bytes);
        match usize::try_from(declared) {
            Ok(count) if count <= limit => Ok(count),
            _ => Err(GgufError::TooMany { what, declared, limit: limit as u64 }),
        }
    }

    /// Text with its length before it: `u64` bytes, then UTF-8.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, GgufError> {
        let length = self.u64(what)?;
        self.text_of(length, what)
    }

    /// Text of between 1 and `limit` bytes.
    pub(crate) fn name(&mut self, what: &'static str, limit: u64) -> Result<&'a str, GgufError> {
        let length = self.u64(what)?;
        if length == 0 || length > limit {
            return Err(GgufError::NameLength { what, length, limit });
        }
        self.text_of(length, what)
    }

    fn text_of(&mut self, length: u64, what: &'static str) -> Result<&'a str, GgufError> {
        let offset = self.position;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map_err(|_| GgufError::NotText { what, offset })
    }
}
