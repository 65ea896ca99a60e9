//! Fetching ONNX Runtime with the machine's own package client.
//!
//! `python3 -m pip` downloads the pinned wheel and checks its digest; Python's own `zipfile` takes the one member out
//! of it, so that no archive reader has to be part of this program for a step that needs Python anyway; the digest of
//! the library is checked here, and only then is it renamed into its place. Nothing of the wheel is installed or run.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use fs_err as fs;
use sha2::{Digest as _, Sha256};
use yard_types::Digest;

use super::pins::{self, Pin, VERSION, WHEEL_PYTHON};

/// Takes one member out of an archive: its path, the member's name, where to write it, most bytes to write.
const UNPACK: &str = "\
import sys, zipfile
archive, member, target, most = sys.argv[1:]
most = int(most)
with zipfile.ZipFile(archive) as opened, opened.open(member) as source, open(target, 'xb') as out:
    while chunk := source.read(1 << 20):
        most -= len(chunk)
        if most < 0:
            sys.exit('the member is larger than it should be')
        out.write(chunk)
";

/// Where the library is, and whether it was fetched now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) library: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) fetched: bool,
}

/// Why there is no ONNX Runtime now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error(
        "ONNX Runtime {VERSION} is pinned for Linux on x86_64 and aarch64 only; name a library of your own with ORT_DYLIB_PATH"
    )]
    Machine,
    #[error("there is no folder to install into: set MODELYARD_HOME or HOME")]
    NoHome,
    #[error("python3 is needed to fetch ONNX Runtime and is not on PATH; install python3 with pip")]
    NoPython,
    #[error("python3 has no pip, which is needed to fetch ONNX Runtime; install it (Debian: python3-pip)")]
    NoPip,
    #[error("pip could not fetch the pinned wheel; is the network or a package mirror there? It said:\n{0}")]
    Download(String),
    #[error("the wheel could not be unpacked: {0}")]
    Unpack(String),
    #[error("the library in the wheel has the SHA-256 {got}, not the pinned {wanted}; nothing was installed")]
    Digest { got: Digest, wanted: Digest },
    #[error("the pinned digest of this machine is malformed")]
    Pin,
    #[error("cannot {action}")]
    File {
        action: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Puts the pinned library into the per-user folder, if it is not there.
pub(crate) fn install(home: Option<&Path>, python: &Path) -> Result<Installed, InstallError> {
    let home = home.ok_or(InstallError::NoHome)?;
    let pin = pins::for_this_machine().ok_or(InstallError::Machine)?;
    let digest: Digest = pin.library.parse().map_err(|_| InstallError::Pin)?;
    let place = super::place(home, digest);
    if place.is_file() && digest_of(&place)? == digest {
        return Ok(Installed { library: place, digest, fetched: false });
    }
    let folder = place.parent().unwrap_or(home);
    fs::create_dir_all(folder)
        .map_err(|source| InstallError::File { action: "make the engine's folder", source })?;
    // Beside its place, so that the rename at the end cannot cross file systems.
    let workshop = tempfile::Builder::new().prefix(".fetching-").tempdir_in(folder);
    let workshop =
        workshop.map_err(|source| InstallError::File { action: "make a temporary folder", source })?;
    let wheel = download(python, &pin, workshop.path())?;
    let library = unpack(python, &wheel, &pin, workshop.path())?;
    let got = digest_of(&library)?;
    if got != digest {
        return Err(InstallError::Digest { got, wanted: digest });
    }
    let finish = || {
        fs::File::open(&library)?.sync_all()?;
        fs::rename(&library, &place)?;
        fs::File::open(folder)?.sync_all()
    };
    finish().map_err(|source| InstallError::File { action: "put the library into its place", source })?;
    Ok(Installed { library: place, digest, fetched: true })
}

fn download(python: &Path, pin: &Pin, folder: &Path) -> Result<PathBuf, InstallError> {
    let requirements = folder.join("requirements.txt");
    let line = format!("onnxruntime=={VERSION} --hash=sha256:{}\n", pin.wheel);
    fs::write(&requirements, line)
        .map_err(|source| InstallError::File { action: "write the requirements", source })?;
    let output = run(Command::new(python)
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"])
        .args(["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--quiet"])
        .args(["--implementation", "cp", "--python-version", WHEEL_PYTHON, "--platform", pin.platform])
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(&requirements))?;
    if !output.status.success() {
        let said = last_lines(&output.stderr);
        return Err(if said.contains("No module named pip") {
            InstallError::NoPip
        } else {
            InstallError::Download(said)
        });
    }
    let entries =
        fs::read_dir(folder).map_err(|source| InstallError::File { action: "look for the wheel", source })?;
    let wheel = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|it| it == "whl"));
    wheel.ok_or_else(|| InstallError::Download("it downloaded no wheel".to_owned()))
}

