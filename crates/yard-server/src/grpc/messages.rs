//! The messages of a call as they come in, within the limits of the call.
//!
//! tonic would decode whatever comes, on the thread that talks to clients. So messages are put together, unpacked and
//! looked at here; a request to run a model is decoded here as well, and tonic sees an empty message in its place.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use prost::Message;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use yard_api::grpc::proto::ModelInferRequest;
use yard_types::ErrorCode;

use super::{
    caller::status,
    weight::{malformed, weigh},
};
use crate::{
    failure::Failure,
    heavy,
    http::{BodyBudget, BodyCharge, gunzip},
};

/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// What tonic gets in place of a message that was decoded here.
const EMPTY_MESSAGE: [u8; PREFIX] = [0; PREFIX];
/// Room made for a message before it comes, at most: a client may announce more than it sends.
const MAX_FIRST_ROOM: usize = 1 << 20;
/// The contents of a message may take so many times the largest message in memory.
const MOST_GROWTH: usize = 4;

/// What a call takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageLimits {
    /// Most bytes of a message, after decompression.
    pub(super) max_bytes: usize,
    /// One message, or a stream of them.
    pub(super) count: Count,
    /// Whether they are requests to run a model.
    pub(super) infer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// One, which is to come in within this time.
    One(Duration),
    Many,
}

/// A request to run a model.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) message: ModelInferRequest,
    /// About how many bytes there are to work on.
    pub(super) size: usize,
}

/// The requests to run a model that were decoded and not yet taken by the method that answers them.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox(Arc<Mutex<VecDeque<Received>>>);

/// What the messages of a call take of the memory for all requests, until the last of its owners is gone.
pub(super) type SharedCharge = Arc<Mutex<BodyCharge>>;

// === impl Inbox ===

impl Inbox {
    /// The oldest request.
    pub(super) fn take(&self) -> Result<Received, Failure> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        taken.ok_or_else(|| Failure::internal("a message was handed on without its content"))
    }

    fn put(&self, received: Received) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(received);
    }
}

/// The body that tonic reads in place of the one that came.
pub(super) fn checked(
    headers: &HeaderMap,
    body: Incoming,
    limits: MessageLimits,
    budget: &BodyBudget,
    inbox: Inbox,
) -> (Body, SharedCharge) {
    let charge = Arc::new(Mutex::new(budget.begin()));
    let gzip = headers.get("grpc-encoding").is_some_and(|value| value == "gzip");
    let end = match limits.count {
        Count::One(time) => Some(Instant::now() + time),
        Count::Many => None,
    };
    let reader = Reader {
        body,
        limits,
        gzip,
        end,
        budget: budget.clone(),
        charge: Arc::clone(&charge),
        inbox,
        unread: Bytes::new(),
        messages: 0,
    };
    let frames = stream::unfold(Some(reader), async |reader| {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(message)) => Some((Ok(Frame::data(message)), Some(reader))),
            Ok(None) => None,
            Err(failure) => Some((Err(status(&failure)), None)),
        }
    });
    (Body::new(StreamBody::new(frames)), charge)
}

struct Reader {
    body: Incoming,
    limits: MessageLimits,
    gzip: bool,
    end: Option<Instant>,
    budget: BodyBudget,
    charge: SharedCharge,
    inbox: Inbox,
    /// Bytes that came in behind the last message.
    unread: Bytes,
    messages: usize,
}

// === impl Reader ===

