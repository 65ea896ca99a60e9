//! A file as lines, read piece by piece.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::ByteStream;

/// Why the lines of a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinesError {
    /// A line is longer than allowed.
    #[error("line {line} has more than {most} bytes")]
    TooLong { line: u32, most: usize },
    /// Reading failed.
    #[error("the file could not be read on")]
    Read(#[source] io::Error),
}

/// A line that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawLine {
    /// Counted from 1, blank lines included.
    pub(crate) number: u32,
    pub(crate) bytes: Bytes,
}

/// The lines of a file.
pub(crate) struct Lines {
    content: ByteStream,
    buffer: BytesMut,
    /// So many bytes of the buffer are known to end no line.
    searched: usize,
    /// The last line that was given.
    number: u32,
    has_ended: bool,
    most: usize,
}

impl Lines {
    /// Lines of at most so many bytes each.
    pub(crate) fn new(content: ByteStream, most: usize) -> Self {
        Self { content, buffer: BytesMut::new(), searched: 0, number: 0, has_ended: false, most }
    }

    /// The next line that is not blank.
    pub(crate) async fn next(&mut self) -> Result<Option<RawLine>, LinesError> {
        loop {
            let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            let length = match end {
                Some(place) => self.searched + place,
                None if self.has_ended && self.buffer.is_empty() => return Ok(None),
                None if self.has_ended => self.buffer.len(),
                None => {
                    self.searched = self.buffer.len();
                    self.check(self.searched)?;
                    match self.content.next().await {
                        Some(piece) => self.buffer.extend_from_slice(&piece.map_err(LinesError::Read)?),
                        None => self.has_ended = true,
                    }
                    continue;
                }
            };
            self.check(length)?;
            let line = self.buffer.split_to(length);
            if end.is_some() {
                // The end of the line itself.
                let _ = self.buffer.split_to(1);
            }
            self.searched = 0;
            self.number = self.number.saturating_add(1);
            let text = line.trim_ascii();
            if !text.is_empty() {
                // A copy: a line that waits must not keep all that came with it in memory.
                return Ok(Some(RawLine { number: self.number, bytes: Bytes::copy_from_slice(text) }));
            }
        }
    }

    fn check(&self, length: usize) -> Result<(), LinesError> {
        if length > self.most {
            return Err(LinesError::TooLong { line: self.number.saturating_add(1), most: self.most });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    async fn read(pieces: Vec<Vec<u8>>, most: usize) -> Result<Vec<(u32, String)>, LinesError> {
        let pieces = pieces.into_iter().map(|piece| Ok::<_, io::Error>(Bytes::from(piece)));
        let mut lines = Lines::new(Box::pin(stream::iter(pieces)), most);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await? {
            all.push((line.number, String::from_utf8_lossy(&line.bytes).into_owned()));
        }
        Ok(all)
    }

    #[tokio::test]
    async fn lines_keep_their_numbers_and_blank_ones_are_passed_over() {
        let text = b"one\n\n  \r\ntwo\r\nthree".to_vec();
        let expected = [(1, "one".to_owned()), (4, "two".to_owned()), (5, "three".to_owned())];
        assert_eq!(read(vec![text], 10).await.unwrap(), expected);
        assert!(read(vec![], 10).await.unwrap().is_empty());
        assert!(read(vec![b"\n".to_vec()], 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_named() {
        let refused = read(vec![b"short\n".to_vec(), vec![b'x'; 11]], 10).await.unwrap_err();
        assert!(matches!(refused, LinesError::TooLong { line: 2, most: 10 }), "{refused}");
        let refused = read(vec![b"12345678901\n".to_vec()], 10).await.unwrap_err();
        assert!(matches!(refused, LinesError::TooLong { line: 1, most: 10 }), "{refused}");
        assert_eq!(read(vec![b"1234567890\n".to_vec()], 10).await.unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn however_a_file_is_cut_its_lines_are_the_same(
            lines in prop::collection::vec("[a-c ]{0,5}", 0..8),
            cuts in prop::collection::vec(1_usize..7, 1..20),
        ) {
            let text = lines.join("\n").into_bytes();
            let mut pieces = Vec::new();
            let mut rest = &text[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, others) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece.to_vec());
                rest = others;
            }
            let expected: Vec<(u32, String)> = lines
                .iter()
                .zip(1..)
                .filter(|(line, _)| !line.trim().is_empty())
                .map(|(line, number)| (number, line.trim().to_owned()))
                .collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            prop_assert_eq!(runtime.block_on(read(pieces, 100)).unwrap(), expected);
        }
    }
}
