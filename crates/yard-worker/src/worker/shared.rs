//! A worker that many calls share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::timeout,
};

use super::{Event, Said, Worker, encode};
use crate::{
    ExitReport, Landlock, Request, Response, WorkerCommand, WorkerError,
    envelope::{self, FailureKind, FromChild, from_child, to_child},
    frame::{self, FrameError},
};

/// How much calls may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls under way at once that [`SharedWorker::begin`] began. Default: 1,024.
    pub calls: usize,
    /// The same of [`SharedWorker::call`], which have room of their own: what is soon over is not kept out by what lasts.
    /// Default: 256.
    pub short_calls: usize,
    /// Messages of one call that wait to be taken; a call that has more is given up. Default: 16,384.
    pub waiting_messages: usize,
    /// The same in bytes. Default: 4 MiB.
    pub waiting_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { calls: 1_024, short_calls: 256, waiting_messages: 16_384, waiting_bytes: 4 << 20 }
    }
}

/// A worker whose child serves with [`crate::serve_concurrent_child`]: many calls at once, each a stream of what the child
/// says to it. Cheap to clone. The child is killed when the last handle and the last call are dropped.
#[derive(Debug, Clone)]
pub struct SharedWorker(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    calls: Arc<Mutex<Calls>>,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    /// Sending or dropping it kills the child.
    stop: watch::Sender<()>,
    end: watch::Receiver<Option<End>>,
    /// For the calls that are under way, until they end in the child: so `outgoing` holds two messages for each at most, none
    /// larger than a message may be.
    room: Arc<Semaphore>,
    short_room: Arc<Semaphore>,
    /// One place, for whoever looks after the worker.
    own_room: Arc<Semaphore>,
    limits: CallLimits,
    max_message_bytes: u64,
    landlock: Landlock,
    process_id: Option<u32>,
}

/// A call that is under way. Dropping it tells the child to give it up.
#[derive(Debug)]
pub struct OpenCall {
    id: u64,
    handle: Arc<Handle>,
    incoming: mpsc::Receiver<from_child::Body>,
    queue: Arc<Queue>,
    is_ended: bool,
}

#[derive(Debug, Default)]
struct Calls {
    last: u64,
    open: HashMap<u64, Listener>,
    end: Option<End>,
}

/// Where the messages of a call go.
#[derive(Debug)]
struct Listener {
    /// `None` when nobody listens any more; the child may still speak.
    sender: Option<mpsc::Sender<from_child::Body>>,
    queue: Arc<Queue>,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    is_too_slow: AtomicBool,
}

/// How the worker ended, for all calls that it had.
#[derive(Debug, Clone)]
enum End {
    Exited(ExitReport),
    Panicked(String),
    Protocol(&'static str),
    Gone,
}

impl End {
    fn of(error: WorkerError) -> Self {
        match error {
            WorkerError::Exited(report) => Self::Exited(report),
            WorkerError::Panicked { message } => Self::Panicked(message),
            WorkerError::Protocol { what, .. } => Self::Protocol(what),
            _ => Self::Gone,
        }
    }

    fn error(&self) -> WorkerError {
        match self.clone() {
            Self::Exited(report) => WorkerError::Exited(report),
            Self::Panicked(message) => WorkerError::Panicked { message },
            Self::Protocol(what) => WorkerError::Protocol { what, source: None },
            Self::Gone => WorkerError::Gone,
        }
    }
}

impl SharedWorker {
    /// Starts a worker and waits until it has confined itself.
    pub async fn spawn(command: WorkerCommand, limits: CallLimits) -> Result<Self, WorkerError> {
        let worker = Worker::spawn(command).await?;
        let calls = Arc::<Mutex<Calls>>::default();
        let (outgoing, sent) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(());
        let (ended, end) = watch::channel(None);
        let handle = Handle {
            calls: Arc::clone(&calls),
            outgoing: outgoing.clone(),
            stop,
            end,
            room: Arc::new(Semaphore::new(limits.calls)),
            short_room: Arc::new(Semaphore::new(limits.short_calls)),
            own_room: Arc::new(Semaphore::new(1)),
            max_message_bytes: worker.limits.max_message_bytes,
            landlock: worker.landlock(),
            process_id: worker.process_id(),
            limits,
        };
        let delivery = Delivery { calls, outgoing, waiting_bytes: handle.limits.waiting_bytes };
        tokio::spawn(own(worker, delivery, sent, stopped, ended));
        Ok(Self(Arc::new(handle)))
    }

    /// Begins a call; [`OpenCall::next`] gives what the child says until it answers.
    pub fn begin(&self, request: Request) -> Result<OpenCall, WorkerError> {
        self.begin_within(request, &self.0.room, self.0.limits.calls)
    }

