//! The parent's side.

mod shared;
mod stream;

use std::{
    future::Future,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt, unix::net::UnixStream as StdUnixStream},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::Bytes;
use prost::Message;
use rustix::process::{Pid, Signal};
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

use crate::{
    ExitReport, Landlock, Request, Response, WorkerCommand, WorkerError, WorkerLimits,
    envelope::{self, FailureKind, FromChild, ToChild, from_child, to_child},
    frame::{self, FrameError, Incoming},
    spawner,
    stderr::StderrTail,
};

pub use shared::{CallLimits, OpenCall, SharedWorker};
pub use stream::{Event, Said, Stream};

/// How long a worker may take to start and to confine itself, on a machine that is busy with other things.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a worker that closed its socket may take to exit, and one that was killed to be gone.
const EXIT_LIMIT: Duration = Duration::from_secs(2);
/// How long to wait for the last words of a worker that is gone. Only a process that it left behind could hold them up.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(500);

/// A worker process. It is killed, with whatever it started, when this is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    socket: UnixStream,
    incoming: Incoming,
    stderr: StderrTail,
    limits: WorkerLimits,
    landlock: Landlock,
    calls: u64,
    /// Whether the next message on the socket belongs to the next call. False while a call is under way, so that a call
    /// that is given up leaves a worker that takes no more.
    in_step: bool,
}

