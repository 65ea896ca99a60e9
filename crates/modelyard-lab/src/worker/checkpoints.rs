//! States from which a job can go on, as files in its directory.
//!
//! A file holds a line that names the format, the step, the length and the SHA-256 of what follows, and the state itself.
//! It is written beside its place, synced and renamed, so that a file under its own name is whole; the digest finds what
//! a disk spoiled later.

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use fs_err as fs;
use sha2::{Digest as _, Sha256};

/// The first bytes of a file. The number says how the rest is laid out.
const MARK: &[u8] = b"modelyard checkpoint 1\n";
const HEADER_BYTES: usize = MARK.len() + 8 + 8 + 32;
/// The directory of the checkpoints in that of the job.
const DIRECTORY: &str = "checkpoints";
/// Under which name a file is written before it is whole.
const UNFINISHED: &str = "unfinished";
/// How many are kept, the newest: more than one, in case that the disk spoils the last.
const KEPT: usize = 3;

/// The checkpoints of one job.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    directory: PathBuf,
}

/// A checkpoint that is on the disk, synced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Relative to the job's directory.
    pub(crate) file: String,
    /// Its length.
    pub(crate) bytes: u64,
}

/// What [`Checkpoints::last`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The newest state that is whole, with its step.
    pub(crate) last: Option<(u64, Vec<u8>)>,
    /// The names of newer ones that are not.
    pub(crate) spoilt: Vec<String>,
}

impl Checkpoints {
    /// The checkpoints in a job's directory.
    pub(crate) fn open(job: &Path) -> io::Result<Self> {
        let directory = job.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        sync(job)?;
        Ok(Self { directory })
    }

    /// Keeps a state, and of the older ones the newest few. On failure the older ones are as they were.
    pub(crate) fn save(&self, step: u64, state: &[u8]) -> io::Result<Saved> {
        let unfinished = self.directory.join(UNFINISHED);
        let name = file_name(step);
        let written = write(&unfinished, step, state)
            .and_then(|()| fs::rename(&unfinished, self.directory.join(&name)))
            .and_then(|()| sync(&self.directory));
        if let Err(error) = written {
            // Its room may be what is missing.
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        // One too many does no harm and is tried again after the next.
        let _ = self.prune();
        Ok(Saved { file: format!("{DIRECTORY}/{name}"), bytes: (HEADER_BYTES + state.len()) as u64 })
    }

    /// The newest state that is whole.
    pub(crate) fn last(&self) -> io::Result<Found> {
        let mut spoilt = Vec::new();
        for (step, name) in self.newest_first()? {
            match read(&self.directory.join(&name), step)? {
                Some(state) => return Ok(Found { last: Some((step, state)), spoilt }),
                None => spoilt.push(name),
            }
        }
        Ok(Found { last: None, spoilt })
    }

    fn prune(&self) -> io::Result<()> {
        for (_, name) in self.newest_first()?.into_iter().skip(KEPT) {
            fs::remove_file(self.directory.join(name))?;
        }
        Ok(())
    }

    fn newest_first(&self) -> io::Result<Vec<(u64, String)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(step) = step_of(&name) {
                found.push((step, name));
            }
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        Ok(found)
    }
}

fn file_name(step: u64) -> String {
    format!("step-{step:020}")
}

fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (file_name(step) == name).then_some(step)
}

fn write(path: &Path, step: u64, state: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MARK);
    header.extend_from_slice(&step.to_le_bytes());
    header.extend_from_slice(&(state.len() as u64).to_le_bytes());
    header.extend_from_slice(&Sha256::digest(state));
    file.write_all(&header)?;
    file.write_all(state)?;
    file.sync_all()
}

/// `None` where the file is not whole, or not of that step.
fn read(path: &Path, step: u64) -> io::Result<Option<Vec<u8>>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header)?;
    let expected = [MARK, &step.to_le_bytes(), &(length - HEADER_BYTES as u64).to_le_bytes()].concat();
    let Some(digest) = header.strip_prefix(&*expected) else { return Ok(None) };
    let mut state = Vec::new();
    file.read_to_end(&mut state)?;
    Ok((Sha256::digest(&state)[..] == *digest).then_some(state))
}