    fn begin_within(
        &self,
        request: Request,
        room: &Arc<Semaphore>,
        most: usize,
    ) -> Result<OpenCall, WorkerError> {
        let handle = &self.0;
        let room = Arc::clone(room).try_acquire_owned();
        let room = room.map_err(|_| handle.end().unwrap_or(WorkerError::TooManyCalls { most }))?;
        let (kind, payload) = request.into_parts();
        let body = to_child::Body::Request(envelope::Request { kind, payload });
        let (sender, incoming) = mpsc::channel(handle.limits.waiting_messages);
        let queue = Arc::<Queue>::default();
        let mut calls = lock(&handle.calls);
        if let Some(end) = &calls.end {
            return Err(end.error());
        }
        let id = calls.last + 1;
        let frame = encode(id, body, handle.max_message_bytes)?;
        calls.last = id;
        calls.open.insert(id, Listener { sender: Some(sender), queue: Arc::clone(&queue), _room: room });
        // In the lock: the child learns of calls in their order. Nobody receives only when the worker ends, which the call
        // is told.
        let _ = handle.outgoing.send(frame);
        Ok(OpenCall { id, handle: Arc::clone(handle), incoming, queue, is_ended: false })
    }

    /// Asks and waits for the answer, for at most this long; events on the way are passed over.
    pub async fn call(&self, request: Request, limit: Duration) -> Result<Response, WorkerError> {
        let call = self.begin_within(request, &self.0.short_room, self.0.limits.short_calls)?;
        call.answer_within(limit).await
    }

    /// As [`SharedWorker::call`], for whoever looks after the worker: one at a time, and kept out by nobody.
    pub async fn look_in(&self, request: Request, limit: Duration) -> Result<Response, WorkerError> {
        let call = self.begin_within(request, &self.0.own_room, 1)?;
        call.answer_within(limit).await
    }

    /// Calls that are under way, those included that were given up and have not ended in the child.
    #[must_use]
    pub fn calls(&self) -> usize {
        lock(&self.0.calls).open.len()
    }

    /// How far the kernel confines it to its own files.
    #[must_use]
    pub fn landlock(&self) -> Landlock {
        self.0.landlock
    }

    /// Its process id, as long as it is there.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        if self.0.end.borrow().is_some() { None } else { self.0.process_id }
    }

    /// Waits until the worker is gone, and says how it ended.
    pub async fn ended(&self) -> WorkerError {
        let mut end = self.0.end.clone();
        let known = end.wait_for(Option::is_some).await;
        known.ok().and_then(|end| end.as_ref().map(End::error)).unwrap_or(WorkerError::Gone)
    }

    /// Kills it and waits until it is gone; its calls end with [`WorkerError::Gone`].
    pub async fn stop(&self) {
        // Nobody listens only when it has ended.
        let _ = self.0.stop.send(());
        self.ended().await;
    }
}

impl Handle {
    fn end(&self) -> Option<WorkerError> {
        lock(&self.calls).end.as_ref().map(End::error)
    }
}

impl OpenCall {
    /// Waits for the next event or the answer, for as long as it takes. May be dropped and called again.
    ///
    /// After an error or the answer the call has ended.
    pub async fn next(&mut self) -> Result<Said, WorkerError> {
        if self.is_ended {
            return Err(WorkerError::Gone);
        }
        let received = self.incoming.recv().await;
        if let Some(body) = &received {
            self.queue.bytes.fetch_sub(bytes_of(body), Ordering::Relaxed);
        }
        if let Some(from_child::Body::Event(event)) = received {
            return Ok(Said::Event(Event::new(event.payload)));
        }
        self.is_ended = true;
        match received {
            Some(from_child::Body::Response(response)) => {
                Ok(Said::Answer(Response::from_bytes(response.payload)))
            }
            Some(from_child::Body::Failure(failure)) if failure.kind() == FailureKind::TooLarge => {
                Err(WorkerError::TooLarge { what: "worker's answer", limit: self.handle.max_message_bytes })
            }
            Some(from_child::Body::Failure(failure)) => {
                Err(WorkerError::BadRequest { message: failure.message })
            }
            Some(from_child::Body::Event(_) | from_child::Body::Ready(_)) => Err(WorkerError::Gone),
            None if self.queue.is_too_slow.load(Ordering::Relaxed) => Err(WorkerError::TooSlow),
            None => Err(self.handle.end().unwrap_or(WorkerError::Gone)),
        }
    }

    /// Waits for the answer, for at most this long; events on the way are passed over.
    pub async fn answer_within(mut self, limit: Duration) -> Result<Response, WorkerError> {
        let answer = async {
            loop {
                if let Said::Answer(response) = self.next().await? {
                    return Ok(response);
                }
            }
        };
        timeout(limit, answer).await.unwrap_or(Err(WorkerError::TimedOut { limit }))
    }

