//! Which data exactly: one digest over every byte that is read.

use std::io::Read;
use std::path::Path;

use fs_err as fs;
use sha2::{Digest as _, Sha256};
use yard_types::Digest;

use super::{Format, Source};
use crate::error::DataError;
use crate::formats::{idx, image_folder};

const BUFFER: usize = 128 << 10;

impl Source {
    /// The SHA-256 of a single file, so that it can be found again by other means; of several (labels beside the rows, a
    /// folder of images) that of their names and digests.
    pub fn digest(&self) -> Result<Digest, DataError> {
        let file = match self {
            Self::Builtin(builtin) => {
                return Ok(Digest::from_bytes(Sha256::digest(builtin.identity()).into()));
            }
            Self::File(file) => file,
        };
        let shown = file.shown();
        let mut parts: Vec<(String, [u8; 32])> = Vec::new();
        if file.format()? == Format::ImageFolder {
            for image in image_folder::list(&file.path, &shown)? {
                let digest = digest_of(&file.path.join(&image), &shown)?;
                parts.push((image.to_string_lossy().into_owned(), digest));
            }
        } else {
            let digest = digest_of(&file.path, &shown)?;
            let Some(labels) = idx::labels_of(file) else {
                return Ok(Digest::from_bytes(digest));
            };
            parts.push(("rows".to_owned(), digest));
            parts.push(("labels".to_owned(), digest_of(&labels, &shown)?));
        }
        let mut whole = Sha256::new();
        for (name, digest) in parts {
            whole.update((name.len() as u64).to_le_bytes());
            whole.update(name.as_bytes());
            whole.update(digest);
        }
        Ok(Digest::from_bytes(whole.finalize().into()))
    }
}

fn digest_of(path: &Path, shown: &str) -> Result<[u8; 32], DataError> {
    let failed = |error| DataError::read(shown, error);
    let mut file = fs::File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_its_own_digest_and_a_folder_that_of_all_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        fs::write(&file, b"abc").unwrap();
        let digest = Source::path(&file).digest().unwrap();
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        fs::create_dir(folder.path().join("cat")).unwrap();
        fs::write(folder.path().join("cat/a.png"), b"one").unwrap();
        let whole = || Source::path(folder.path()).digest().unwrap();
        let before = whole();
        fs::write(&file, b"not part of it").unwrap();
        assert_eq!(whole(), before);
        fs::rename(folder.path().join("cat/a.png"), folder.path().join("cat/b.png")).unwrap();
        assert_ne!(whole(), before);
    }
}
