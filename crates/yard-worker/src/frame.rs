//! Messages on a stream of bytes: four bytes of length, least significant first, then the message.

use std::io::{self, Read, Write};

use bytes::{BufMut, Bytes};
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const HEADER: usize = 4;

/// Why no message came or went.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The stream ended before a message began.
    #[error("the other side closed the socket")]
    Closed,
    /// A message is larger than allowed.
    #[error("a message of {bytes} bytes is larger than the {limit} allowed")]
    TooLarge {
        /// How large it is or says it is.
        bytes: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// The bytes are no message.
    #[error("the message cannot be read")]
    Malformed(#[from] prost::DecodeError),
    /// The stream broke.
    #[error("the socket failed")]
    Io(#[from] io::Error),
}

/// A message with its length before it.
pub(crate) fn encode(message: &impl Message, limit: u64) -> Result<Vec<u8>, FrameError> {
    let length = message.encoded_len();
    let too_large = || FrameError::TooLarge { bytes: length as u64, limit };
    if length as u64 > limit {
        return Err(too_large());
    }
    let header = u32::try_from(length).map_err(|_| too_large())?.to_le_bytes();
    let mut frame = Vec::with_capacity(HEADER + length);
    frame.extend_from_slice(&header);
    message.encode_raw(&mut frame);
    Ok(frame)
}

/// How many bytes the message after this header has.
fn body_length(header: [u8; HEADER], limit: u64) -> Result<u64, FrameError> {
    let bytes = u64::from(u32::from_le_bytes(header));
    if bytes > limit { Err(FrameError::TooLarge { bytes, limit }) } else { Ok(bytes) }
}

fn finish<M: Message + Default>(body: Vec<u8>, expected: u64) -> Result<M, FrameError> {
    if body.len() as u64 != expected {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(M::decode(Bytes::from(body))?)
}

/// Writes one message.
pub(crate) fn write(stream: &mut impl Write, message: &impl Message, limit: u64) -> Result<(), FrameError> {
    stream.write_all(&encode(message, limit)?)?;
    Ok(stream.flush()?)
}

/// Reads one message of at most `limit` bytes.
pub(crate) fn read<M: Message + Default>(stream: &mut impl Read, limit: u64) -> Result<M, FrameError> {
    let mut header = [0; HEADER];
    let mut filled = 0;
    while filled < HEADER {
        match stream.read(&mut header[filled..]) {
            Ok(0) if filled == 0 => return Err(FrameError::Closed),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let expected = body_length(header, limit)?;
    // Grows with what comes, not with what was announced.
    let mut body = Vec::new();
    stream.take(expected).read_to_end(&mut body)?;
    finish(body, expected)
}

/// As [`write`], for the parent.
pub(crate) async fn write_async(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &[u8],
) -> Result<(), FrameError> {
    stream.write_all(frame).await?;
    Ok(stream.flush().await?)
}

/// As [`read`], for the parent: what has come of a message is kept here, so that a read that is given up loses nothing.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    header: Vec<u8>,
    body: Vec<u8>,
}

impl Incoming {
    /// Reads the next message of at most `limit` bytes, and no byte beyond it. May be dropped and called again.
    pub(crate) async fn next<M: Message + Default>(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        limit: u64,
    ) -> Result<M, FrameError> {
        while self.header.len() < HEADER {
            let room = HEADER - self.header.len();
            match stream.read_buf(&mut (&mut self.header).limit(room)).await? {
                0 if self.header.is_empty() => return Err(FrameError::Closed),
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                _ => {}
            }
        }
        let mut header = [0; HEADER];
        header.copy_from_slice(&self.header);
        let expected = body_length(header, limit)?;
        while (self.body.len() as u64) < expected {
            let room = usize::try_from(expected - self.body.len() as u64).unwrap_or(usize::MAX);
            // Grows with what comes, not with what was announced.
            if stream.read_buf(&mut (&mut self.body).limit(room)).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        self.header.clear();
        finish(std::mem::take(&mut self.body), expected)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::envelope::Request;

    fn request(kind: &str, payload: &[u8]) -> Request {
        Request { kind: kind.into(), payload: Bytes::copy_from_slice(payload) }
    }

    /// Reads in both ways, which must agree, and gives the message or the words of the error.
    fn read_both(mut bytes: &[u8], limit: u64) -> Result<Request, String> {
        let mut again = bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let first = read::<Request>(&mut bytes, limit).map_err(|error| error.to_string());
        let second = runtime.block_on(Incoming::default().next::<Request>(&mut again, limit));
        assert_eq!(first, second.map_err(|error| error.to_string()));
        assert_eq!(bytes, again, "both leave the same bytes");
        first
    }

    #[test]
    fn a_message_that_is_too_large_is_refused_before_it_is_read() {
        let frame = encode(&request("echo", &[7; 100]), 200).unwrap();
        let body = (frame.len() - HEADER) as u64;
        assert!(read_both(&frame, body).is_ok());
        assert!(read_both(&frame, body - 1).unwrap_err().contains("larger"));
        assert!(read_both(&[0xff; 4], 1 << 20).unwrap_err().contains("4294967295"));
        assert!(encode(&request("echo", &[7; 100]), body - 1).is_err());
    }

    #[test]
    fn an_end_between_messages_is_not_an_end_within_one() {
        assert_eq!(read_both(&[], 10), Err("the other side closed the socket".into()));
        for cut in [&[5][..], &[5, 0, 0], &[5, 0, 0, 0], &[5, 0, 0, 0, 1, 2]] {
            assert_eq!(read_both(cut, 10), Err("the socket failed".into()), "{cut:?}");
        }
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_loses_nothing() {
        let message = request("echo", &[7; 100]);
        let frame = encode(&message, 200).unwrap();
        for cut in 1..frame.len() {
            let (mut ours, mut theirs) = tokio::io::duplex(1_000);
            let mut incoming = Incoming::default();
            ours.write_all(&frame[..cut]).await.unwrap();
            let given_up = {
                let mut reading = std::pin::pin!(incoming.next::<Request>(&mut theirs, 200));
                std::future::poll_fn(|context| std::task::Poll::Ready(reading.as_mut().poll(context))).await
            };
            assert!(given_up.is_pending(), "cut at {cut}");
            ours.write_all(&frame[cut..]).await.unwrap();
            ours.write_all(&frame).await.unwrap();
            for _ in 0..2 {
                assert_eq!(
                    incoming.next::<Request>(&mut theirs, 200).await.unwrap(),
                    message,
                    "cut at {cut}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn messages_read_back_one_after_the_other(
            messages in prop::collection::vec(("[a-z]{0,8}", prop::collection::vec(any::<u8>(), 0..64)), 0..8),
        ) {
            let messages: Vec<Request> =
                messages.iter().map(|(kind, payload)| request(kind, payload)).collect();
            let mut stream = Vec::new();
            for message in &messages {
                write(&mut stream, message, 1_000).unwrap();
            }
            let mut rest = stream.as_slice();
            for message in &messages {
                prop_assert_eq!(&read::<Request>(&mut rest, 1_000).unwrap(), message);
            }
            prop_assert!(matches!(read::<Request>(&mut rest, 1_000), Err(FrameError::Closed)));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), length in 0..80_u8) {
            let _ = read_both(&bytes, 1_000);
            let framed = [&[length, 0, 0, 0], bytes.as_slice()].concat();
            let _ = read_both(&framed, 1_000);
        }
    }
}