    /// Tells the child the wish that it ends this call early. It still answers, in its own time.
    pub fn ask_to_stop(&self) {
        if !self.is_ended {
            ask_to_stop(&self.handle.outgoing, self.id);
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        if let Some(listener) = lock(&self.handle.calls).open.get_mut(&self.id)
            && listener.sender.take().is_some()
        {
            ask_to_stop(&self.handle.outgoing, self.id);
        }
    }
}

/// Nobody panics while holding the lock; a poisoned one is as good.
fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask_to_stop(outgoing: &mpsc::UnboundedSender<Vec<u8>>, call: u64) {
    // Its few bytes are never too many; nobody receives them only when the worker has ended.
    if let Ok(frame) = encode(call, to_child::Body::Stop(envelope::Stop {}), envelope::MAX_SETUP_BYTES) {
        let _ = outgoing.send(frame);
    }
}

fn bytes_of(body: &from_child::Body) -> usize {
    match body {
        from_child::Body::Event(event) => event.payload.len(),
        from_child::Body::Response(response) => response.payload.len(),
        from_child::Body::Failure(failure) => failure.message.len(),
        from_child::Body::Ready(_) => 0,
    }
}

/// Why nothing more comes.
enum Why {
    Lost(FrameError),
    Protocol(&'static str),
    Panicked(envelope::Failure),
    Stopped,
}

/// Hands what the child says to those who asked. Never waits for one of them: a slow one holds up nobody else.
struct Delivery {
    calls: Arc<Mutex<Calls>>,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    waiting_bytes: usize,
}

impl Delivery {
    fn deliver(&self, message: FromChild) -> Result<(), Why> {
        let body = match message.body {
            Some(from_child::Body::Failure(failure)) if failure.kind() == FailureKind::Panicked => {
                return Err(Why::Panicked(failure));
            }
            Some(from_child::Body::Ready(_)) | None => return Err(Why::Protocol("it was ready twice")),
            Some(body) => body,
        };
        let mut calls = lock(&self.calls);
        let is_last = !matches!(body, from_child::Body::Event(_));
        let Some(listener) = calls.open.get_mut(&message.call) else {
            return Err(Why::Protocol("it answered what was not asked"));
        };
        if let Some(sender) = &listener.sender {
            let bytes = bytes_of(&body);
            let waiting = listener.queue.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
            // Who has just left does not need it.
            let is_full = matches!(sender.try_send(body), Err(mpsc::error::TrySendError::Full(_)));
            if is_full || waiting > self.waiting_bytes.max(bytes) {
                listener.queue.is_too_slow.store(true, Ordering::Relaxed);
                listener.sender = None;
                if !is_last {
                    ask_to_stop(&self.outgoing, message.call);
                }
            }
        }
        if is_last {
            calls.open.remove(&message.call);
        }
        Ok(())
    }
}

/// Owns the worker until it ends or nobody wants it any more.
async fn own(
    mut worker: Worker,
    delivery: Delivery,
    mut sent: mpsc::UnboundedReceiver<Vec<u8>>,
    mut stopped: watch::Receiver<()>,
    ended: watch::Sender<Option<End>>,
) {
    let why = {
        let Worker { socket, incoming, limits, .. } = &mut worker;
        let (mut reading, mut writing) = socket.split();
        let read = async {
            loop {
                let message = incoming.next(&mut reading, limits.max_message_bytes).await;
                if let Err(why) = message.map_err(Why::Lost).and_then(|message| delivery.deliver(message)) {
                    break why;
                }
            }
        };
        let write = async {
            while let Some(frame) = sent.recv().await {
                if frame::write_async(&mut writing, &frame).await.is_err() {
                    break;
                }
            }
            // What the child said before it went is read to its end.
            std::future::pending::<Why>().await
        };
        tokio::select! {
            why = read => why,
            why = write => why,
            _ = stopped.changed() => Why::Stopped,
        }
    };
    let end = match why {
        Why::Lost(error) => End::of(worker.lost(error).await),
        Why::Protocol(what) => End::of(worker.broke_protocol(what, None).await),
        Why::Panicked(failure) => End::of(worker.failed(failure).await),
        Why::Stopped => {
            worker.kill().await;
            End::Gone
        }
    };
    {
        let mut calls = lock(&delivery.calls);
        calls.end = Some(end.clone());
        // Those who wait find the end when they have taken what came before it.
        calls.open.clear();
    }
    // Nobody waits when all handles are gone.
    let _ = ended.send(Some(end));
}
