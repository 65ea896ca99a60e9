//! A TCP stream that does not wait for ever on a peer that stops reading, and that says its last word.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::Pace;

/// How long a closing connection reads on, so that a peer that is still sending sees the answer and not a reset.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Asks a connection to linger when it closes: its peer may still be sending a body that nobody wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Linger(Arc<AtomicBool>);

/// A TCP stream with a limit on how long a write may stall.
pub(crate) struct GuardedStream {
    stream: TcpStream,
    stall_limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    linger: Linger,
    lingering: Option<Pin<Box<Sleep>>>,
    /// Bytes that the peer still has to say to be taken for a client that stays.
    opening: usize,
    pace: Pace,
}

impl Linger {
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl GuardedStream {
    pub(crate) fn new(stream: TcpStream, stall_limit: Duration, linger: Linger) -> Self {
        Self {
            stream,
            stall_limit,
            stalled: None,
            linger,
            lingering: None,
            opening: 0,
            pace: Pace::default(),
        }
    }

    /// Tells what the peer took.
    pub(crate) fn pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Takes the connection for busy once its peer has sent so many bytes.
    pub(crate) fn opening(self, bytes: usize) -> Self {
        Self { opening: bytes, ..self }
    }

    /// Passes a write's outcome on; one that stays pending beyond the limit becomes an error.
    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            self.pace.moved();
            return outcome;
        }
        let limit = self.stall_limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped reading")))
    }

    /// Whether the peer has sent something that nobody read.
    fn is_readable(&mut self, context: &mut Context<'_>) -> bool {
        let mut scratch = [0; 1];
        let mut buffer = ReadBuf::new(&mut scratch);
        let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
        matches!(read, Poll::Ready(Ok(()))) && !buffer.filled().is_empty()
    }

    /// Reads and forgets what still comes, until the peer ends its side or the time is over.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let end = Instant::now() + LINGER_TIME;
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if lingering.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [0; 8192];
        // As many rounds as keep this connection from holding its thread; then others have their turn.
        for _ in 0..64 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.opening > 0 {
            self.opening = self.opening.saturating_sub(buffer.filled().len() - before);
            if self.opening == 0 {
                self.pace.stays_busy();
            }
        }
        read
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        // A peer that is found sending is heard out as well: closing on it would take its answer away.
        if self.linger.is_asked() || self.lingering.is_some() || self.is_readable(context) {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