/// Makes a change of a directory's entries survive a loss of power.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Checkpoints) {
        let job = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(job.path()).unwrap();
        (job, checkpoints)
    }

    fn names(checkpoints: &Checkpoints) -> Vec<u64> {
        checkpoints.newest_first().unwrap().into_iter().map(|(step, _)| step).collect()
    }

    #[test]
    fn the_newest_state_comes_back_also_to_another_process() {
        let (job, checkpoints) = open();
        assert_eq!(checkpoints.last().unwrap(), Found { last: None, spoilt: vec![] });
        for (step, state) in [(5, "five"), (100, "hundred"), (20, "")] {
            let saved = checkpoints.save(step, state.as_bytes()).unwrap();
            assert_eq!(fs::metadata(job.path().join(&saved.file)).unwrap().len(), saved.bytes);
        }
        let again = Checkpoints::open(job.path()).unwrap();
        assert_eq!(again.last().unwrap(), Found { last: Some((100, b"hundred".to_vec())), spoilt: vec![] });
    }

    #[test]
    fn a_state_of_a_step_that_comes_again_takes_the_place_of_the_earlier() {
        let (_job, checkpoints) = open();
        checkpoints.save(7, b"first").unwrap();
        checkpoints.save(7, b"second").unwrap();
        assert_eq!(checkpoints.last().unwrap().last, Some((7, b"second".to_vec())));
    }

    #[test]
    fn only_the_newest_few_are_kept() {
        let (_job, checkpoints) = open();
        for step in 0..10 {
            checkpoints.save(step, &[1]).unwrap();
        }
        assert_eq!(names(&checkpoints), [9, 8, 7]);
    }

    #[test]
    fn spoilt_files_are_passed_over_and_named() {
        let (job, checkpoints) = open();
        let path = |step| job.path().join(DIRECTORY).join(file_name(step));
        type Spoil = fn(&mut Vec<u8>);
        let ways: [Spoil; 6] = [
            |bytes| bytes.truncate(10),
            |bytes| bytes.clear(),
            |bytes| bytes.push(0),
            |bytes| *bytes.last_mut().unwrap() ^= 1,
            |bytes| bytes[0] ^= 1,
            |bytes| bytes[MARK.len()] ^= 1,
        ];
        for spoil in ways {
            checkpoints.save(1, b"old and whole").unwrap();
            checkpoints.save(2, b"spoilt").unwrap();
            let mut bytes = fs::read(path(2)).unwrap();
            spoil(&mut bytes);
            fs::write(path(2), bytes).unwrap();
            let Found { last, spoilt } = checkpoints.last().unwrap();
            assert_eq!(last, Some((1, b"old and whole".to_vec())));
            assert_eq!(spoilt, [file_name(2)]);
        }
    }

    #[test]
    fn a_write_that_broke_off_and_files_of_others_are_no_checkpoints() {
        let (job, checkpoints) = open();
        let directory = job.path().join(DIRECTORY);
        for name in [UNFINISHED, "step-1", "step-x", "notes"] {
            fs::write(directory.join(name), "x").unwrap();
        }
        assert_eq!(checkpoints.last().unwrap(), Found { last: None, spoilt: vec![] });
        checkpoints.save(1, b"state").unwrap();
        assert!(!directory.join(UNFINISHED).exists());
    }

    #[test]
    fn a_failed_write_leaves_the_older_states() {
        let (job, checkpoints) = open();
        checkpoints.save(1, b"old").unwrap();
        // A directory in the way stands for whatever keeps a file from being written.
        fs::create_dir(job.path().join(DIRECTORY).join(UNFINISHED)).unwrap();
        assert!(checkpoints.save(2, b"new").is_err());
        assert_eq!(checkpoints.last().unwrap().last, Some((1, b"old".to_vec())));
    }
}
