//! The files that a job makes, in its directory.

use std::{io, io::Write as _, path::Path};

use fs_err as fs;
use yard_types::PackagePath;

use super::checkpoints::sync;

/// The directory of the package in that of the job.
pub(crate) const DIRECTORY: &str = "package";
/// Under which name the package is written before it is whole.
const UNFINISHED: &str = "package.new";

/// Writes the files of a package; the directory is there, whole and synced, or not at all. What an earlier attempt left
/// is replaced.
pub(crate) fn write(job: &Path, files: &[(PackagePath, Vec<u8>)]) -> io::Result<()> {
    let (unfinished, finished) = (job.join(UNFINISHED), job.join(DIRECTORY));
    remove(&unfinished)?;
    fs::create_dir(&unfinished)?;
    for (path, content) in files {
        let place = unfinished.join(path.as_str());
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::File::create_new(&place)?;
        file.write_all(content)?;
        file.sync_all()?;
    }
    sync(&unfinished)?;
    remove(&finished)?;
    fs::rename(&unfinished, &finished)?;
    sync(job)
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Vec<(PackagePath, Vec<u8>)> {
        all.iter().map(|(path, content)| (path.parse().unwrap(), content.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_package_takes_the_place_of_what_an_earlier_attempt_left() {
        let job = tempfile::tempdir().unwrap();
        write(job.path(), &files(&[("model.onnx", "old"), ("old.json", "{}")])).unwrap();
        fs::create_dir(job.path().join(UNFINISHED)).unwrap();
        fs::write(job.path().join(UNFINISHED).join("model.onnx"), "half").unwrap();
        write(job.path(), &files(&[("model.onnx", "new"), ("extra/curve.svg", "<svg/>")])).unwrap();
        let package = job.path().join(DIRECTORY);
        assert_eq!(fs::read_to_string(package.join("model.onnx")).unwrap(), "new");
        assert_eq!(fs::read_to_string(package.join("extra/curve.svg")).unwrap(), "<svg/>");
        assert!(!package.join("old.json").exists());
        assert!(!job.path().join(UNFINISHED).exists());
    }

    #[test]
    fn a_package_that_cannot_be_written_is_not_there() {
        let job = tempfile::tempdir().unwrap();
        write(job.path(), &files(&[("a", ""), ("a/b", "")])).unwrap_err();
        assert!(!job.path().join(DIRECTORY).exists());
    }
}