impl Reader {
    /// The next message, with its prefix.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let limits = self.limits;
        if limits.count == Count::Many {
            // What came before is with its method, of which only a few messages at a time are worked on.
            *self.charge.lock().unwrap_or_else(PoisonError::into_inner) = self.budget.begin();
        }
        let Some((compressed, length)) = self.prefix().await? else { return Ok(None) };
        self.messages += 1;
        if self.messages > 1 && limits.count != Count::Many {
            return Err(Failure::invalid("the call takes one message and was sent several"));
        }
        if length > limits.max_bytes {
            return Err(too_large(limits));
        }
        let mut message = self.take(length).await?;
        if compressed {
            let mut charge = self.budget.begin();
            // Nobody knows before how much work it is: little can become much.
            let work = move || (gunzip(&message, limits.max_bytes, &mut charge), charge);
            let (unpacked, charge) = heavy::run(usize::MAX, work).await?;
            message = unpacked.map_err(|failure| match failure.code() {
                ErrorCode::PayloadTooLarge => too_large(limits),
                _ => failure,
            })?;
            *self.charge.lock().unwrap_or_else(PoisonError::into_inner) = charge;
        }
        if limits.infer {
            self.decode(message).await?;
            return Ok(Some(Bytes::from_static(&EMPTY_MESSAGE)));
        }
        let mut framed = BytesMut::with_capacity(PREFIX + message.len());
        framed.extend_from_slice(&[0]);
        framed.extend_from_slice(&u32::try_from(message.len()).map_err(Failure::internal)?.to_be_bytes());
        framed.extend_from_slice(&message);
        Ok(Some(framed.freeze()))
    }

    /// Decodes a request to run a model, once it is known what it will take.
    async fn decode(&self, message: Bytes) -> Result<(), Failure> {
        let most = self.limits.max_bytes.saturating_mul(MOST_GROWTH);
        let charge = Arc::clone(&self.charge);
        let bytes = message.len();
        let work = move || {
            let elements = weigh(&message, most)?;
            charge.lock().unwrap_or_else(PoisonError::into_inner).grow(elements)?;
            let size = bytes.max(elements);
            let message = ModelInferRequest::decode(message).map_err(|_| malformed())?;
            Ok::<_, Failure>(Received { message, size })
        };
        self.inbox.put(heavy::run(bytes, work).await??);
        Ok(())
    }

    /// The next message's prefix; none at the end of the body.
    async fn prefix(&mut self) -> Result<Option<(bool, usize)>, Failure> {
        while self.unread.is_empty() {
            match self.more().await? {
                Some(data) => self.unread = data,
                None => return Ok(None),
            }
        }
        let mut prefix = self.take(PREFIX).await?;
        let compressed = match prefix.get_u8() {
            0 => false,
            1 if self.gzip => true,
            _ => {
                return Err(Failure::invalid(
                    "the message is not marked as plain or as compressed with gzip",
                ));
            }
        };
        let length = usize::try_from(prefix.get_u32()).map_err(Failure::internal)?;
        Ok(Some((compressed, length)))
    }

    /// So many bytes of the body; they are not copied where they came in one piece.
    async fn take(&mut self, length: usize) -> Result<Bytes, Failure> {
        if self.unread.len() >= length {
            return Ok(self.unread.split_to(length));
        }
        let mut joined = BytesMut::with_capacity(length.min(MAX_FIRST_ROOM));
        joined.extend_from_slice(&std::mem::take(&mut self.unread));
        while joined.len() < length {
            let Some(mut data) = self.more().await? else {
                return Err(Failure::invalid("the call ended within a message"));
            };
            joined.extend_from_slice(&data.split_to(data.len().min(length - joined.len())));
            self.unread = data;
        }
        Ok(joined.freeze())
    }

    /// The next piece of the body.
    async fn more(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = match self.end {
                Some(end) => timeout_at(end, self.body.frame()).await.map_err(|_| {
                    Failure::new(ErrorCode::DeadlineExceeded, "the message of the call came too slowly")
                })?,
                None => self.body.frame().await,
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|_| Failure::new(ErrorCode::Cancelled, "the call broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            if !data.is_empty() {
                self.charge.lock().unwrap_or_else(PoisonError::into_inner).grow(data.len())?;
                return Ok(Some(data));
            }
        }
    }
}

fn too_large(limits: MessageLimits) -> Failure {
    let message = format!("the message is larger than the {} bytes allowed", limits.max_bytes);
    Failure::new(ErrorCode::PayloadTooLarge, message)
}
