//! Failures of a job, in words that its owner can act on.

use std::io;

use yard_types::{Coded, ErrorCode};
use yard_worker::train::TrainRefusal;

/// Longest message, in bytes.
const LONGEST: usize = 4000;

/// A refusal with the whole chain of causes: it is the job's owner who gave the specification and the data.
pub(crate) fn refused(error: &(impl Coded + 'static)) -> TrainRefusal {
    of_chain(error, error.code())
}

/// As [`refused`], for errors that do not say what kind they are. A full disk is told as one.
pub(crate) fn of_chain(error: &(dyn std::error::Error + 'static), code: ErrorCode) -> TrainRefusal {
    if let Some(full) = full_disk(error) {
        return full;
    }
    TrainRefusal::new(code, chain(error))
}

/// Whether there was no room for something, anywhere among the causes.
fn full_disk(error: &(dyn std::error::Error + 'static)) -> Option<TrainRefusal> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        let message = match kind {
            Some(io::ErrorKind::StorageFull) => {
                "the disk is full: the job could not write its files; free some space on the disk of the data directory, \
                 then start the job again"
            }
            Some(io::ErrorKind::QuotaExceeded) => {
                "the disk quota is used up: the job could not write its files; free some space or have the quota raised, \
                 then start the job again"
            }
            _ => {
                cause = error.source();
                continue;
            }
        };
        return Some(TrainRefusal::new(ErrorCode::Unavailable, message));
    }
    None
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors print their source themselves.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    shortened(text, LONGEST)
}

/// The beginning of a text, whole characters only.
pub(crate) fn shortened(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot save a checkpoint")]
    struct Storage(#[source] io::Error);

    impl Coded for Storage {
        fn code(&self) -> ErrorCode {
            ErrorCode::Internal
        }
    }

    #[test]
    fn a_full_disk_is_told_as_one_wherever_it_is_met() {
        // ENOSPC and EDQUOT.
        for number in [28, 122] {
            // As `fs_err` gives it: an error of the same kind around the system's own.
            let error = io::Error::from_raw_os_error(number);
            let wrapped = io::Error::new(error.kind(), error);
            let refusal = refused(&Storage(wrapped));
            assert_eq!(refusal.error_code(), ErrorCode::Unavailable);
            assert!(refusal.message.contains("free some space"), "{}", refusal.message);
        }
    }

    #[test]
    fn other_failures_are_told_with_their_causes() {
        let refusal = refused(&Storage(io::Error::other("the cable is out")));
        assert_eq!(refusal.error_code(), ErrorCode::Internal);
        assert_eq!(refusal.message, "cannot save a checkpoint: the cable is out");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("äöü".to_owned(), 3), "ä…");
        assert_eq!(shortened("abc".to_owned(), 3), "abc");
    }
}
