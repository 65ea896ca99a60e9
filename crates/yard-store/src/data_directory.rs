//! The directory in which one server keeps everything.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;

/// What stands in the file `format`: the number says how the directory is laid out.
const FORMAT_LINE: &str = "modelyard data directory, format ";
/// The only layout so far.
const FORMAT: u32 = 1;
/// What may lie in a directory that is about to become a data directory.
const HARMLESS: [&str; 3] = ["lock", "format.new", "lost+found"];

/// A data directory, owned by this process as long as this value lives.
#[derive(Debug)]
pub struct DataDirectory {
    root: PathBuf,
    /// Locked; the kernel lets go of it when the process ends, however it ends.
    _lock: File,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirectoryError {
    /// Another process has it.
    #[error("the data directory {} is in use by {}: stop it first, or use another directory", path.display(), holder(*pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process, if it left its id.
        pid: Option<u32>,
    },
    /// It has files of something else in it.
    #[error("{} is not empty and is no Modelyard data directory: use an empty or a new one", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Its layout is of another version.
    #[error(
        "the data directory {} has format {found}, and this version of Modelyard knows {FORMAT}: use a newer version",
        path.display()
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It cannot be read or written.
    #[error("the data directory {} cannot be used", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl DataDirectory {
    /// Opens a data directory, making it when it is missing or empty, and takes hold of it.
    pub fn open(root: &Path) -> Result<Self, DataDirectoryError> {
        let failed = |source| DataDirectoryError::Io { path: root.to_owned(), source };
        fs_err::create_dir_all(root).map_err(failed)?;
        // Looked at before anything is changed: a directory of something else keeps its permissions.
        if !root.join("format").exists() && has_foreign_files(root).map_err(failed)? {
            return Err(DataDirectoryError::Foreign { path: root.to_owned() });
        }
        make_private(root).map_err(failed)?;
        let root = fs_err::canonicalize(root).map_err(failed)?;
        let lock = take_lock(&root)?;
        check_format(&root)?;
        Ok(Self { root, _lock: lock })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.root.join("modelyard.db")
    }

    /// Where artifacts are kept.
    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    /// Where packages are laid out; on the file system of the artifacts, so that hard links work.
    pub fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    /// The file with the first admin key.
    pub fn admin_key(&self) -> PathBuf {
        self.root.join("admin.key")
    }
}

fn make_private(root: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs_err::metadata(root)?.permissions().mode() & 0o777;
        if mode != 0o700
            && let Err(error) = fs_err::set_permissions(root, std::fs::Permissions::from_mode(0o700))
        {
            // A volume may belong to somebody else; the files inside are private all the same.
            tracing::warn!(%error, "the data directory cannot be made private");
        }
    }
    Ok(())
}

fn has_foreign_files(root: &Path) -> io::Result<bool> {
    for entry in fs_err::read_dir(root)? {
        let name = entry?.file_name();
        if !HARMLESS.iter().any(|harmless| name == *harmless) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn take_lock(root: &Path) -> Result<File, DataDirectoryError> {
    let failed = |source| DataDirectoryError::Io { path: root.to_owned(), source };
    let mut options = std::fs::OpenOptions::new();
    // Not truncated: as long as another process has the lock, its id stands here.
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut lock = options.open(root.join("lock")).map_err(failed)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            let read = (&lock).take(32).read_to_string(&mut text);
            let pid = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(DataDirectoryError::Locked { path: root.to_owned(), pid });
        }
        Err(error) => return Err(failed(error.into())),
    }
    lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
    Ok(lock)
}

fn check_format(root: &Path) -> Result<(), DataDirectoryError> {
    let failed = |source| DataDirectoryError::Io { path: root.to_owned(), source };
    let marker = root.join("format");
    let text = match fs_err::read_to_string(&marker) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return write_format(root).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    };
    let number = text.trim_end().strip_prefix(FORMAT_LINE).and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => Err(DataDirectoryError::Newer { path: root.to_owned(), found }),
        _ => Err(DataDirectoryError::Foreign { path: root.to_owned() }),
    }
}

/// Writes the marker whole or not at all.
fn write_format(root: &Path) -> io::Result<()> {
    let new = root.join("format.new");
    let mut file = fs_err::File::create(&new)?;
    writeln!(file, "{FORMAT_LINE}{FORMAT}")?;
    file.sync_all()?;
    fs_err::rename(new, root.join("format"))?;
    fs_err::File::open(root)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_made_private_and_marked() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("a/data");
        let directory = DataDirectory::open(&root).unwrap();
        assert_eq!(
            fs_err::read_to_string(root.join("format")).unwrap(),
            "modelyard data directory, format 1\n"
        );
        assert!(directory.packages().starts_with(directory.path()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs_err::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn one_process_owns_it_and_the_other_is_told_whom_to_stop() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(root.path()).unwrap();
        // A lock belongs to the open file, so a second one in this process stands for another process.
        let error = DataDirectory::open(root.path()).unwrap_err();
        assert!(
            matches!(error, DataDirectoryError::Locked { pid: Some(pid), .. } if pid == std::process::id())
        );
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        DataDirectory::open(root.path()).unwrap();
    }

    #[test]
    fn a_first_start_that_was_interrupted_is_taken_up_again() {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("lock"), "").unwrap();
        fs_err::write(root.path().join("format.new"), "modely").unwrap();
        DataDirectory::open(root.path()).unwrap();
    }

    #[test]
    fn files_of_something_else_are_not_moved_in_with() {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("thesis.doc"), "").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs_err::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert!(matches!(DataDirectory::open(root.path()), Err(DataDirectoryError::Foreign { .. })));
        assert!(!root.path().join("lock").exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs_err::metadata(root.path()).unwrap().permissions().mode() & 0o777, 0o755);
        }
    }

    // === the museum: the marker of every format that was ever written ===

    #[test]
    fn the_marker_of_every_format_is_understood() {
        let cases = [
            ("modelyard data directory, format 1\n", None),
            ("modelyard data directory, format 2\n", Some("has format 2")),
            ("something else\n", Some("no Modelyard data directory")),
            ("", Some("no Modelyard data directory")),
        ];
        for (marker, expected) in cases {
            let root = tempfile::tempdir().unwrap();
            fs_err::write(root.path().join("format"), marker).unwrap();
            let got = DataDirectory::open(root.path()).map(drop).map_err(|error| error.to_string());
            match expected {
                None => assert_eq!(got, Ok(()), "{marker}"),
                Some(part) => assert!(got.unwrap_err().contains(part), "{marker}"),
            }
        }
    }
}