fn unpack(python: &Path, wheel: &Path, pin: &Pin, folder: &Path) -> Result<PathBuf, InstallError> {
    let library = folder.join("library");
    // Isolated: no user site, no PYTHON* variables and no modules of the current directory.
    let output = run(Command::new(python)
        .args(["-I", "-c", UNPACK])
        .arg(wheel)
        .arg(pins::member())
        .arg(&library)
        .arg(pin.library_size.to_string()))?;
    if output.status.success() { Ok(library) } else { Err(InstallError::Unpack(last_lines(&output.stderr))) }
}

fn run(command: &mut Command) -> Result<Output, InstallError> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Ok(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(InstallError::NoPython),
        Err(source) => Err(InstallError::File { action: "run python3", source }),
    }
}

/// The end of what a program said, which is where the reason stands.
fn last_lines(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// The SHA-256 of a file.
pub(crate) fn digest_of(path: &Path) -> Result<Digest, InstallError> {
    let hash = || {
        let mut file = fs::File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(Digest::from_bytes(hasher.finalize().into()));
            }
            hasher.update(&buffer[..count]);
        }
    };
    hash().map_err(|source| InstallError::File { action: "read the library", source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A stand-in for python3: a shell script that plays pip and zipfile.
    fn script(folder: &Path, body: &str) -> PathBuf {
        let path = folder.join("python3");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[track_caller]
    fn fails(body: &str, part_of_message: &str) {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let python = script(folder.path(), body);
        let message = install(Some(&home), &python).unwrap_err().to_string();
        assert!(message.contains(part_of_message), "{message}");
        assert_eq!(super::super::find_onnxruntime(None, Some(&home)), None, "nothing half-done is left");
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = install(Some(folder.path()), Path::new("/nowhere/python3")).unwrap_err();
        assert!(matches!(error, InstallError::NoPython), "{error}");
        assert!(matches!(install(None, Path::new("python3")), Err(InstallError::NoHome)));
        fails("echo '/usr/bin/python3: No module named pip' >&2; exit 1", "python3 has no pip");
        fails("echo 'ERROR: no route to host' >&2; exit 1", "no route to host");
        fails("exit 0", "no wheel");
    }

    /// Plays pip by leaving a wheel where `--dest` says, and zipfile by running `$UNPACKED`.
    const PLAYS_PIP: &str = r#"
if [ "$1" = -m ]; then
    while [ "$1" != --dest ]; do shift; done
    echo wheel > "$2/onnxruntime.whl"; exit 0
fi
"#;

    #[test]
    fn a_library_with_another_digest_is_not_installed() {
        // `-I -c CODE ARCHIVE MEMBER TARGET MOST`
        fails(&format!("{PLAYS_PIP}\necho forged > \"$6\""), "not the pinned");
        fails(&format!("{PLAYS_PIP}\necho 'bad zip' >&2; exit 1"), "bad zip");
    }

    #[test]
    fn the_member_is_taken_out_of_a_real_archive_within_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        let made = Command::new("python3")
            .args([
                "-I",
                "-c",
                "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('dir/x', b'12345')",
            ])
            .arg(&archive)
            .status();
        assert!(made.unwrap().success());
        let unpack = |target: &str, most: &str| {
            let target = folder.path().join(target);
            let mut command = Command::new("python3");
            command.args(["-I", "-c", UNPACK]).arg(&archive).arg("dir/x").arg(&target).arg(most);
            (run(&mut command).unwrap().status.success(), target)
        };
        let (fits, target) = unpack("fits", "5");
        assert!(fits);
        assert_eq!(fs::read(target).unwrap(), b"12345");
        assert!(!unpack("too-large", "4").0);
    }
}
