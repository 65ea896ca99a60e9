//! A call whose worker says what happens before it answers.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use super::{boxed_timeout, encode};
use crate::{
    Request, Response, Worker, WorkerError,
    envelope::{self, from_child, to_child},
};

/// How long a worker may take to read a request or a wish that fills its socket.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// A call that is under way, and its worker, which is killed when this is dropped.
#[derive(Debug)]
pub struct Stream {
    worker: Worker,
    call: u64,
    ended: bool,
}

/// What a worker says while it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Something happened; more will come.
    Event(Event),
    /// The answer. Nothing comes after it.
    Answer(Response),
}

/// Something that happened on the way to the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    payload: Bytes,
}

impl Event {
    pub(super) const fn new(payload: Bytes) -> Self {
        Self { payload }
    }

    /// The bytes it carries.
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The message it carries.
    pub fn decode<M: Message + Default>(&self) -> Result<M, WorkerError> {
        M::decode(self.payload.clone()).map_err(|error| WorkerError::Protocol {
            what: "its event cannot be read",
            source: Some(Box::new(error)),
        })
    }
}

impl Worker {
    /// Asks the worker; [`Stream::next`] gives what it says until it answers.
    ///
    /// Nothing is read ahead: a worker that says more than is asked for waits once its socket is full.
    pub async fn stream(mut self, request: Request) -> Result<Stream, WorkerError> {
        let frame = self.next_call(request).await?;
        match boxed_timeout(SEND_LIMIT, self.send(&frame)).await {
            Some(sent) => sent?,
            None => return Err(self.timed_out(SEND_LIMIT).await),
        }
        let call = self.calls;
        Ok(Stream { worker: self, call, ended: false })
    }
}

impl Stream {
    /// Waits for the next event or the answer, for as long as it takes. May be dropped and called again, as in a `select!`.
    ///
    /// After an error, as after those of [`Worker::call`], the worker is gone or has ended this call.
    pub async fn next(&mut self) -> Result<Said, WorkerError> {
        if self.ended {
            return Err(WorkerError::Gone);
        }
        let received = self.worker.receive(self.call).await;
        self.ended = !matches!(received, Ok(from_child::Body::Event(_)));
        match received? {
            from_child::Body::Event(event) => Ok(Said::Event(Event { payload: event.payload })),
            from_child::Body::Response(response) => Ok(Said::Answer(Response::from_bytes(response.payload))),
            from_child::Body::Failure(failure) => Err(self.worker.failed(failure).await),
            from_child::Body::Ready(_) => Err(self.worker.broke_protocol("it was ready twice", None).await),
        }
    }

    /// Tells the worker the wish that it ends this call early. It still answers, in its own time: who cannot wait
    /// kills it.
    pub async fn ask_to_stop(&mut self) -> Result<(), WorkerError> {
        if self.ended {
            return Ok(());
        }
        let frame = encode(self.call, to_child::Body::Stop(envelope::Stop {}), envelope::MAX_SETUP_BYTES)?;
        match boxed_timeout(SEND_LIMIT, self.worker.send(&frame)).await {
            Some(sent) => sent,
            None => Err(self.worker.timed_out(SEND_LIMIT).await),
        }
    }

    /// Kills the worker and waits until it is gone. Does nothing when it is gone already.
    pub async fn kill(&mut self) {
        self.ended = true;
        self.worker.in_step = false;
        self.worker.kill().await;
    }

    /// The worker, of which to learn more.
    pub const fn worker(&self) -> &Worker {
        &self.worker
    }

    /// The worker again. Before its answer came it takes no further calls.
    pub fn into_worker(self) -> Worker {
        self.worker
    }
}
