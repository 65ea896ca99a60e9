//! What lies on this machine and should be pushed: one file, or a directory.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use yard_types::{Digest, PackagePath};

use crate::{ClientError, Progress, ProgressSink, TransferStep};

/// Most files of a package; a directory with more is most likely the wrong one.
const MAX_FILES: usize = 4096;
/// Most files of a data set: a folder of images has one for each row.
const MAX_DATA_FILES: usize = 100_000;
/// Bytes read at once while hashing.
const CHUNK: usize = 256 * 1024;

/// The files of a package before they are pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPackage {
    files: Vec<LocalFile>,
}

/// One of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Its path inside the package.
    pub path: PackagePath,
    /// Where it lies.
    pub location: PathBuf,
    /// Its bytes when it was looked at.
    pub size: u64,
}

/// Why something is no package.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum PackageError {
    #[error("there is no file or directory {}", .0.display())]
    Missing(PathBuf),
    #[error("{} is neither a file nor a directory", .0.display())]
    Special(PathBuf),
    #[error(
        "{} is a symbolic link; a package holds plain files only: copy what it points at to its place", .0.display()
    )]
    Link(PathBuf),
    #[error("{} holds no file", .0.display())]
    Empty(PathBuf),
    #[error("{} holds more than {limit} files; is it the right directory?", path.display())]
    TooMany { path: PathBuf, limit: usize },
    #[error("two of the files are called {name}: rename one, or put them into a directory and name that")]
    Twice { name: PackagePath },
    #[error("{} cannot be part of a package: {reason}", path.display())]
    Name { path: PathBuf, reason: String },
}

impl LocalPackage {
    /// Looks at a file, or at all files below a directory. Hidden files (those whose name begins with a dot) are left
    /// out, symbolic links inside a directory are refused: what is pushed must not depend on what lies elsewhere.
    pub fn scan(path: &Path) -> Result<Self, ClientError> {
        Self::scan_at_most(path, MAX_FILES)
    }

    /// Looks at the files of a data set: those below one directory, or several files by their names. As [`Self::scan`]
    /// otherwise.
    pub fn scan_data(paths: &[PathBuf]) -> Result<Self, ClientError> {
        if let [one] = paths {
            return Self::scan_at_most(one, MAX_DATA_FILES);
        }
        let mut files: Vec<LocalFile> = Vec::new();
        for path in paths {
            if path.is_dir() {
                let reason =
                    "a data set of several parts is made of files; a directory is named alone".to_owned();
                return Err(PackageError::Name { path: path.clone(), reason }.into());
            }
            files.extend(Self::scan_at_most(path, 1)?.files);
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(PackageError::Twice { name: pair[0].path.clone() }.into());
        }
        Ok(Self { files })
    }

    fn scan_at_most(path: &Path, limit: usize) -> Result<Self, ClientError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(PackageError::Missing(path.to_owned()).into());
            }
            Err(error) => return Err(ClientError::file("look at", path, error)),
        };
        let mut files = Vec::new();
        if metadata.is_file() {
            // The name as given, even when it is a link: a person who names one file means its content.
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            files.push(LocalFile {
                path: package_path(&name)?,
                location: path.to_owned(),
                size: metadata.len(),
            });
        } else if metadata.is_dir() {
            collect(path, path, limit, &mut files)?;
        } else {
            return Err(PackageError::Special(path.to_owned()).into());
        }
        if files.is_empty() {
            return Err(PackageError::Empty(path.to_owned()).into());
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { files })
    }

    /// Its files, by path.
    pub fn files(&self) -> &[LocalFile] {
        &self.files
    }

    /// Bytes of all its files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The SHA-256 of each file, in their order. Reads every file once; blocks.
    pub(crate) fn hash(&self, progress: &ProgressSink) -> Result<Vec<Digest>, ClientError> {
        let total = self.size();
        let mut done = 0;
        let mut digests = Vec::with_capacity(self.files.len());
        let mut buffer = vec![0; CHUNK];
        for file in &self.files {
            let failed = |error| ClientError::file("read", &file.location, error);
            let mut content = File::open(&file.location).map_err(failed)?;
            let mut hasher = Sha256::new();
            loop {
                let count = content.read(&mut buffer).map_err(failed)?;
                if count == 0 {
                    break;
                }
                hasher.update(&buffer[..count]);
                done += count as u64;
                progress.report(Progress { step: TransferStep::Hash, path: Some(&file.path), done, total });
            }
            digests.push(Digest::from_bytes(hasher.finalize().into()));
        }
        Ok(digests)
    }
}

