//! Where the admin key is kept for those who work on this machine.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use fs_err::{self as fs, os::unix::fs::OpenOptionsExt};
use yard_access::{KeyId, KeyKeeper, KeyText, PresentedKey};

const NAME: &str = "admin.key";
const NEW_NAME: &str = ".admin.key.new";
/// Far more than a key, far less than a mistake.
const MAX_BYTES: u64 = 4 * 1024;

/// The file `admin.key` of a data directory. Only its owner can read it (mode 0600); it is replaced as a whole.
#[derive(Debug, Clone)]
pub struct AdminKeyFile {
    directory: PathBuf,
}

impl AdminKeyFile {
    /// The file of this data directory, which must exist before a key is written.
    pub fn new(data_directory: impl Into<PathBuf>) -> Self {
        Self { directory: data_directory.into() }
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// Replaces the file. A reader, and whoever comes after a crash, sees the old key or the new one, never a part.
    pub fn write(&self, key: &KeyText) -> io::Result<()> {
        let new = self.directory.join(NEW_NAME);
        // Left over from a crash; whatever it is, it must not lend its permissions to the key.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(key.reveal().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        fs::File::open(&self.directory)?.sync_all()
    }

    /// The key in the file; `None` without a file. Whether it is a valid key is for the server to say.
    pub fn read(&self) -> io::Result<Option<KeyText>> {
        let path: &Path = &self.path();
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        Ok(Some(KeyText::new(text.trim())))
    }
}

impl KeyKeeper for AdminKeyFile {
    fn kept_key(&self) -> Option<KeyId> {
        let text = self.read().ok().flatten()?;
        PresentedKey::parse(text.reveal().trim()).map(|key| key.id())
    }

    fn keep(&self, text: &KeyText) -> io::Result<()> {
        self.write(text)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_kept_for_its_owner_alone_and_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let file = AdminKeyFile::new(directory.path());
        assert_eq!(file.read().unwrap(), None);
        for text in ["my_1_a", "my_2_b"] {
            file.write(&KeyText::new(text)).unwrap();
            assert_eq!(file.read().unwrap(), Some(KeyText::new(text)));
            assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let names = fs::read_dir(directory.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["admin.key"]);
    }

    #[test]
    fn what_a_crash_left_behind_lends_nothing_to_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        let left_over = directory.path().join(NEW_NAME);
        let public = std::fs::Permissions::from_mode(0o644);

        fs::write(&left_over, "a longer text than the key").unwrap();
        fs::set_permissions(&left_over, public).unwrap();
        let file = AdminKeyFile::new(directory.path());
        file.write(&KeyText::new("my_1_a")).unwrap();
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "my_1_a\n");

        std::os::unix::fs::symlink(&elsewhere, &left_over).unwrap();
        file.write(&KeyText::new("my_2_b")).unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "");
        assert_eq!(file.read().unwrap(), Some(KeyText::new("my_2_b")));
    }

    #[test]
    fn a_missing_data_directory_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let error = AdminKeyFile::new(&missing).write(&KeyText::new("my_1_a")).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
