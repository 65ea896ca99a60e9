//! Files on their way in: what they may still take, counted while they stream.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use crate::{ByteStream, UploadId};

/// What all transfers of one upload take together.
#[derive(Debug, Default, Clone, Copy)]
struct Taken {
    files: usize,
    bytes: u64,
}

/// All files that are on their way.
#[derive(Debug, Default, Clone)]
pub(super) struct Transfers {
    uploads: Arc<Mutex<HashMap<UploadId, Taken>>>,
}

/// One file that is on its way; dropping it gives back what it took.
#[derive(Debug)]
pub(super) struct Transfer {
    transfers: Transfers,
    upload: UploadId,
    bytes: u64,
}

/// Tells, after a stream has been read, whether it was cut off because the package grew too large.
#[derive(Debug, Clone, Default)]
pub(super) struct Overflow(Arc<AtomicBool>);

impl Overflow {
    pub(super) fn happened(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Transfers {
    /// How many files of this upload are on their way.
    pub(super) fn files(&self, upload: UploadId) -> usize {
        self.with(|uploads| uploads.get(&upload).map_or(0, |taken| taken.files))
    }

    pub(super) fn begin(&self, upload: UploadId) -> Transfer {
        self.with(|uploads| uploads.entry(upload).or_default().files += 1);
        Transfer { transfers: self.clone(), upload, bytes: 0 }
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<UploadId, Taken>) -> T) -> T {
        // Counts stay right even when a thread panicked: no change below can stop halfway.
        change(&mut self.uploads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transfer {
    /// Counts bytes as they pass. The stream breaks off when all transfers of the upload together take more than
    /// `room`.
    pub(super) fn meter(mut self, content: ByteStream, room: u64) -> (ByteStream, Overflow) {
        let overflow = Overflow::default();
        let tell = overflow.clone();
        let metered = content.map(move |piece| {
            let piece = piece?;
            if self.take(piece.len() as u64) > room {
                tell.0.store(true, Ordering::Release);
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the package grew too large"));
            }
            Ok(piece)
        });
        (Box::pin(metered), overflow)
    }

    fn take(&mut self, bytes: u64) -> u64 {
        self.bytes += bytes;
        self.transfers.with(|uploads| {
            let taken = uploads.entry(self.upload).or_default();
            taken.bytes += bytes;
            taken.bytes
        })
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.transfers.with(|uploads| {
            let Some(taken) = uploads.get_mut(&self.upload) else { return };
            taken.files -= 1;
            taken.bytes -= self.bytes;
            if taken.files == 0 {
                uploads.remove(&self.upload);
            }
        });
    }
}

/// Reads ahead until `length` bytes are there or the stream ends; gives those bytes, and the stream from its beginning.
pub(super) async fn peek(content: ByteStream, length: usize) -> Result<(Vec<u8>, ByteStream), io::Error> {
    // A stream that has ended need not bear to be asked again.
    let mut content = content.fuse();
    let mut head = Vec::new();
    let mut pieces: Vec<Result<Bytes, io::Error>> = Vec::new();
    while head.len() < length {
        let Some(piece) = content.next().await.transpose()? else { break };
        if piece.is_empty() {
            continue;
        }
        head.extend_from_slice(&piece[..piece.len().min(length - head.len())]);
        pieces.push(Ok(piece));
    }
    Ok((head, Box::pin(stream::iter(pieces).chain(content))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pieces: &[&'static str]) -> ByteStream {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        Box::pin(stream::iter(pieces))
    }

    async fn collect(mut content: ByteStream) -> Result<String, io::Error> {
        let mut text = Vec::new();
        while let Some(piece) = content.next().await {
            text.extend_from_slice(&piece?);
        }
        Ok(String::from_utf8(text).unwrap())
    }

    #[tokio::test]
    async fn peeking_loses_nothing() {
        for pieces in [&["a", "", "bc", "defg", "h"][..], &["ab"], &[], &["abcdefgh"]] {
            let whole = pieces.concat();
            let (head, rest) = peek(content(pieces), 4).await.unwrap();
            assert_eq!(head, whole.as_bytes()[..whole.len().min(4)]);
            assert_eq!(collect(rest).await.unwrap(), whole);
        }
    }

    #[tokio::test]
    async fn a_stream_that_has_ended_is_not_asked_again() {
        for pieces in [0_u8, 1, 9] {
            // `unfold` panics when it is polled after its end.
            let strict = stream::unfold(pieces, |left| async move {
                let left = left.checked_sub(1)?;
                Some((Ok(Bytes::from_static(b"x")), left))
            });
            let (_, rest) = peek(Box::pin(strict), 4).await.unwrap();
            assert_eq!(collect(rest).await.unwrap().len(), usize::from(pieces));
        }
    }

    #[tokio::test]
    async fn transfers_of_one_upload_share_its_room() {
        let transfers = Transfers::default();
        let (one, other) = (UploadId::from_bits(1), UploadId::from_bits(2));
        let (mut first, first_over) = transfers.begin(one).meter(content(&["aaaa"]), 6);
        assert_eq!(first.next().await.unwrap().unwrap().len(), 4);
        assert_eq!(transfers.files(one), 1);
        let (second, second_over) = transfers.begin(one).meter(content(&["bbb"]), 6);
        assert!(collect(second).await.is_err());
        assert!(second_over.happened() && !first_over.happened());
        let (elsewhere, _) = transfers.begin(other).meter(content(&["bbb"]), 6);
        assert_eq!(collect(elsewhere).await.unwrap(), "bbb");
        drop(first);
        let (third, _) = transfers.begin(one).meter(content(&["cccccc"]), 6);
        assert_eq!(collect(third).await.unwrap(), "cccccc", "what ended gave its room back");
        assert!(transfers.uploads.lock().unwrap().is_empty());
    }
}
