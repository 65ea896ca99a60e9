//! As much of ZIP as NPZ files need: finding an entry and unfolding it, within bounds.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::DeflateDecoder;
use fs_err::File;

use crate::bytes::{self, Bytes, Rationed};
use crate::error::DataError;

const FORMAT: &str = "npz";
const END: u32 = 0x0605_4b50;
const END_LENGTH: usize = 22;
const LONG_END_LOCATOR: u32 = 0x0706_4b50;
const LONG_END: u32 = 0x0606_4b50;
const ENTRY: u32 = 0x0201_4b50;
const ENTRY_LENGTH: usize = 46;
const LOCAL: u32 = 0x0403_4b50;
const LOCAL_LENGTH: usize = 30;
const MOST_COMMENT: usize = u16::MAX as usize;
const MOST_DIRECTORY: u64 = 4 << 20;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Stands where a number needs 64 bits and is told elsewhere.
const ELSEWHERE: u64 = u32::MAX as u64;

/// A file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    method: u16,
    folded_bytes: u64,
    offset: u64,
}

/// Lists what is in the archive.
pub(super) fn entries(path: &Path, shown: &str) -> Result<Vec<Entry>, DataError> {
    let mut file = File::open(path).map_err(|error| DataError::read(shown, error))?;
    let directory = directory(&mut file).map_err(|error| bytes::failure(shown, FORMAT, error))?;
    parse(&directory).ok_or_else(|| DataError::malformed(shown, FORMAT, "its list of files is broken"))
}

/// The content of an entry, unfolded up to the limit.
pub(super) fn content(path: &Path, shown: &str, entry: &Entry, limit: u64) -> Result<Bytes, DataError> {
    let failed = |error| bytes::failure(shown, FORMAT, error);
    let mut file = File::open(path).map_err(|error| DataError::read(shown, error))?;
    let mut local = [0; LOCAL_LENGTH];
    file.seek(SeekFrom::Start(entry.offset)).map_err(failed)?;
    file.read_exact(&mut local).map_err(failed)?;
    if u32_at(&local, 0) != Some(LOCAL) {
        return Err(DataError::malformed(
            shown,
            FORMAT,
            format!("`{}` is not where it should be", entry.name),
        ));
    }
    let skipped = u16_at(&local, 26).unwrap_or(0) + u16_at(&local, 28).unwrap_or(0);
    file.seek(SeekFrom::Current(skipped as i64)).map_err(failed)?;
    let folded = BufReader::new(file).take(entry.folded_bytes);
    match entry.method {
        STORED => Ok(Box::new(folded)),
        DEFLATED => Ok(Box::new(BufReader::new(Rationed::new(DeflateDecoder::new(folded), limit).0))),
        method => {
            let what = format!("compression method {method} of `{}`", entry.name);
            Err(DataError::Unsupported { file: shown.to_owned(), what })
        }
    }
}

fn directory(file: &mut File) -> io::Result<Vec<u8>> {
    let broken = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem);
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub((END_LENGTH + MOST_COMMENT) as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.by_ref().take((END_LENGTH + MOST_COMMENT) as u64).read_to_end(&mut tail)?;
    let end = (0..=tail.len().saturating_sub(END_LENGTH))
        .rev()
        .find(|at| u32_at(&tail, *at) == Some(END))
        .ok_or_else(|| broken("it has no end record"))?;
    let number =
        |at| u32_at(&tail, end + at).map(u64::from).ok_or_else(|| broken("its end record is cut off"));
    let (mut size, mut offset) = (number(12)?, number(16)?);
    if size == ELSEWHERE || offset == ELSEWHERE {
        let locator = end.checked_sub(20).filter(|at| u32_at(&tail, *at) == Some(LONG_END_LOCATOR));
        let record = locator.and_then(|at| u64_at(&tail, at + 8));
        let record = record.ok_or_else(|| broken("its 64-bit end record is missing"))?;
        let mut long = [0; 56];
        file.seek(SeekFrom::Start(record))?;
        file.read_exact(&mut long)?;
        if u32_at(&long, 0) != Some(LONG_END) {
            return Err(broken("its 64-bit end record is broken"));
        }
        size = u64_at(&long, 40).unwrap_or(0);
        offset = u64_at(&long, 48).unwrap_or(0);
    }
    if size > MOST_DIRECTORY || offset > length {
        return Err(broken("its list of files is too long or not there"));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut directory = Vec::new();
    file.by_ref().take(size).read_to_end(&mut directory)?;
    Ok(directory)
}

fn parse(directory: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut rest = directory;
    while !rest.is_empty() {
        if u32_at(rest, 0)? != ENTRY {
            return None;
        }
        let encrypted = u16_at(rest, 8)? & 1 == 1;
        let name_end = ENTRY_LENGTH + u16_at(rest, 28)?;
        let extra_end = name_end + u16_at(rest, 30)?;
        let next = extra_end + u16_at(rest, 32)?;
        let name = String::from_utf8_lossy(rest.get(ENTRY_LENGTH..name_end)?).into_owned();
        let unfolded = u64::from(u32_at(rest, 24)?);
        let mut folded_bytes = u64::from(u32_at(rest, 20)?);
        let mut offset = u64::from(u32_at(rest, 42)?);
        // The long forms stand in this order, each only where the short form is full.
        let mut long = long_numbers(rest.get(name_end..extra_end)?);
        if unfolded == ELSEWHERE {
            long.next()?;
        }
        if folded_bytes == ELSEWHERE {
            folded_bytes = long.next()?;
        }
        if offset == ELSEWHERE {
            offset = long.next()?;
        }
        // No method has this number, so that an encrypted entry is refused when it is asked for.
        let method = if encrypted { u16::MAX } else { u16::try_from(u16_at(rest, 10)?).ok()? };
        entries.push(Entry { name, method, folded_bytes, offset });
        rest = rest.get(next..)?;
    }
    Some(entries)
}

/// The 64-bit numbers in the extra field that is for them.
fn long_numbers(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut numbers = Vec::new();
    while let (Some(kind), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let content = extra.get(4..4 + length).unwrap_or_default();
        if kind == 1 {
            numbers = content.chunks_exact(8).filter_map(|bytes| u64_at(bytes, 0)).collect();
        }
        extra = extra.get(4 + length..).unwrap_or_default();
    }
    numbers.into_iter()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
