//! The demo's server: a child of the same executable.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
};
use yard_client::ServerAddress;

use super::address_of;

/// Longest time until the server is ready.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Longest time for it to finish what it has admitted.
const STOP_LIMIT: Duration = Duration::from_secs(40);
/// Longest ready line.
const MAX_READY_LINE: u64 = 4096;

/// A running server. Dropping it kills it; [`Self::stop`] lets it finish.
pub(super) struct DemoServer {
    child: Child,
    http: ServerAddress,
    grpc: ServerAddress,
    log: PathBuf,
}

/// The line that `serve` prints once it is ready.
#[derive(Deserialize)]
struct Ready {
    http: String,
    grpc: Option<String>,
}

impl DemoServer {
    /// Starts a server and waits until it is ready.
    pub(super) async fn start(
        http: SocketAddr,
        grpc: SocketAddr,
        data_dir: &Path,
        workshop: &Path,
    ) -> Result<Self> {
        let executable = std::env::current_exe().context("cannot find this executable")?;
        let log = workshop.join("server.log");
        let log_file = fs::File::create(&log)?.into_file();
        let mut child = Command::new(executable)
            .arg("serve")
            .args(["--http", &http.to_string(), "--grpc", &grpc.to_string()])
            // Settings of another server that happen to lie here are not the demo's.
            .args(["--config", "/dev/null"])
            .arg("--data-dir")
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            // Ctrl-C is for the demo, which then stops the server in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the server")?;
        let stdout = child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        let mut reader = BufReader::new(stdout.take(MAX_READY_LINE));
        let read = tokio::time::timeout(START_LIMIT, reader.read_line(&mut line)).await;
        match read {
            Ok(Ok(0)) => bail!("the server did not start; it said:\n{}", end_of(&log)),
            Ok(read) => read.context("cannot read what the server says")?,
            Err(_) => bail!("the server was not ready in time; it said:\n{}", end_of(&log)),
        };
        let ready: Ready = serde_json::from_str(&line).context("the server's first line is odd")?;
        let grpc = ready.grpc.context("the server does not serve gRPC")?;
        Ok(Self { child, http: address_of(&ready.http)?, grpc: address_of(&grpc)?, log })
    }

    pub(super) const fn http(&self) -> &ServerAddress {
        &self.http
    }

    pub(super) const fn grpc(&self) -> &ServerAddress {
        &self.grpc
    }

    /// Waits for an end that nobody asked for.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow!("the server ended by itself ({status}); it said:\n{}", end_of(&self.log)),
            Err(error) => anyhow!(error).context("the server cannot be watched"),
        }
    }

    /// Asks the server to finish and waits for it.
    pub(super) async fn stop(mut self) -> Result<()> {
        // Without an id it has ended already.
        if let Some(pid) =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .context("cannot stop the server")?;
        }
        match tokio::time::timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(status) => {
                let status = status.context("cannot wait for the server")?;
                if !status.success() {
                    bail!("the server ended with {status}; it said:\n{}", end_of(&self.log));
                }
                Ok(())
            }
            Err(_) => {
                self.child.kill().await.context("cannot kill the server")?;
                bail!("the server did not stop in time and was killed")
            }
        }
    }
}

/// The last lines of the server's log, which is small: one demo.
fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // The admin key is shown there once and has no business here.
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("my_")).collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
