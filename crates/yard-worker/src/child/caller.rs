//! The parent, seen from a handler that has not answered yet.

use std::os::unix::net::UnixStream;

use bytes::Bytes;
use prost::Message;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    envelope::{self, FromChild, ToChild, from_child, to_child},
    frame::{self, FrameError},
};

/// Whoever waits for the answer.
#[derive(Debug)]
pub struct Caller<'a> {
    socket: &'a mut UnixStream,
    call: u64,
    limit: u64,
    stop: bool,
}

/// An event did not reach the parent.
#[derive(Debug, thiserror::Error)]
pub enum CallerGone {
    /// It is larger than a message may be; the parent is still there.
    #[error("an event of {bytes} bytes is larger than the {limit} allowed")]
    TooLarge {
        /// How large it is.
        bytes: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// The parent closed the socket: nobody waits for the answer.
    #[error("the parent went away")]
    Gone(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl<'a> Caller<'a> {
    pub(super) fn new(socket: &'a mut UnixStream, call: u64, limit: u64) -> Self {
        Self { socket, call, limit, stop: false }
    }

    /// Tells what happened.
    ///
    /// Waits while the parent is behind by what the socket holds, a few hundred kilobytes: a slow parent slows the work
    /// down, and nothing piles up. Who sends events that nobody misses should send only a few each second.
    pub fn tell(&mut self, event: &impl Message) -> Result<(), CallerGone> {
        self.tell_bytes(event.encode_to_vec())
    }

    /// As [`Caller::tell`], with bytes.
    pub fn tell_bytes(&mut self, event: impl Into<Bytes>) -> Result<(), CallerGone> {
        let body = from_child::Body::Event(envelope::Event { payload: event.into() });
        let message = FromChild { call: self.call, body: Some(body) };
        frame::write(self.socket, &message, self.limit).map_err(|error| match error {
            FrameError::TooLarge { bytes, limit } => CallerGone::TooLarge { bytes, limit },
            error => CallerGone::Gone(Box::new(error)),
        })
    }

    /// Whether the parent wishes that this call ends early, or is gone. Costs one system call until it does.
    pub fn asks_to_stop(&mut self) -> bool {
        if !self.stop && self.something_came() {
            // While a call is under way nothing else is sent; what cannot be read is found out when the next request is.
            let message = frame::read::<ToChild>(self.socket, envelope::MAX_SETUP_BYTES);
            self.stop = match message.map(|message| message.body) {
                Ok(body) => matches!(body, Some(to_child::Body::Stop(_))),
                Err(_) => true,
            };
        }
        self.stop
    }

    fn something_came(&self) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut sockets = [PollFd::new(&*self.socket, PollFlags::IN)];
        // A failed poll tells nothing: the next one will.
        poll(&mut sockets, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }
}
