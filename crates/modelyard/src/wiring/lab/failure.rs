//! How a job failed, for its owner.

use std::{error::Error, io};

use yard_jobs::{ChildEnd, JobFailure};
use yard_types::{Coded as _, ErrorCode};
use yard_worker::{ExitCause, WorkerError, WorkerLimits, train::TrainRefusal};

/// What runtimes say in a panic when memory cannot be had.
const OUT_OF_MEMORY_WORDS: [&str; 2] = ["Cannot allocate memory", "out of memory"];

/// The child said no.
pub(super) fn refused(refusal: &TrainRefusal) -> ChildEnd {
    ChildEnd::Refused(JobFailure { code: refusal.error_code(), message: refusal.message.clone() })
}

/// The child gave no answer. `used_bytes` is the memory it used when it last said so.
///
/// Runs are deterministic: what a limit or a fault of the program ended would end the same way again.
pub(super) fn of_worker(error: &WorkerError, limits: &WorkerLimits, used_bytes: u64) -> ChildEnd {
    let internal = |message: String| JobFailure { code: ErrorCode::Internal, message };
    match error {
        WorkerError::Exited(report) => match report.cause {
            Some(ExitCause::MemoryLimit { asked_bytes }) => {
                ChildEnd::Refused(memory_limit(limits.memory_bytes, used_bytes, asked_bytes))
            }
            Some(ExitCause::FileSize) => {
                let most = limits.written_file_bytes >> 20;
                let message = format!("the job tried to write a file of more than {most} MiB, the most that is allowed");
                ChildEnd::Refused(JobFailure { code: ErrorCode::PayloadTooLarge, message })
            }
            Some(ExitCause::Killed) => ChildEnd::Died(internal(
                "the process of the job was killed from outside, perhaps because the machine ran out of memory: give the \
                 job a lower memory limit, or run fewer jobs at once"
                    .to_owned(),
            )),
            _ => ChildEnd::Died(internal(format!("the process of the job ended without an answer: {error}"))),
        },
        WorkerError::Panicked { message } if OUT_OF_MEMORY_WORDS.iter().any(|words| message.contains(words)) => {
            ChildEnd::Refused(memory_limit(limits.memory_bytes, used_bytes, None))
        }
        WorkerError::Panicked { .. } => {
            let message = "training ended in an internal fault (a panic); the server's log says more".to_owned();
            ChildEnd::Refused(internal(message))
        }
        WorkerError::Spawn(source) if source.kind() == io::ErrorKind::NotFound => {
            let message = "the program modelyard-lab, in which jobs run, is not installed beside modelyard".to_owned();
            ChildEnd::Refused(JobFailure { code: ErrorCode::Unavailable, message })
        }
        other => {
            let message = format!("the process of the job failed: {other}");
            ChildEnd::Died(JobFailure { code: other.code(), message })
        }
    }
}

/// The directory of the job cannot be made, written or read.
pub(super) fn of_directory(error: &io::Error) -> ChildEnd {
    tracing::error!(error = error as &dyn Error, "the directory of a job failed");
    let message = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let message = "the disk is full: the job has no room for its files; free some space on the disk of the data \
                           directory, then start the job again";
            return ChildEnd::Refused(JobFailure {
                code: ErrorCode::Unavailable,
                message: message.to_owned(),
            });
        }
        _ => "the directory of the job cannot be used; the server's log says more",
    };
    ChildEnd::Died(JobFailure { code: ErrorCode::Internal, message: message.to_owned() })
}

fn memory_limit(limit_bytes: u64, used_bytes: u64, asked_bytes: Option<u64>) -> JobFailure {
    // Rounded up, so that one byte too many is not told as exactly the limit.
    let needed = used_bytes.saturating_add(asked_bytes.unwrap_or(0)).max(limit_bytes.saturating_add(1));
    let (needed, limit) = (needed.div_ceil(1 << 20), limit_bytes >> 20);
    let message = format!(
        "memory limit reached: at least {needed} MiB of {limit} MiB; lower batch_size, give fewer rows or columns, or \
         raise the limit"
    );
    JobFailure { code: ErrorCode::PayloadTooLarge, message }
}

#[cfg(test)]
mod tests {
    use yard_worker::ExitReport;

    use super::*;

    fn ended(cause: Option<ExitCause>) -> ChildEnd {
        let report = ExitReport { status: None, signal: Some(6), cause, hint: None };
        let limits = WorkerLimits { memory_bytes: 512 << 20, ..WorkerLimits::default() };
        of_worker(&WorkerError::Exited(report), &limits, 500 << 20)
    }

    #[test]
    fn a_memory_limit_is_told_with_both_numbers_and_what_to_do() {
        let asked = |asked_bytes| match ended(Some(ExitCause::MemoryLimit { asked_bytes })) {
            ChildEnd::Refused(failure) => failure,
            other => panic!("{other:?}"),
        };
        let failure = asked(Some(64 << 20));
        assert_eq!(failure.code, ErrorCode::PayloadTooLarge);
        let expected = "memory limit reached: at least 564 MiB of 512 MiB; lower batch_size, give fewer rows or columns, \
                        or raise the limit";
        assert_eq!(failure.message, expected);
        for unknown in [None, Some(1)] {
            assert!(asked(unknown).message.contains("at least 513 MiB of 512 MiB"), "{unknown:?}");
        }
        let limits = WorkerLimits::default();
        let panicked =
            WorkerError::Panicked { message: "cannot start a thread: Cannot allocate memory".into() };
        assert!(matches!(of_worker(&panicked, &limits, 0), ChildEnd::Refused(failure)
            if failure.message.starts_with("memory limit reached")));
    }

    #[test]
    fn what_may_go_better_next_time_is_tried_again_and_what_cannot_is_not() {
        for cause in [Some(ExitCause::Killed), Some(ExitCause::Crash), None] {
            assert!(matches!(ended(cause), ChildEnd::Died(_)), "{cause:?}");
        }
        assert!(matches!(ended(Some(ExitCause::FileSize)), ChildEnd::Refused(_)));
        let limits = WorkerLimits::default();
        let panicked = WorkerError::Panicked { message: "index out of bounds".into() };
        assert!(matches!(of_worker(&panicked, &limits, 0), ChildEnd::Refused(failure)
            if failure.code == ErrorCode::Internal && !failure.message.contains("bounds")));
        let missing = WorkerError::Spawn(io::ErrorKind::NotFound.into());
        assert!(matches!(of_worker(&missing, &limits, 0), ChildEnd::Refused(failure)
            if failure.message.contains("modelyard-lab")));
    }

    #[test]
    fn a_full_disk_is_told_as_one() {
        let ChildEnd::Refused(failure) = of_directory(&io::ErrorKind::StorageFull.into()) else { panic!() };
        assert!(failure.message.contains("free some space"), "{}", failure.message);
        assert!(matches!(of_directory(&io::ErrorKind::PermissionDenied.into()), ChildEnd::Died(_)));
    }
}