fn collect(root: &Path, folder: &Path, limit: usize, files: &mut Vec<LocalFile>) -> Result<(), ClientError> {
    let entries = fs::read_dir(folder).map_err(|error| ClientError::file("list", folder, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| ClientError::file("list", folder, error))?;
        let location = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let metadata = entry.metadata().map_err(|error| ClientError::file("look at", &location, error))?;
        let below = location.strip_prefix(root).unwrap_or(&location);
        if metadata.is_symlink() {
            return Err(PackageError::Link(location).into());
        } else if metadata.is_dir() {
            // The depth is bounded by what a path inside a package may be.
            package_path(below)?;
            collect(root, &location, limit, files)?;
        } else if metadata.is_file() {
            if files.len() == limit {
                return Err(PackageError::TooMany { path: root.to_owned(), limit }.into());
            }
            files.push(LocalFile { path: package_path(below)?, size: metadata.len(), location });
        } else {
            return Err(PackageError::Special(location).into());
        }
    }
    Ok(())
}

fn package_path(below: &Path) -> Result<PackagePath, PackageError> {
    let fault = |reason: String| PackageError::Name { path: below.to_owned(), reason };
    let mut text = String::new();
    for component in below.components() {
        let Some(part) = component.as_os_str().to_str() else {
            return Err(fault("its name is not UTF-8".to_owned()));
        };
        if !text.is_empty() {
            text.push('/');
        }
        text.push_str(part);
    }
    text.parse().map_err(|error: yard_types::PackagePathError| fault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(package: &LocalPackage) -> Vec<&str> {
        package.files().iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn a_directory_is_all_its_plain_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("weights/.cache")).unwrap();
        for name in ["model.onnx", "weights/b.data", "weights/a.data", ".hidden", "weights/.cache/x"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let package = LocalPackage::scan(folder.path()).unwrap();
        assert_eq!(paths(&package), ["model.onnx", "weights/a.data", "weights/b.data"]);
        assert_eq!(package.size(), 10 + 14 + 14);
    }

    #[test]
    fn hashing_reads_every_byte_once_and_agrees_with_the_published_value() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "abc").unwrap();
        let package = LocalPackage::scan(&folder.path().join("a")).unwrap();
        let digests = package.hash(&ProgressSink::none()).unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digests[0].to_string(), expected);
    }

    #[track_caller]
    fn refused(path: &Path, part_of_message: &str) {
        let message = LocalPackage::scan(path).unwrap_err().to_string();
        assert!(message.contains(part_of_message), "{message}");
    }

    #[test]
    fn what_is_no_package_is_refused_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        refused(&folder.path().join("nowhere"), "there is no file or directory");
        refused(folder.path(), "holds no file");
        refused(Path::new("/dev/null"), "neither a file nor a directory");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("model.onnx")).unwrap();
        refused(folder.path(), "symbolic link");
    }

    #[test]
    fn names_that_a_package_cannot_hold_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a:b"), "").unwrap();
        refused(folder.path(), "colon");
    }

    #[test]
    fn a_data_set_is_one_directory_or_files_of_different_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/rows.csv", "b/rows.csv", "b/more.csv"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        let found = LocalPackage::scan_data(&[at("b")]).unwrap();
        assert_eq!(paths(&found), ["more.csv", "rows.csv"]);
        let found = LocalPackage::scan_data(&[at("b/rows.csv"), at("b/more.csv")]).unwrap();
        assert_eq!(paths(&found), ["more.csv", "rows.csv"]);
        let refused = LocalPackage::scan_data(&[at("a/rows.csv"), at("b/rows.csv")]).unwrap_err();
        assert!(refused.to_string().contains("called rows.csv"), "{refused}");
        assert!(LocalPackage::scan_data(&[at("a"), at("b/more.csv")]).is_err());
    }
}
