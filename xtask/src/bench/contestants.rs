//! Starting Modelyard and its peers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::Value;

use super::environment::{Environment, Triton};
use super::figures::Contestant;
use super::running::{self, Running};
use super::tools::Door;
use crate::places;
use crate::process;
use crate::setup::TestSupport;

/// The model of the one-row comparison, as all contestants call it.
pub(super) const SMALL: &str = "mlp";
/// More than Triton needs to start.
const PATIENCE: Duration = Duration::from_secs(90);

/// A contestant at work.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) contestant: Contestant,
    /// Two contestants can be handlers of one server.
    pub(super) running: Rc<Running>,
    pub(super) door: Door,
}

/// Modelyard with its default settings, a key required.
#[derive(Debug)]
pub(super) struct Modelyard {
    pub(super) running: Running,
    pub(super) log: PathBuf,
    program: PathBuf,
    address: String,
    key: String,
}

impl Modelyard {
    /// Starts on a data directory and comes back as soon as it says that it is ready.
    pub(super) fn start(environment: &Environment, data: &Path) -> Result<Self> {
        Self::start_with(&environment.modelyard, &environment.support, data, &[])
    }

    /// The same, with settings by the names of their variables.
    pub(super) fn start_with(
        program: &Path,
        support: &TestSupport,
        data: &Path,
        settings: &[(&str, String)],
    ) -> Result<Self> {
        let folder = data.parent().context("a data directory has a parent")?;
        let mut command = Command::new(program);
        // Neither a settings file nor a variable of the person's own may change what is measured.
        command.current_dir(folder);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MODELYARD_") {
                command.env_remove(name);
            }
        }
        for (name, value) in settings {
            command.env(name, value);
        }
        command.env("ORT_DYLIB_PATH", &support.runtime);
        command.arg("serve").arg("--data-dir").arg(data);
        command.args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]);
        let log = data.with_extension("log");
        let (running, line) = Running::start_and_read_line(&mut command, &log)?;
        let ready: Value = serde_json::from_str(&line).context("modelyard serve prints JSON")?;
        let address = ready["http"].as_str().context("modelyard serve tells its address")?.to_owned();
        let key = fs::read_to_string(data.join("admin.key"))?.trim().to_owned();
        Ok(Self { running, log, program: program.to_owned(), address, key })
    }

    pub(super) fn push(&self, name: &str, model: &Path) -> Result<()> {
        let server = format!("http://{}", self.address);
        let mut command = Command::new(&self.program);
        command.args(["--server", &server, "--api-key", &self.key, "--json", "push", name]).arg(model);
        process::capture(&mut command).map(|_| ()).with_context(|| format!("cannot push {name}"))
    }

    pub(super) fn door(&self, model: &str) -> Result<Door> {
        self.door_at(path_of(model))
    }

    pub(super) fn door_at(&self, path: String) -> Result<Door> {
        Ok(Door {
            address: self.address.parse().context("modelyard serve tells an address with a port")?,
            path,
            headers: vec![format!("Authorization: Bearer {}", self.key)],
        })
    }
}

pub(super) fn bare_axum(environment: &Environment, scratch: &Path) -> Result<Served> {
    let address = running::free_address()?;
    let mut command = Command::new(&environment.bare_axum);
    command.args(["--address", &address.to_string(), "--threads", &environment.io_threads.to_string()]);
    let running = Running::start(&mut command, &scratch.join("bare-axum.log"))?;
    let door = Door { address, path: path_of(SMALL), headers: Vec::new() };
    Ok(Served { contestant: Contestant::BareAxum, running: Rc::new(running), door })
}

/// One process with both kinds of handler.
pub(super) fn fastapi(environment: &Environment, model: &Path, scratch: &Path) -> Result<[Served; 2]> {
    let address = running::free_address()?;
    let mut command = Command::new(&environment.python);
    command.env("PEER_MODEL", model).env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(["-m", "uvicorn", "fastapi_app:app", "--workers", "1", "--log-level", "warning"]);
    command.args(["--no-access-log", "--host", "127.0.0.1", "--port", &address.port().to_string()]);
    command.arg("--app-dir").arg(places::checkout().join("bench/peers"));
    let running = Rc::new(Running::start(&mut command, &scratch.join("fastapi.log"))?);
    let handlers = [(Contestant::FastApi, "/pool"), (Contestant::FastApiAsync, "/async")];
    Ok(handlers.map(|(contestant, prefix)| {
        let door = Door { address, path: format!("{prefix}{}", path_of(SMALL)), headers: Vec::new() };
        Served { contestant, running: Rc::clone(&running), door }
    }))
}

/// Triton, and the version that it tells; an error when it does not start.
pub(super) fn triton(
    environment: &Environment,
    triton: &Triton,
    model: &Path,
    scratch: &Path,
) -> Result<(Served, String)> {
    let repository = scratch.join("triton-repository");
    lay_out_repository(&repository, &triton.packages, model)?;
    let (address, grpc) = (running::free_address()?, running::free_address()?);
    let log = scratch.join("triton.log");
    let mut command = Command::new(triton.server.join("bin/tritonserver"));
    command.env("LD_LIBRARY_PATH", &triton.libraries).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("--model-repository").arg(&repository);
    command.arg("--backend-directory").arg(triton.server.join("backends"));
    command.args(["--http-address", "127.0.0.1", "--http-port", &address.port().to_string()]);
    command.args(["--grpc-address", "127.0.0.1", "--grpc-port", &grpc.port().to_string()]);
    command.args(["--allow-metrics", "false"]);
    let started = Instant::now();
    let mut running = Running::start(&mut command, &log)?;
    let about = Door { address, path: "/v2".to_owned(), headers: Vec::new() };
    let told = loop {
        match environment.tools.ask(&about, None, 1) {
            Ok(told) => break told,
            Err(error) if !running.is_alive() || started.elapsed() > PATIENCE => {
                eprintln!("{}", running::last_lines(&log));
                return Err(error);
            }
            Err(_) => {}
        }
    };
    let told: Value = serde_json::from_slice(&told).context("Triton's /v2 answers JSON")?;
    let version = told["version"].as_str().context("Triton tells its version")?.to_owned();
    let door = Door { address, path: path_of(SMALL), headers: Vec::new() };
    Ok((Served { contestant: Contestant::Triton, running: Rc::new(running), door }, version))
}

fn lay_out_repository(repository: &Path, packages: &Path, model: &Path) -> Result<()> {
    let ours = places::checkout().join("bench/peers/triton");
    let version = repository.join(SMALL).join("1");
    fs::create_dir_all(&version)?;
    fs::copy(ours.join("config.pbtxt"), repository.join(SMALL).join("config.pbtxt"))?;
    fs::copy(ours.join("model.py"), version.join("model.py"))?;
    fs::write(version.join("packages.txt"), packages.as_os_str().as_encoded_bytes())?;
    fs::copy(model, version.join("model.onnx"))?;
    Ok(())
}

fn path_of(model: &str) -> String {
    format!("/v2/models/{model}/infer")
}
