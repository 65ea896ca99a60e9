//! A file mapped into memory.

use std::path::Path;

use crate::GgufError;

/// The bytes of a regular file, mapped read-only.
///
/// Whoever writes the file while it is mapped changes what is read; whoever cuts it makes reading end the process
/// (`SIGBUS`). So only files that nobody changes are to be opened: artifacts kept by digest are such files. A file may
/// be unlinked, or replaced by renaming another over it.
#[derive(Debug)]
pub struct MappedFile {
    map: memmap2::Mmap,
}

impl MappedFile {
    /// Maps the whole file.
    ///
    /// # Errors
    ///
    /// It is not a regular file, or cannot be opened or mapped.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        // Asked before opening, as opening a pipe waits for its other end.
        if !fs_err::metadata(path)?.is_file() {
            return Err(GgufError::NotRegular { path: path.to_owned() });
        }
        let file = fs_err::File::open(path)?;
        #[expect(unsafe_code, reason = "a map is only as constant as the file behind it")]
        // SAFETY: nothing else in this process writes the file, and the type's documentation asks callers to open only
        // files that no other process changes. The bytes are only ever read as `u8`, for which every value is valid.
        let map = unsafe { memmap2::Mmap::map(file.file()) }?;
        Ok(Self { map })
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}
