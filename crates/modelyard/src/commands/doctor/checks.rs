//! The checks. Each looks and says what it saw; none changes anything.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::Result;
use fs_err as fs;
use rustix::fs::FlockOperation;
use yard_client::{Client, ClientError};

use super::Finding;
use crate::{connection::ADMIN_KEY_FILE, engines::find_onnxruntime, output::bytes, settings::Settings};

/// Less free space than this must be mended: a push of an ordinary model could fail.
const LITTLE_SPACE: u64 = 512 << 20;
/// Files that a server opens beside its connections.
const OTHER_FILES: u64 = 256;

pub(super) fn settings(config: Option<&Path>, findings: &mut Vec<Finding>) -> Settings {
    match super::load_settings(config) {
        Ok(settings) => {
            findings.push(Finding::good("settings", "every key and value is known"));
            settings
        }
        Err(error) => {
            findings.push(Finding::mend(
                "settings",
                error,
                "correct it; docs/configuration.md lists every setting",
            ));
            Settings::default()
        }
    }
}

pub(super) fn data_directory(path: &Path) -> Finding {
    const WHAT: &str = "data directory";
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::good(WHAT, format!("{shown} is not there yet; the first start makes it"));
        }
        Err(error) => return Finding::mend(WHAT, error.to_string(), "make it readable for this user"),
    };
    if !metadata.is_dir() {
        return Finding::mend(WHAT, format!("{shown} is no directory"), "name another with --data-dir");
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me && me != 0 {
        let advice = format!("run as user {}, or chown it", metadata.uid());
        return Finding::mend(WHAT, format!("{shown} belongs to another user"), advice);
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        let advice = format!("chmod 700 {shown}");
        return Finding::mend(WHAT, format!("{shown} can be written by other users"), advice);
    }
    match is_locked(&path.join("lock")) {
        Ok(true) => Finding::good(WHAT, format!("{shown}, in use by a running server")),
        Ok(false) => Finding::good(WHAT, format!("{shown}, not in use")),
        Err(error) => {
            Finding::mend(WHAT, format!("{shown}: {error}"), "make its files readable for this user")
        }
    }
}

/// Whether a server holds the lock. Taken and let go again at once; a shared lock disturbs no other look.
fn is_locked(lock: &Path) -> io::Result<bool> {
    let file = match fs::File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn admin_key(data_dir: &Path) -> Finding {
    const WHAT: &str = "admin key";
    let path = data_dir.join(ADMIN_KEY_FILE);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            let advice = format!("chmod 600 {}, then `modelyard keys rotate` it", path.display());
            Finding::mend(WHAT, format!("{} can be read by other users", path.display()), advice)
        }
        Ok(_) => Finding::good(WHAT, format!("{}, for its owner alone", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Finding::note(
            WHAT,
            "none in the data directory",
            "pass --api-key or MODELYARD_API_KEY to use a server",
        ),
        Err(error) => Finding::mend(WHAT, error.to_string(), "make it readable for this user"),
    }
}

pub(super) fn disk_space(data_dir: &Path) -> Finding {
    const WHAT: &str = "disk space";
    // The directory may not be there yet: its nearest ancestor is on the same file system.
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let there = absolute.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(status) => {
            let free = status.f_bavail.saturating_mul(status.f_frsize);
            let found = format!("{} free for the data directory", bytes(free));
            if free < LITTLE_SPACE {
                Finding::mend(WHAT, found, "make room")
            } else {
                Finding::good(WHAT, found)
            }
        }
        Err(error) => Finding::note(WHAT, format!("cannot be told: {error}"), "check it by hand"),
    }
}

pub(super) fn engines(named: Option<&Path>, home: Option<&Path>) -> Vec<Finding> {
    let library = find_onnxruntime(named, home).map(|found| found.path);
    let (engines, missing) = yard_engine_onnx::engines_available(library.as_deref());
    let mut findings: Vec<Finding> = Vec::new();
    match (&library, missing) {
        (_, Some(error)) => {
            let advice = "name another library, or install the pinned one: modelyard engine install";
            findings.push(Finding::mend("ONNX Runtime", error.to_string(), advice));
        }
        (None, None) => findings.push(Finding::note(
            "ONNX Runtime",
            "not installed: models run on RTen where it can",
            "modelyard engine install",
        )),
        (Some(_), None) => {}
    }
    for engine in engines {
        let info = engine.info();
        let place = match (&library, info.name) {
            (Some(path), "onnxruntime") => path.display().to_string(),
            _ => "built in".to_owned(),
        };
        findings.push(Finding::good("engine", format!("{} {}, {place}", info.name, info.version)));
    }
    findings
}

pub(super) fn open_files(connections: usize) -> Finding {
    const WHAT: &str = "open files";
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let wanted = connections as u64 + OTHER_FILES;
    match limit {
        Some(limit) if limit < wanted => Finding::note(
            WHAT,
            format!("the limit is {limit}, which is less than {connections} connections need"),
            format!("raise it (ulimit -n {wanted}), or lower server.max_connections"),
        ),
        Some(limit) => Finding::good(WHAT, format!("the limit is {limit}")),
        None => Finding::good(WHAT, "no limit"),
    }
}

/// Whether a server is there and takes the key; the flag says whether one answers.
pub(super) async fn server(client: Result<Client>) -> (Vec<Finding>, bool) {
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            return (
                vec![Finding::mend("server", format!("{error:#}"), "correct the key or the address")],
                false,
            );
        }
    };
    let address = client.server().to_string();
    let mut findings = Vec::new();
    match client.live().await {
        Ok(()) => {}
        Err(ClientError::Unreachable { .. }) => {
            let found = format!("none answers at {address}");
            return (vec![Finding::note("server", found, "start one: modelyard serve")], false);
        }
        Err(error) => {
            let advice = "is another program at this address?";
            return (vec![Finding::mend("server", error.to_string(), advice)], true);
        }
    }
    match client.ready().await {
        Ok(()) => findings.push(Finding::good("server", format!("{address} is ready"))),
        Err(error) => findings.push(Finding::mend("server", error.to_string(), "look into its log")),
    }
    findings.push(match client.models().await {
        Ok(models) => Finding::good("key", format!("accepted; models that it sees: {}", models.len())),
        Err(error) => {
            Finding::mend("key", error.to_string(), "pass a valid one with --api-key or MODELYARD_API_KEY")
        }
    });
    (findings, true)
}

/// Whether a server could listen at an address, or one does.
pub(super) fn port(protocol: &str, address: SocketAddr, server_answers: bool) -> Finding {
    const WHAT: &str = "port";
    if address.port() == 0 {
        return Finding::good(WHAT, format!("{protocol}: a free one is taken"));
    }
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(WHAT, format!("{protocol}: {address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && server_answers => {
            Finding::good(WHAT, format!("{protocol}: {address} is in use; a server answers"))
        }
        Err(error) => {
            let advice = "stop the program that has it, or choose another address in the settings";
            Finding::mend(WHAT, format!("{protocol}: cannot listen at {address}: {error}"), advice)
        }
    }
}

#[cfg(test)]
mod tests;
