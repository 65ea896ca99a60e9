//! The files of one version, as an engine sees them.

use std::path::{Path, PathBuf};

use yard_types::PackagePath;

/// A directory that holds the files of one version and nothing else, and which of them is the model.
///
/// The files are regular files or hard links, never symbolic links, and nobody writes to them.
#[derive(Debug, Clone)]
pub struct ModelPackage {
    directory: PathBuf,
    main: PackagePath,
}

impl ModelPackage {
    /// Names the directory and the model file in it.
    pub fn new(directory: impl Into<PathBuf>, main: PackagePath) -> Self {
        Self { directory: directory.into(), main }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The model file's path inside the package.
    pub const fn main(&self) -> &PackagePath {
        &self.main
    }

    /// The model file's path on this machine.
    pub fn main_file(&self) -> PathBuf {
        self.directory.join(self.main.as_str())
    }
}
