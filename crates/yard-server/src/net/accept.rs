//! One listener's accept loop.

use std::{fmt::Display, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Pace;

/// How long the loop waits after the system refused it a connection (it is out of file descriptors, say).
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// When draining, a connection that has nothing in hand is given so long for a request that is on its way.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// How long a connection may rest.
#[derive(Debug)]
pub(crate) struct Patience {
    pub(crate) pace: Pace,
    pub(crate) limit: Duration,
}

/// Two signals in order: stop taking new work, then give up on what is left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopping {
    /// Take no new work; finish what was admitted.
    pub(crate) drain: CancellationToken,
    /// Let go of what is still there.
    pub(crate) abandon: CancellationToken,
    /// Every connection's task.
    pub(crate) connections: TaskTracker,
}

impl Stopping {
    /// Drives a connection to its end. When draining begins it is told so, by `drain`, and goes on until it has finished
    /// what it has, rests or is abandoned.
    pub(crate) async fn drive<Connection, E>(
        &self,
        connection: Connection,
        patience: Patience,
        drain: impl FnOnce(Pin<&mut Connection>),
    ) where
        Connection: Future<Output = Result<(), E>>,
        E: Display,
    {
        tokio::pin!(connection);
        let outcome = tokio::select! {
            biased;
            outcome = connection.as_mut() => outcome,
            () = self.drain.cancelled() => {
                drain(connection.as_mut());
                tokio::select! {
                    outcome = connection => outcome,
                    () = self.abandon.cancelled() => Ok(()),
                    () = patience.pace.rests(patience.limit.min(DRAIN_PATIENCE)) => Ok(()),
                }
            }
            () = patience.pace.rests(patience.limit) => {
                tracing::debug!("a connection was closed: no whole head of a request came in time");
                Ok(())
            }
        };
        if let Err(error) = outcome {
            // Clients that leave or send nonsense are no event for an operator.
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Limits of a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptOptions {
    /// Most connections at a time.
    pub(crate) max_connections: usize,
}

/// Accepts connections and gives each a task.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    stopping: Stopping,
}

impl Acceptor {
    /// Binds the address.
    pub(crate) async fn bind(
        address: SocketAddr,
        options: AcceptOptions,
        stopping: Stopping,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, permits: Arc::new(Semaphore::new(options.max_connections)), stopping })
    }

    /// The bound address, with its real port.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs `serve` on every connection until draining begins. A connection beyond the limit waits in the kernel's queue.
    pub(crate) async fn run<Serve, Served>(self, serve: Serve)
    where
        Serve: Fn(TcpStream) -> Served,
        Served: Future<Output = ()> + Send + 'static,
    {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stopping.drain.cancelled() => return,
                accepted = self.accept() => accepted,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(REFUSED_PAUSE).await;
                    continue;
                }
            };
            let served = serve(stream);
            self.stopping.connections.spawn(async move {
                served.await;
                drop(permit);
            });
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _peer) = self.listener.accept().await?;
        // Answers are small and complete: waiting to fill a segment would only add latency.
        stream.set_nodelay(true)?;
        Ok((stream, permit))
    }
}
