//! The child's side: one thread, no async runtime.

mod caller;
mod concurrent;
mod outbox;

use std::{
    any::Any,
    io::Write,
    os::{fd::AsFd, unix::net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    BadRequest, Request, Response,
    confine::{self, ConfineError},
    envelope::{self, Failure, FailureKind, FromChild, ToChild, from_child, to_child},
    frame::{self, FrameError},
};

pub use caller::{Caller, CallerGone};
pub use concurrent::{Call, CallId, Closed, Inbox, Incoming, serve_concurrent_child};

/// Most characters of what a panic says.
const MAX_PANIC_TEXT: usize = 2_000;

/// Why a worker gave up.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Standard input is not the socket of a parent: the program was not started by [`crate::Worker`].
    #[error("a worker is started by its parent, not by hand")]
    NotAWorker(#[source] std::io::Error),
    /// The parent does not keep to the protocol.
    #[error("the parent did not keep to the protocol: {0}")]
    Protocol(&'static str),
    /// The worker could not put itself under its limits.
    #[error("the worker could not put itself under its limits")]
    NotConfined(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Answering panicked; the parent was told.
    #[error("answering a request panicked")]
    Panicked,
    /// The socket failed.
    #[error("the socket of the parent failed")]
    Socket(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Answers the parent's requests with `handler` until the parent closes the socket.
///
/// Call it first thing in `main`, before any thread is started. A panic of `handler` becomes an answer, after which this
/// returns: `main` should then exit.
pub fn serve_child(
    mut handler: impl FnMut(Request) -> Result<Response, BadRequest>,
) -> Result<(), ServeError> {
    serve_streaming_child(|request, _| handler(request))
}

/// As [`serve_child`], for requests that say what happens before they are answered.
pub fn serve_streaming_child(
    mut handler: impl FnMut(Request, &mut Caller<'_>) -> Result<Response, BadRequest>,
) -> Result<(), ServeError> {
    match confined_socket()? {
        Some((mut socket, limit)) => serve(&mut socket, limit, &mut handler),
        None => Ok(()),
    }
}

/// The parent's socket and the largest message on it, once this process is under its limits; `None` when the parent went
/// away before it said what they are.
fn confined_socket() -> Result<Option<(UnixStream, u64)>, ServeError> {
    confine::tie_to_parent().map_err(not_confined)?;
    let mut socket = take_socket().map_err(ServeError::NotAWorker)?;
    let Some(setup) = read_setup(&mut socket)? else { return Ok(None) };
    let limit = setup.max_message_bytes;
    match confine::confine(&setup) {
        Ok(landlock) => {
            let ready = envelope::Ready { landlock: envelope::Landlock::from(landlock).into() };
            send(&mut socket, 0, from_child::Body::Ready(ready), limit)?;
            Ok(Some((socket, limit)))
        }
        Err(error) => {
            let message = chain(&error);
            send(&mut socket, 0, failure(FailureKind::NotConfined, message), limit)?;
            Err(not_confined(error))
        }
    }
}

fn not_confined(error: ConfineError) -> ServeError {
    ServeError::NotConfined(Box::new(error))
}

/// Takes the socket off standard input, so that nothing else in the process reads from it by accident.
fn take_socket() -> std::io::Result<UnixStream> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    // Fails when it is anything but a connected socket.
    socket.peer_addr()?;
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(socket)
}

/// `None` when the parent went away before it said anything.
fn read_setup(socket: &mut UnixStream) -> Result<Option<envelope::Setup>, ServeError> {
    let message: ToChild = match frame::read(socket, envelope::MAX_SETUP_BYTES) {
        Ok(message) => message,
        Err(FrameError::Closed) => return Ok(None),
        Err(error) => return Err(socket_failed(error)),
    };
    match message.body {
        Some(to_child::Body::Setup(setup)) if setup.protocol == envelope::PROTOCOL => Ok(Some(setup)),
        Some(to_child::Body::Setup(_)) => {
            let text = "the worker is of another version than its parent".to_owned();
            send(socket, message.call, failure(FailureKind::NotConfined, text), envelope::MAX_SETUP_BYTES)?;
            Err(ServeError::Protocol("it is of another version"))
        }
        Some(to_child::Body::Request(_) | to_child::Body::Stop(_)) | None => {
            Err(ServeError::Protocol("its first message is no set-up"))
        }
    }
}

fn serve(
    socket: &mut UnixStream,
    limit: u64,
    handler: &mut impl FnMut(Request, &mut Caller<'_>) -> Result<Response, BadRequest>,
) -> Result<(), ServeError> {
    loop {
        let message: ToChild = match frame::read(socket, limit) {
            Ok(message) => message,
            Err(FrameError::Closed) => return Ok(()),
            Err(error) => return Err(socket_failed(error)),
        };
        let request = match message.body {
            Some(to_child::Body::Request(request)) => request,
            // It crossed the answer, or nobody looked for it.
            Some(to_child::Body::Stop(_)) => continue,
            Some(to_child::Body::Setup(_)) | None => {
                return Err(ServeError::Protocol("a message is no request"));
            }
        };
        let request = Request::from_bytes(&request.kind, request.payload);
        let mut caller = Caller::new(socket, message.call, limit);
        // The handler is not used again after a panic, so nobody sees what it left half done.
        let body = match catch_unwind(AssertUnwindSafe(|| handler(request, &mut caller))) {
            Ok(Ok(response)) => {
                from_child::Body::Response(envelope::Response { payload: response.into_payload() })
            }
            Ok(Err(BadRequest(message))) => failure(FailureKind::BadRequest, message),
            Err(panic) => {
                let body = failure(FailureKind::Panicked, panic_text(panic.as_ref()));
                send(socket, message.call, body, limit)?;
                return Err(ServeError::Panicked);
            }
        };
        send(socket, message.call, body, limit)?;
    }
}

fn send(socket: &mut impl Write, call: u64, body: from_child::Body, limit: u64) -> Result<(), ServeError> {
    let outcome = frame::write(socket, &FromChild { call, body: Some(body) }, limit);
    let Err(FrameError::TooLarge { bytes, .. }) = outcome else {
        return outcome.map_err(socket_failed);
    };
    let body = failure(FailureKind::TooLarge, format!("the answer has {bytes} bytes"));
    frame::write(socket, &FromChild { call, body: Some(body) }, limit).map_err(socket_failed)
}

fn failure(kind: FailureKind, message: String) -> from_child::Body {
    from_child::Body::Failure(Failure { kind: kind.into(), message })
}

fn socket_failed(error: FrameError) -> ServeError {
    ServeError::Socket(Box::new(error))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").chars().take(MAX_PANIC_TEXT).collect()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::thread;

    use bytes::Bytes;

    use super::*;

    const LIMIT: u64 = 1_000;

    fn handle(request: Request, caller: &mut Caller<'_>) -> Result<Response, BadRequest> {
        match request.kind() {
            "count" => {
                for number in 0..request.payload().len() {
                    caller.tell_bytes(number.to_string()).unwrap();
                }
                Ok(Response::from_bytes("counted"))
            }
            "tell too much" => {
                let told = caller.tell_bytes(vec![7; 1 << 20]);
                Ok(Response::from_bytes(told.unwrap_err().to_string()))
            }
            "echo" => Ok(Response::from_bytes(request.payload().clone())),
            "repeat" => Ok(Response::from_bytes(request.payload().repeat(1_000))),
            "panic" => panic!("{}", "x".repeat(10_000)),
            _ => Err(request.unknown()),
        }
    }

    /// Sends these requests, closes the sending half, and gives all answers and how serving ended.
    fn converse(requests: &[(&str, &[u8])]) -> (Vec<FromChild>, Result<(), ServeError>) {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let child = thread::spawn(move || serve(&mut theirs, LIMIT * 4, &mut handle));
        for (call, (kind, payload)) in (1..).zip(requests) {
            let request =
                envelope::Request { kind: (*kind).into(), payload: Bytes::copy_from_slice(payload) };
            let message = ToChild { call, body: Some(to_child::Body::Request(request)) };
            frame::write(&mut ours, &message, LIMIT * 4).unwrap();
        }
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = Vec::new();
        while let Ok(answer) = frame::read(&mut ours, LIMIT * 4) {
            answers.push(answer);
        }
        (answers, child.join().unwrap())
    }

    fn failure_of(answer: &FromChild) -> (FailureKind, &str) {
        match &answer.body {
            Some(from_child::Body::Failure(failure)) => (failure.kind(), &failure.message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_are_answered_in_turn_until_the_parent_closes() {
        let (answers, ended) = converse(&[("echo", b"one"), ("echo", b""), ("what", b"")]);
        assert!(ended.is_ok());
        assert_eq!(answers.iter().map(|answer| answer.call).collect::<Vec<_>>(), [1, 2, 3]);
        let payload = Bytes::from_static(b"one");
        assert_eq!(answers[0].body, Some(from_child::Body::Response(envelope::Response { payload })));
        let (kind, message) = failure_of(&answers[2]);
        assert_eq!(kind, FailureKind::BadRequest);
        assert!(message.contains("'what'"), "{message}");
    }

    #[test]
    fn events_come_before_the_answer_and_bear_its_call() {
        let (messages, ended) = converse(&[("count", b"xxx"), ("echo", b"after")]);
        assert!(ended.is_ok());
        let told: Vec<(u64, Option<&[u8]>)> = messages
            .iter()
            .map(|message| match &message.body {
                Some(from_child::Body::Event(event)) => (message.call, Some(&event.payload[..])),
                _ => (message.call, None),
            })
            .collect();
        let expected: [(u64, Option<&[u8]>); 5] =
            [(1, Some(b"0")), (1, Some(b"1")), (1, Some(b"2")), (1, None), (2, None)];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_event_that_is_too_large_is_not_sent_and_the_caller_is_still_there() {
        let (messages, ended) = converse(&[("tell too much", b"")]);
        assert!(ended.is_ok());
        let [FromChild { body: Some(from_child::Body::Response(response)), .. }] = &messages[..] else {
            panic!("{messages:?}")
        };
        assert_eq!(&response.payload[..], b"an event of 1048586 bytes is larger than the 4000 allowed");
    }

    #[test]
    fn a_wish_to_stop_is_seen_while_answering_and_harmless_afterwards() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let wait = |_: Request, caller: &mut Caller<'_>| {
            while !caller.asks_to_stop() {
                caller.tell_bytes("waiting").unwrap();
            }
            Ok(Response::from_bytes("stopped"))
        };
        let child = thread::spawn(move || serve(&mut theirs, LIMIT, &mut { wait }));
        let ask = |call| {
            let request = envelope::Request { kind: "wait".into(), payload: Bytes::new() };
            ToChild { call, body: Some(to_child::Body::Request(request)) }
        };
        let stop = |call| ToChild { call, body: Some(to_child::Body::Stop(envelope::Stop {})) };
        for call in 1..4 {
            frame::write(&mut ours, &ask(call), LIMIT).unwrap();
            let first: FromChild = frame::read(&mut ours, LIMIT).unwrap();
            assert!(matches!(first.body, Some(from_child::Body::Event(_))));
            // Twice: the second may come after the answer has left.
            frame::write(&mut ours, &stop(call), LIMIT).unwrap();
            frame::write(&mut ours, &stop(call), LIMIT).unwrap();
            loop {
                let said: FromChild = frame::read(&mut ours, LIMIT).unwrap();
                assert_eq!(said.call, call);
                if matches!(said.body, Some(from_child::Body::Response(_))) {
                    break;
                }
            }
        }
        drop(ours);
        child.join().unwrap().unwrap();
    }

    #[test]
    fn a_panic_is_told_and_ends_the_worker() {
        let (answers, ended) = converse(&[("panic", b""), ("echo", b"after")]);
        assert!(matches!(ended, Err(ServeError::Panicked)), "{ended:?}");
        assert_eq!(answers.len(), 1);
        let (kind, message) = failure_of(&answers[0]);
        assert_eq!((kind, message.len()), (FailureKind::Panicked, MAX_PANIC_TEXT));
    }

    #[test]
    fn an_answer_that_is_too_large_is_told_and_the_worker_goes_on() {
        let (answers, ended) = converse(&[("repeat", b"12345"), ("echo", b"after")]);
        assert!(ended.is_ok());
        assert_eq!(failure_of(&answers[0]).0, FailureKind::TooLarge);
        assert!(matches!(answers[1].body, Some(from_child::Body::Response(_))));
    }

    #[test]
    fn garbage_from_the_parent_ends_the_worker() {
        for garbage in [&[0xff; 64][..], &[4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], &[0, 0, 0, 0], &[9, 0]] {
            let (mut ours, mut theirs) = UnixStream::pair().unwrap();
            ours.write_all(garbage).unwrap();
            drop(ours);
            assert!(serve(&mut theirs, LIMIT, &mut handle).is_err(), "{garbage:?}");
        }
    }
}
