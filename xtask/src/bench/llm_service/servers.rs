//! Modelyard and llama.cpp's server, with the same model on as many threads.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Setting;
use crate::bench::contestants::Modelyard;
use crate::bench::running::{self, Running};
use crate::bench::tools::Door;

/// The model's name at Modelyard; the peer has but one.
pub(super) const MODEL: &str = "llm";
/// The ONNX model's.
pub(super) const DIGITS: &str = "digits";
/// Most clients at once.
pub(super) const MOST_CLIENTS: usize = 16;
/// Tokens of all requests together: sixteen prompts with a long beginning and their answers have room twice.
const POSITIONS: usize = 32_768;
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Modelyard,
    Peer,
}

/// Both, warm.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) modelyard: Modelyard,
    peer: SocketAddr,
    /// Stopped with this.
    _peer: Running,
}

impl Servers {
    /// Starts both, each in its own place below `scratch`, and comes back when both are ready.
    pub(super) fn start(setting: &Setting, scratch: &Path, threads: u32) -> Result<Self> {
        let settings = [
            ("MODELYARD_LANGUAGE_THREADS", threads.to_string()),
            ("MODELYARD_LANGUAGE_POSITIONS", POSITIONS.to_string()),
        ];
        let data = scratch.join(format!("modelyard-{threads}"));
        let modelyard = Modelyard::start_with(&setting.modelyard, &setting.support, &data, &settings)?;
        modelyard.push(MODEL, &setting.model)?;
        modelyard.push(DIGITS, &setting.support.assets.join("models/digits/model.onnx"))?;
        let log = scratch.join(format!("llama-server-{threads}.log"));
        let (mut process, peer) = start_peer(setting, threads, &log)?;
        let health = Door { address: peer, path: "/health".to_owned(), headers: Vec::new() };
        let started = Instant::now();
        // While it loads its model it answers 503.
        while let Err(error) = setting.streams.ask(&health, None, 1) {
            if !process.is_alive() || started.elapsed() > PATIENCE {
                bail!("llama-server is not ready: {error:#}\n{}", running::last_lines(&log));
            }
        }
        Ok(Self { modelyard, peer, _peer: process })
    }

    /// Where texts are continued.
    pub(super) fn door(&self, who: Who) -> Result<Door> {
        let path = "/v1/completions".to_owned();
        match who {
            Who::Modelyard => self.modelyard.door_at(path),
            Who::Peer => Ok(Door { address: self.peer, path, headers: Vec::new() }),
        }
    }
}

/// What the peer is started with, but for the file, the threads and the port: a slot for each client, each with keys and
/// values of its own (one cache for all is slower where prompts differ, and no faster where they begin alike), nothing
/// copied to a cache beside them, flash attention, no page, no log of requests.
pub(super) fn peer_flags() -> Vec<String> {
    let (slots, positions) = (MOST_CLIENTS.to_string(), POSITIONS.to_string());
    let flags = [
        "--parallel",
        slots.as_str(),
        "--ctx-size",
        positions.as_str(),
        "--no-kv-unified",
        "--cache-ram",
        "0",
        "--flash-attn",
        "on",
        "--fit",
        "off",
        "--no-ui",
        "--offline",
        "--log-verbosity",
        "1",
    ];
    flags.map(str::to_owned).to_vec()
}

fn start_peer(setting: &Setting, threads: u32, log: &Path) -> Result<(Running, SocketAddr)> {
    let address = running::free_address()?;
    let mut command = Command::new(&setting.llama_server);
    command.arg("--model").arg(&setting.model);
    command.args(["--threads", &threads.to_string(), "--threads-batch", &threads.to_string()]);
    command.args(peer_flags());
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
    Ok((Running::start(&mut command, log)?, address))
}
