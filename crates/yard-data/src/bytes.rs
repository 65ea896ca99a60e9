//! Bytes of a file, unfolded where gzip folded them, in rations.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use fs_err::File;

use crate::error::DataError;

/// A stream of bytes, whatever it comes from.
pub(crate) type Bytes = Box<dyn Read + Send + Sync>;

const BUFFER: usize = 128 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens a file; what gzip compressed is unfolded up to the limit.
pub(crate) fn open(path: &Path, shown: &str, unfolded_limit: u64) -> Result<Bytes, DataError> {
    let file = File::open(path).map_err(|error| DataError::read(shown, error))?;
    if file.metadata().map_err(|error| DataError::read(shown, error))?.is_dir() {
        return Err(DataError::Unsupported {
            file: shown.to_owned(),
            what: "a folder as this format".to_owned(),
        });
    }
    unfold(Box::new(file), unfolded_limit).map_err(|error| failure(shown, "gzip", error))
}

/// The bytes themselves, or what gzip made them from.
pub(crate) fn unfold(mut bytes: Bytes, unfolded_limit: u64) -> io::Result<Bytes> {
    let mut start = Vec::new();
    bytes.by_ref().take(2).read_to_end(&mut start)?;
    let folded = start == GZIP;
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(start).chain(bytes));
    if !folded {
        return Ok(Box::new(whole));
    }
    let (rationed, _) = Rationed::new(MultiGzDecoder::new(whole), unfolded_limit);
    Ok(Box::new(BufReader::with_capacity(BUFFER, rationed)))
}

/// What a failed read means: broken content, a passed ration, or the system.
pub(crate) fn failure(shown: &str, format: &'static str, error: io::Error) -> DataError {
    if let Some(RationGone { limit }) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        let what = "the unfolded content or a row of it".to_owned();
        return DataError::TooLarge { file: shown.to_owned(), what, found: limit + 1, limit: *limit };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            DataError::malformed(shown, format, "it ends too early (is it cut off?)")
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            DataError::malformed(shown, format, error.to_string())
        }
        _ => DataError::read(shown, error),
    }
}

/// Gives no more bytes than its ration, which the holder of the handle can fill up again.
pub(crate) struct Rationed<R> {
    inner: R,
    ration: Ration,
}

/// How many bytes may still be read.
#[derive(Debug, Clone)]
pub(crate) struct Ration {
    left: Arc<AtomicU64>,
    full: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("more than {limit} bytes")]
pub(crate) struct RationGone {
    pub(crate) limit: u64,
}

impl Ration {
    pub(crate) fn refill(&self) {
        self.left.store(self.full, Ordering::Relaxed);
    }
}

impl<R> Rationed<R> {
    pub(crate) fn new(inner: R, full: u64) -> (Self, Ration) {
        let ration = Ration { left: Arc::new(AtomicU64::new(full)), full };
        (Self { inner, ration: ration.clone() }, ration)
    }
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.ration.left.load(Ordering::Relaxed);
        // One byte more than the ration is asked for: what ends exactly there is whole.
        let most = usize::try_from(left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        if read as u64 > left {
            return Err(io::Error::other(RationGone { limit: self.ration.full }));
        }
        self.ration.left.store(left - read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn folded(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>, limit: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        unfold(Box::new(io::Cursor::new(bytes)), limit)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn gzip_is_unfolded_and_other_bytes_are_left_alone() {
        assert_eq!(read(folded(b"some text"), 100).unwrap(), b"some text");
        assert_eq!(read(b"some text".to_vec(), 0).unwrap(), b"some text");
        assert_eq!(read(b"s".to_vec(), 0).unwrap(), b"s");
    }

    #[test]
    fn a_bomb_ends_at_the_limit_and_not_a_byte_before() {
        let bomb = folded(&vec![0; 1 << 20]);
        assert_eq!(read(bomb.clone(), 1 << 20).unwrap().len(), 1 << 20);
        let error = failure("bomb", "gzip", read(bomb, (1 << 20) - 1).unwrap_err());
        assert!(matches!(error, DataError::TooLarge { limit: 1_048_575, .. }), "{error}");
    }

    #[test]
    fn a_gzip_file_that_is_cut_off_is_said_to_be() {
        let mut cut = folded(&[7; 5000]);
        cut.truncate(cut.len() - 6);
        let error = failure("cut", "gzip", read(cut, 10_000).unwrap_err());
        assert_eq!(error.to_string(), "cut is not a valid gzip file: it ends too early (is it cut off?)");
    }
}
