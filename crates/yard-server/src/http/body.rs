//! Reading the body of a request within limits of size and time.

use std::{io::Read, time::Duration};

use bytes::{Bytes, BytesMut};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use futures_util::StreamExt;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING},
};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};
use yard_registry::ByteStream;
use yard_types::ErrorCode;

use super::budget::BodyCharge;
use crate::{failure::Failure, heavy, options::HttpLimits};

/// Room made for a body before it comes, at most: a client may announce more than it sends.
const MAX_FIRST_ROOM: usize = 1 << 20;

/// Bytes unpacked before the limits are looked at again.
const STEP: u64 = 256 << 10;

/// How much of a body is taken, and how long that may last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) max_bytes: usize,
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
}

impl BodyLimits {
    pub(crate) const fn of(limits: &HttpLimits) -> Self {
        Self { max_bytes: limits.max_body_bytes, idle: limits.body_idle_timeout, total: limits.body_timeout }
    }

    pub(crate) fn at_most(self, max_bytes: usize) -> Self {
        Self { max_bytes: self.max_bytes.min(max_bytes), ..self }
    }

    fn too_large(self) -> Failure {
        let message = format!("the request body is larger than the {} bytes allowed", self.max_bytes);
        Failure::new(ErrorCode::PayloadTooLarge, message).closing()
    }
}

/// Reads a whole body and undoes its compression. The limit counts the bytes after that.
pub(crate) async fn read_body<B>(
    headers: &HeaderMap,
    body: B,
    limits: BodyLimits,
    charge: &mut BodyCharge,
) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let encoding = content_encoding(headers).map_err(Failure::closing)?;
    let bytes = collect(body, limits, charge).await?;
    let Some(encoding) = encoding else { return Ok(bytes) };
    let mut unpacked_charge = charge.another();
    // Nobody knows before how much work it is: little can become much.
    let work = move || {
        decompress(encoding, &bytes, limits, &mut unpacked_charge).map(|bytes| (bytes, unpacked_charge))
    };
    let (bytes, unpacked_charge) = heavy::run(usize::MAX, work).await??;
    *charge = unpacked_charge;
    Ok(bytes)
}

async fn collect<B>(mut body: B, limits: BodyLimits, charge: &mut BodyCharge) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let expected = body.size_hint();
    if expected.lower() > limits.max_bytes as u64 {
        return Err(limits.too_large());
    }
    let end = Instant::now() + limits.total;
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(data) = next_data(&mut body, limits.idle, end).await? {
        if first.len() + joined.len() + data.len() > limits.max_bytes {
            return Err(limits.too_large());
        }
        charge.grow(data.len())?;
        if joined.is_empty() && first.is_empty() {
            // A body that comes in one piece, as nearly all do, is not copied.
            first = data;
            if body.is_end_stream() {
                break;
            }
            continue;
        }
        if joined.is_empty() {
            let room = usize::try_from(expected.lower()).unwrap_or(usize::MAX).min(MAX_FIRST_ROOM);
            joined.reserve(room.max(first.len() + data.len()));
            joined.extend_from_slice(&first);
            first = Bytes::new();
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// Reads a body and forgets it; says whether it ended within the limits.
pub(crate) async fn discard<B>(body: &mut B, limits: BodyLimits) -> bool
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let end = Instant::now() + limits.total;
    let mut left = limits.max_bytes as u64;
    if body.size_hint().lower() > left {
        return false;
    }
    loop {
        match next_data(body, limits.idle, end).await {
            Ok(None) => return true,
            Ok(Some(data)) if data.len() as u64 <= left => left -= data.len() as u64,
            _ => return false,
        }
    }
}

/// The next piece of a body that is not empty.
async fn next_data<B>(body: &mut B, idle: Duration, end: Instant) -> Result<Option<Bytes>, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    loop {
        let patience = idle.min(end.saturating_duration_since(Instant::now()));
        let frame = match timeout(patience, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => {
                return Err(Failure::new(ErrorCode::InvalidArgument, "the request body broke off").closing());
            }
            Err(_) => {
                let message = "the request body came too slowly";
                return Err(Failure::new(ErrorCode::DeadlineExceeded, message).closing());
            }
        };
        match frame.into_data().map_err(Frame::into_trailers) {
            Ok(data) if !data.is_empty() => return Ok(Some(data)),
            _ => {}
        }
    }
}

/// The body as the registry takes files: a stream that fails when the client is too slow or leaves.
pub(crate) fn stream_body<B>(body: B, idle: Duration) -> ByteStream
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let pieces = futures_util::stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        let end = Instant::now() + idle;
        match next_data(&mut body, idle, end).await {
            Ok(Some(data)) => Some((Ok(data), Some(body))),
            Ok(None) => None,
            Err(failure) => {
                let kind = match failure.code() {
                    ErrorCode::DeadlineExceeded => std::io::ErrorKind::TimedOut,
                    _ => std::io::ErrorKind::ConnectionAborted,
                };
                Some((Err(std::io::Error::new(kind, failure.message().to_owned())), None))
            }
        }
    });
    // Readers may ask once more after the end.
    Box::pin(pieces.fuse())
}

fn content_encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Failure> {
    // Over HTTP/1 the transfer encoding is taken off before; all but `chunked` is left on.
    if headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err(Failure::invalid("no transfer encoding but 'chunked' is known: use 'content-encoding'"));
    }
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Failure::invalid("the request has several content encodings: use one"));
    }
    match value.as_bytes().to_ascii_lowercase().as_slice() {
        b"identity" | b"" => Ok(None),
        b"gzip" | b"x-gzip" => Ok(Some(Encoding::Gzip)),
        b"deflate" => Ok(Some(Encoding::Deflate)),
        _ => Err(Failure::invalid(
            "the content encoding of the request is not known: use gzip, deflate or identity",
        )),
    }
}

/// Unpacks what is not a whole body; at most so many bytes.
pub(crate) fn gunzip(bytes: &[u8], max_bytes: usize, charge: &mut BodyCharge) -> Result<Bytes, Failure> {
    let limits = BodyLimits { max_bytes, idle: Duration::ZERO, total: Duration::ZERO };
    decompress(Encoding::Gzip, bytes, limits, charge)
}

fn decompress(
    encoding: Encoding,
    bytes: &[u8],
    limits: BodyLimits,
    charge: &mut BodyCharge,
) -> Result<Bytes, Failure> {
    match encoding {
        Encoding::Gzip => read_within(MultiGzDecoder::new(bytes), limits, charge),
        Encoding::Deflate => read_within(ZlibDecoder::new(bytes), limits, charge),
    }
}

fn read_within(
    mut decoder: impl Read,
    limits: BodyLimits,
    charge: &mut BodyCharge,
) -> Result<Bytes, Failure> {
    let mut plain = Vec::new();
    loop {
        let before = plain.len();
        let outcome = decoder.by_ref().take(STEP).read_to_end(&mut plain);
        let read = plain.len() - before;
        if plain.len() > limits.max_bytes {
            return Err(limits.too_large());
        }
        charge.grow(read)?;
        match outcome {
            Ok(0) => return Ok(plain.into()),
            Ok(_) => {}
            Err(_) => {
                let message = "the request body is not the compressed data that its content encoding says";
                return Err(Failure::invalid(message));
            }
        }
    }
}

/// Whether the body is declared as JSON.
pub(crate) fn declares_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 17
            && essence.get(..12).is_some_and(|start| start.eq_ignore_ascii_case("application/"))
            && essence.to_ascii_lowercase().ends_with("+json"))
}

#[cfg(test)]
mod tests;
