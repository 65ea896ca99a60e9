//! The child's side for work that has many calls at once: one thread reads, one writes, and the work goes on between.

use std::{
    any::Any,
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use bytes::Bytes;
use prost::Message;

use super::{
    CallerGone, ServeError, confined_socket, failure,
    outbox::{Outbox, ParentGone},
    panic_text, socket_failed,
};
use crate::{
    BadRequest, Request, Response,
    envelope::{self, FailureKind, FromChild, ToChild, from_child, to_child},
    frame::{self, FrameError},
};

/// Messages that may wait for the work; after that the parent waits.
const MOST_WAITING_MESSAGES: usize = 16;

/// Names a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

/// What comes from the parent.
#[derive(Debug)]
pub enum Incoming {
    /// A call begins. It wants an answer, in any order with others.
    Call(Call, Request),
    /// The parent wishes that a call ends early, with an answer. That may have left already.
    Stop(CallId),
}

/// Where what the parent sends arrives.
#[derive(Debug)]
pub struct Inbox {
    incoming: mpsc::Receiver<Incoming>,
}

/// The parent closed the socket: nobody waits for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the parent closed the socket")]
pub struct Closed;

impl Inbox {
    /// Waits for what comes next.
    pub fn wait(&self) -> Result<Incoming, Closed> {
        self.incoming.recv().map_err(|_| Closed)
    }

    /// Waits for what comes next, for at most this long.
    pub fn wait_for(&self, limit: Duration) -> Result<Option<Incoming>, Closed> {
        match self.incoming.recv_timeout(limit) {
            Ok(incoming) => Ok(Some(incoming)),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Closed),
        }
    }

    /// What came, if something did.
    pub fn take(&self) -> Result<Option<Incoming>, Closed> {
        match self.incoming.try_recv() {
            Ok(incoming) => Ok(Some(incoming)),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(Closed),
        }
    }
}

/// A call that wants an answer. One that is dropped without is answered with a failure.
#[derive(Debug)]
pub struct Call {
    id: CallId,
    limit: u64,
    outbox: Arc<Outbox>,
    is_answered: bool,
}

impl Call {
    /// Its name, as in [`Incoming::Stop`].
    #[must_use]
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// Tells what happened on the way to the answer. Waits while the parent is behind, with all calls together, by a
    /// mebibyte.
    pub fn tell(&self, event: &impl Message) -> Result<(), CallerGone> {
        self.tell_bytes(event.encode_to_vec())
    }

    /// As [`Call::tell`], with bytes.
    pub fn tell_bytes(&self, event: impl Into<Bytes>) -> Result<(), CallerGone> {
        self.send(from_child::Body::Event(envelope::Event { payload: event.into() }))
    }

    /// Answers, and ends the call.
    pub fn answer(self, response: Response) -> Result<(), CallerGone> {
        self.end(from_child::Body::Response(envelope::Response { payload: response.into_payload() }))
    }

    /// Says that the request cannot be understood, and ends the call.
    pub fn refuse(self, BadRequest(message): BadRequest) -> Result<(), CallerGone> {
        self.end(failure(FailureKind::BadRequest, message))
    }

    fn end(mut self, body: from_child::Body) -> Result<(), CallerGone> {
        self.is_answered = true;
        match self.send(body) {
            Err(CallerGone::TooLarge { bytes, .. }) => {
                self.send(failure(FailureKind::TooLarge, format!("the answer has {bytes} bytes")))
            }
            sent => sent,
        }
    }

    fn send(&self, body: from_child::Body) -> Result<(), CallerGone> {
        send(&self.outbox, self.id.0, body, self.limit)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // The end of all calls is told by the panic itself.
        if !self.is_answered && !thread::panicking() {
            // Without a parent there is nobody to tell.
            let _ = self.send(failure(FailureKind::BadRequest, "the call was dropped".to_owned()));
        }
    }
}

