//! Which engines this machine has: ONNX Runtime, a shared library that is looked for, and RTen, which is built in.
//!
//! The library is looked for where the operator says (a flag or `ORT_DYLIB_PATH`) and then in the per-user folder,
//! where `engine install` puts it. It is never looked for by a file in the current directory: whoever can write there
//! would run code in the server.

pub(crate) mod install;
pub(crate) mod pins;

use std::path::{Path, PathBuf};

use fs_err as fs;
use yard_types::Digest;

/// The library's name in the per-user folder.
const FILE_NAME: &str = "libonnxruntime.so";

/// A library that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LibraryFile {
    pub(crate) path: PathBuf,
    pub(crate) origin: LibraryOrigin,
}

/// Who put a library there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LibraryOrigin {
    /// The operator named it; nothing is known of it.
    Named,
    /// `engine install` did: it had this SHA-256 then.
    Installed(Digest),
}

/// The ONNX Runtime library to load: the one that is named, whether or not it is there (its absence is then an error
/// worth telling), else the newest pinned one in the per-user folder, else any other that was installed there.
pub(crate) fn find_onnxruntime(named: Option<&Path>, home: Option<&Path>) -> Option<LibraryFile> {
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return Some(LibraryFile { path: path.to_owned(), origin: LibraryOrigin::Named });
    }
    let installed = installed_onnxruntimes(home?);
    let pinned = pins::for_this_machine().and_then(|pin| pin.library.parse::<Digest>().ok());
    let preferred = installed.iter().position(|(digest, _)| Some(*digest) == pinned).unwrap_or(0);
    let (digest, path) = installed.into_iter().nth(preferred)?;
    Some(LibraryFile { path, origin: LibraryOrigin::Installed(digest) })
}

/// Every library in the per-user folder, by digest.
fn installed_onnxruntimes(home: &Path) -> Vec<(Digest, PathBuf)> {
    // A folder that is not there or cannot be read holds nothing for us; `doctor` says more.
    let Ok(entries) = fs::read_dir(folder(home)) else {
        return Vec::new();
    };
    let mut found: Vec<(Digest, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let digest = entry.file_name().to_str()?.parse().ok()?;
            let library = entry.path().join(FILE_NAME);
            library.is_file().then_some((digest, library))
        })
        .collect();
    found.sort();
    found
}

/// Where the libraries are kept, one folder for each digest.
fn folder(home: &Path) -> PathBuf {
    home.join("engines/onnxruntime")
}

/// Where a library of this digest is kept.
pub(crate) fn place(home: &Path, digest: Digest) -> PathBuf {
    folder(home).join(digest.to_string()).join(FILE_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(home: &Path, digest: Digest) -> PathBuf {
        let place = place(home, digest);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, "").unwrap();
        place
    }

    #[test]
    fn a_named_library_wins_and_an_empty_name_counts_as_none() {
        let home = tempfile::tempdir().unwrap();
        let digest = Digest::from_bytes([7; 32]);
        let installed = put(home.path(), digest);
        let found = find_onnxruntime(Some(Path::new("/lib/x.so")), Some(home.path())).unwrap();
        assert_eq!(found, LibraryFile { path: "/lib/x.so".into(), origin: LibraryOrigin::Named });
        let found = find_onnxruntime(Some(Path::new("")), Some(home.path())).unwrap();
        assert_eq!(found, LibraryFile { path: installed, origin: LibraryOrigin::Installed(digest) });
    }

    #[test]
    fn the_pinned_library_is_preferred_to_others() {
        let home = tempfile::tempdir().unwrap();
        put(home.path(), Digest::from_bytes([0; 32]));
        let pin: Digest = pins::for_this_machine().unwrap().library.parse().unwrap();
        let pinned = put(home.path(), pin);
        put(home.path(), Digest::from_bytes([255; 32]));
        assert_eq!(find_onnxruntime(None, Some(home.path())).unwrap().path, pinned);
    }

    #[test]
    fn what_is_no_library_is_passed_over() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(find_onnxruntime(None, Some(home.path())), None);
        assert_eq!(find_onnxruntime(None, None), None);
        fs::create_dir_all(folder(home.path()).join("latest")).unwrap();
        fs::write(folder(home.path()).join("latest").join(FILE_NAME), "").unwrap();
        fs::create_dir_all(folder(home.path()).join("0".repeat(64))).unwrap();
        assert_eq!(find_onnxruntime(None, Some(home.path())), None);
    }
}
