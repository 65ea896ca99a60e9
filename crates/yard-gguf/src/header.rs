//! The first 24 bytes: the letters `GGUF`; the version, `u32`; how many tensors, `u64`; how many metadata entries,
//! `u64`. All little endian.

use crate::GgufError;
use crate::cursor::Cursor;
use crate::limits::ReadLimits;
use crate::{metadata, tensors};

pub(crate) const MAGIC: [u8; 4] = *b"GGUF";
/// What is written. Version 3 differs from 2 only in that it may be big endian.
pub(crate) const VERSION: u32 = 3;

const VERSIONS: std::ops::RangeInclusive<u32> = 2..=VERSION;

#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) tensors: usize,
    pub(crate) entries: usize,
}

impl Header {
    pub(crate) fn read(cursor: &mut Cursor<'_>, limits: &ReadLimits) -> Result<Self, GgufError> {
        if cursor.array("the letters GGUF")? != MAGIC {
            return Err(GgufError::NotGguf);
        }
        let version = cursor.u32("the version")?;
        if VERSIONS.contains(&version.swap_bytes()) {
            return Err(GgufError::BigEndian);
        }
        if !VERSIONS.contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensors = cursor.count("tensors", tensors::LEAST_BYTES, limits.tensors)?;
        let entries = cursor.count("metadata entries", metadata::LEAST_BYTES, limits.entries)?;
        Ok(Self { version, tensors, entries })
    }
}