fn send(outbox: &Outbox, call: u64, body: from_child::Body, limit: u64) -> Result<(), CallerGone> {
    let frame = frame::encode(&FromChild { call, body: Some(body) }, limit).map_err(|error| match error {
        FrameError::TooLarge { bytes, limit } => CallerGone::TooLarge { bytes, limit },
        error => CallerGone::Gone(Box::new(error)),
    })?;
    outbox.push(&frame).map_err(|ParentGone| CallerGone::Gone(Box::new(Closed)))
}

/// Does `work` on the parent's calls, any number at once, until it returns: soon after the [`Inbox`] is [`Closed`].
///
/// Call it first thing in `main`, before any thread is started. `work` runs where it is called; two threads beside it
/// read and write. When it panics, the parent is told, and this returns: `main` should then exit.
pub fn serve_concurrent_child(work: impl FnOnce(Inbox)) -> Result<(), ServeError> {
    match confined_socket()? {
        Some((socket, limit)) => serve(socket, limit, work),
        None => Ok(()),
    }
}

fn serve(socket: UnixStream, limit: u64, work: impl FnOnce(Inbox)) -> Result<(), ServeError> {
    let failed = |error: std::io::Error| ServeError::Socket(Box::new(error));
    let (mut reading, mut writing) =
        (socket.try_clone().map_err(failed)?, socket.try_clone().map_err(failed)?);
    let outbox = Arc::new(Outbox::default());
    let (sender, incoming) = mpsc::sync_channel(MOST_WAITING_MESSAGES);
    let reader = {
        let outbox = Arc::clone(&outbox);
        let read = move || read(&mut reading, limit, &outbox, &sender);
        thread::Builder::new().name("from-parent".to_owned()).spawn(read).map_err(failed)?
    };
    let writer = {
        let outbox = Arc::clone(&outbox);
        let write = move || outbox.write_all(&mut writing);
        thread::Builder::new().name("to-parent".to_owned()).spawn(write).map_err(failed)?
    };
    // The work is not gone on with after a panic, so nobody sees what it left half done.
    let worked = catch_unwind(AssertUnwindSafe(|| work(Inbox { incoming })));
    if let Err(panic) = &worked {
        let text = panic_text(panic.as_ref() as &(dyn Any + Send));
        // It is told if there is still somebody to tell.
        let _ = send(&outbox, 0, failure(FailureKind::Panicked, text), limit);
    }
    outbox.finish();
    // Neither thread panics; if one did, the socket is closed all the same.
    let _ = writer.join();
    let _ = socket.shutdown(std::net::Shutdown::Both);
    let read = reader.join();
    match (worked, read) {
        (Err(_), _) => Err(ServeError::Panicked),
        (Ok(()), Ok(outcome)) => outcome,
        (Ok(()), Err(_)) => Err(ServeError::Panicked),
    }
}

/// Hands on what the parent sends until it closes the socket or the work has ended.
fn read(
    socket: &mut UnixStream,
    limit: u64,
    outbox: &Arc<Outbox>,
    incoming: &mpsc::SyncSender<Incoming>,
) -> Result<(), ServeError> {
    loop {
        let message: ToChild = match frame::read(socket, limit) {
            Ok(message) => message,
            Err(error) => {
                // Nobody is left to read what is written.
                outbox.parent_is_gone();
                return if matches!(error, FrameError::Closed) { Ok(()) } else { Err(socket_failed(error)) };
            }
        };
        let id = CallId(message.call);
        let message = match message.body {
            Some(to_child::Body::Request(request)) => {
                let call = Call { id, limit, outbox: Arc::clone(outbox), is_answered: false };
                Incoming::Call(call, Request::from_bytes(&request.kind, request.payload))
            }
            Some(to_child::Body::Stop(_)) => Incoming::Stop(id),
            Some(to_child::Body::Setup(_)) | None => {
                return Err(ServeError::Protocol("a message is no request"));
            }
        };
        if incoming.send(message).is_err() {
            return Ok(());
        }
    }
}