impl Worker {
    /// Starts a worker and waits until it has confined itself.
    pub async fn spawn(command: WorkerCommand) -> Result<Self, WorkerError> {
        let WorkerCommand { program, arguments, environment, limits, readable, writable } = command;
        let bytes = |paths: Vec<PathBuf>| -> Vec<Bytes> {
            paths.iter().map(|path| Bytes::copy_from_slice(path.as_os_str().as_bytes())).collect()
        };
        let setup = envelope::Setup {
            protocol: envelope::PROTOCOL,
            memory_bytes: limits.memory_bytes,
            address_space_bytes: limits.address_space_bytes,
            cpu_seconds: limits.cpu_seconds,
            open_files: limits.open_files,
            niceness: limits.niceness,
            max_message_bytes: limits.max_message_bytes,
            readable: bytes(readable),
            writable: bytes(writable),
            written_file_bytes: limits.written_file_bytes,
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(environment);
        let (child, socket) = start(command).await.map_err(WorkerError::Spawn)?;
        let mut worker = Self::new(child, socket, limits).map_err(WorkerError::Spawn)?;
        let frame = encode(0, to_child::Body::Setup(setup), envelope::MAX_SETUP_BYTES)?;
        match worker.exchange(0, &frame, START_LIMIT).await? {
            from_child::Body::Ready(ready) => match ready.landlock().try_into() {
                Ok(landlock) => worker.landlock = landlock,
                Err(()) => {
                    return Err(worker.broke_protocol("it did not say how it is confined", None).await);
                }
            },
            from_child::Body::Failure(failure) => {
                worker.log("could not confine itself", &failure.message);
                return Err(WorkerError::NotConfined { message: failure.message });
            }
            from_child::Body::Response(_) | from_child::Body::Event(_) => {
                return Err(worker.broke_protocol("it answered before it was asked", None).await);
            }
        }
        Ok(worker)
    }

    fn new(mut child: Child, socket: UnixStream, limits: WorkerLimits) -> io::Result<Self> {
        let stderr =
            child.stderr.take().ok_or_else(|| io::Error::other("the worker has no standard error"))?;
        Ok(Self {
            child,
            socket,
            incoming: Incoming::default(),
            stderr: StderrTail::new(stderr),
            limits,
            landlock: Landlock::Absent,
            calls: 0,
            in_step: true,
        })
    }

    /// How far the kernel confines it to its own files.
    pub const fn landlock(&self) -> Landlock {
        self.landlock
    }

    /// Its process id; `None` once it is gone.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The last 16 KiB of what it wrote on standard error, for the log. Never to be shown to a client.
    pub fn last_words(&self) -> String {
        self.stderr.text()
    }

    /// Asks the worker and waits for its answer, for at most this long.
    ///
    /// After an error the worker is gone, except where it only did not understand the request or the message was too
    /// large. A call that is dropped before it ended costs the worker as well. Events on the way to the answer are passed
    /// over: [`Worker::stream`] gives them.
    pub async fn call(&mut self, request: Request, limit: Duration) -> Result<Response, WorkerError> {
        let frame = self.next_call(request).await?;
        match self.exchange(self.calls, &frame, limit).await? {
            from_child::Body::Response(response) => Ok(Response::from_bytes(response.payload)),
            from_child::Body::Failure(failure) => Err(self.failed(failure).await),
            from_child::Body::Ready(_) | from_child::Body::Event(_) => {
                Err(self.broke_protocol("it was ready twice", None).await)
            }
        }
    }

    /// Counts a call up and gives the message that begins it.
    async fn next_call(&mut self, request: Request) -> Result<Vec<u8>, WorkerError> {
        if !self.in_step {
            self.kill().await;
            return Err(WorkerError::Gone);
        }
        let (kind, payload) = request.into_parts();
        let body = to_child::Body::Request(envelope::Request { kind, payload });
        self.calls += 1;
        encode(self.calls, body, self.limits.max_message_bytes)
    }

    /// Kills it and waits until it is gone.
    pub async fn stop(mut self) {
        self.kill().await;
    }

    /// Sends one message and reads one; leaves the worker in step only when both went well.
    async fn exchange(
        &mut self,
        call: u64,
        frame: &[u8],
        limit: Duration,
    ) -> Result<from_child::Body, WorkerError> {
        let exchanged = boxed_timeout(limit, async {
            self.send(frame).await?;
            loop {
                match self.receive(call).await? {
                    from_child::Body::Event(_) => {}
                    body => return Ok(body),
                }
            }
        });
        match exchanged.await {
            Some(outcome) => outcome,
            None => Err(self.timed_out(limit).await),
        }
    }

    /// Writes one message; from now on the worker is out of step until the answer has come.
    async fn send(&mut self, frame: &[u8]) -> Result<(), WorkerError> {
        self.in_step = false;
        match frame::write_async(&mut self.socket, frame).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.lost(error).await),
        }
    }

    /// Reads one message of this call; after an answer the worker is in step again. May be dropped and called again.
    async fn receive(&mut self, call: u64) -> Result<from_child::Body, WorkerError> {
        let read = self.incoming.next::<FromChild>(&mut self.socket, self.limits.max_message_bytes).await;
        let message = match read {
            Ok(message) => message,
            Err(error) => return Err(self.lost(error).await),
        };
        match message.body {
            Some(body) if message.call == call => {
                self.in_step = !matches!(body, from_child::Body::Event(_));
                Ok(body)
            }
            _ => Err(self.broke_protocol("it answered what was not asked", None).await),
        }
    }

    async fn timed_out(&mut self, limit: Duration) -> WorkerError {
        self.kill().await;
        self.log("gave no answer in time", "");
        WorkerError::TimedOut { limit }
    }

    /// What to say when the socket gave no message.
    async fn lost(&mut self, error: FrameError) -> WorkerError {
        match error {
            FrameError::TooLarge { .. } => {
                self.broke_protocol("it announced a message larger than allowed", Some(Box::new(error))).await
            }
            FrameError::Malformed(_) => {
                self.broke_protocol("its message cannot be read", Some(Box::new(error))).await
            }
            FrameError::Closed | FrameError::Io(_) => match timeout(EXIT_LIMIT, self.child.wait()).await {
                Ok(Ok(status)) => self.exited(status).await,
                Ok(Err(error)) => {
                    self.broke_protocol("its exit could not be learnt", Some(Box::new(error))).await
                }
                Err(_) => {
                    self.broke_protocol("it closed its socket and went on", Some(Box::new(error))).await
                }
            },
        }
    }

    async fn exited(&mut self, status: ExitStatus) -> WorkerError {
        let _ = timeout(LAST_WORDS_LIMIT, self.stderr.finished()).await;
        let report = ExitReport::new(status, &self.limits, &self.stderr.text());
        self.log("exited", &report.to_string());
        WorkerError::Exited(report)
    }

    async fn failed(&mut self, failure: envelope::Failure) -> WorkerError {
        let message = failure.message.clone();
        match failure.kind() {
            FailureKind::BadRequest => WorkerError::BadRequest { message },
            FailureKind::TooLarge => {
                WorkerError::TooLarge { what: "worker's answer", limit: self.limits.max_message_bytes }
            }
            FailureKind::Panicked => {
                self.in_step = false;
                self.kill().await;
                self.log("panicked", &message);
                WorkerError::Panicked { message }
            }
            FailureKind::NotConfined | FailureKind::Unspecified => {
                self.broke_protocol("it failed in a way that makes no sense", None).await
            }
        }
    }

    async fn broke_protocol(
        &mut self,
        what: &'static str,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> WorkerError {
        self.in_step = false;
        self.kill().await;
        self.log("broke the protocol", what);
        WorkerError::Protocol { what, source }
    }

    /// Kills it with whatever it started. Comes back even when the kernel cannot get rid of it yet.
    async fn kill(&mut self) {
        self.kill_group();
        let _ = timeout(EXIT_LIMIT, self.child.wait()).await;
        let _ = timeout(LAST_WORDS_LIMIT, self.stderr.finished()).await;
    }

    fn kill_group(&self) {
        // There is an id only until the exit was learnt, so it cannot be that of another process by now.
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(id) = id {
            // Fails only when it is gone already.
            let _ = rustix::process::kill_process_group(id, Signal::KILL);
        }
    }

    fn log(&self, what: &'static str, detail: &str) {
        tracing::warn!(what, detail, stderr = self.stderr.text(), "a worker process failed");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// Starts the program with one end of a socket pair as standard input and nothing else of ours.
async fn start(mut command: Command) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    command
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let child = spawner::spawn(command).await?;
    Ok((child, UnixStream::from_std(ours)?))
}

fn encode(call: u64, body: to_child::Body, limit: u64) -> Result<Vec<u8>, WorkerError> {
    let message = ToChild { call, body: Some(body) };
    debug_assert!(message.encoded_len() > 0);
    frame::encode(&message, limit).map_err(|_| WorkerError::TooLarge { what: "request to a worker", limit })
}

/// A time-out on a conversation that is boxed, since callers hold it in futures of their own.
async fn boxed_timeout<Out>(limit: Duration, future: impl Future<Output = Out>) -> Option<Out> {
    timeout(limit, Box::pin(future)).await.ok()
}
