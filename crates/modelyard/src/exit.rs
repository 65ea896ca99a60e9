//! What the program's exit status means. The table in `--help` and in the documentation says the same.

use std::{io, process::ExitCode};

use yard_chat::TemplateError;
use yard_client::{ClientError, PackageError};
use yard_gguf::GgufError;
use yard_jobs::{JobFailure, JobsError};
use yard_llm::{ConstraintError, LlmError, SamplingError, TokenizerError};
use yard_types::{Coded as _, ErrorCode};

use crate::{commands::train::SpecFileError, input::InputError};

/// Shown at the end of `modelyard --help`.
pub(crate) const TABLE: &str = "\
Exit status:
  0    done
  1    failed
  2    the command line is wrong
  3    the server cannot be reached
  4    the key is missing, wrong or not allowed to do this
  5    there is no such model, version, alias, key or file
  6    the model, the input or another value was refused
  7    not now: the server is busy, stopping or too slow; try again
  130  stopped by Ctrl-C";

/// The program's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    NotAllowed = 4,
    NotFound = 5,
    Refused = 6,
    TryAgain = 7,
    Interrupted = 130,
}

/// The person pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(crate) struct Interrupted;

/// The command line says something that cannot be meant, which only the command itself can see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Prints what clap has to say and gives its status: help and version are no failures.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing sensible is left to do when the terminal is gone.
    drop(error.print());
    if error.use_stderr() { Status::Usage.into() } else { Status::Done.into() }
}

/// The status for a failure: the first cause in its chain that says more than "failed".
pub(crate) fn status_of(error: &anyhow::Error) -> Status {
    error.chain().find_map(status_of_cause).unwrap_or(Status::Failed)
}

fn status_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Status> {
    if cause.is::<Interrupted>() {
        return Some(Status::Interrupted);
    }
    if cause.is::<UsageError>() {
        return Some(Status::Usage);
    }
    if let Some(error) = cause.downcast_ref::<InputError>() {
        return Some(if error.is_missing_file() { Status::NotFound } else { Status::Refused });
    }
    if let Some(error) = cause.downcast_ref::<SpecFileError>() {
        let missing = matches!(error, SpecFileError::Missing { .. });
        return Some(if missing { Status::NotFound } else { Status::Refused });
    }
    if let Some(failure) = cause.downcast_ref::<JobFailure>() {
        return Some(status_of_code(failure.code));
    }
    if let Some(error) = cause.downcast_ref::<JobsError>() {
        return Some(status_of_code(error.code()));
    }
    if let Some(status) = status_of_language_model(cause) {
        return Some(status);
    }
    let error = cause.downcast_ref::<ClientError>()?;
    Some(match error {
        ClientError::Unreachable { .. } => Status::Unreachable,
        ClientError::TimedOut { .. } => Status::TryAgain,
        ClientError::Address(_) | ClientError::Key(_) => Status::Usage,
        ClientError::Package(PackageError::Missing(_)) => Status::NotFound,
        ClientError::Package(_) | ClientError::Request(_) => Status::Refused,
        ClientError::Refused(refusal) => status_of_code(refusal.code),
        ClientError::Broken { .. } | ClientError::Protocol { .. } | ClientError::File { .. } => {
            Status::Failed
        }
    })
}

fn status_of_language_model(cause: &(dyn std::error::Error + 'static)) -> Option<Status> {
    if let Some(error) = cause.downcast_ref::<GgufError>() {
        return Some(status_of_file(error));
    }
    if let Some(error) = cause.downcast_ref::<LlmError>() {
        return Some(match error {
            // It hides behind its cover: the chain does not show it.
            LlmError::File(error) => status_of_file(error),
            LlmError::Kernel(_) | LlmError::CacheFull { .. } | LlmError::OutOfMemory { .. } => Status::Failed,
            _ => Status::Refused,
        });
    }
    let is_refusal = cause.is::<TokenizerError>()
        || cause.is::<SamplingError>()
        || cause.is::<ConstraintError>()
        || cause.is::<TemplateError>();
    is_refusal.then_some(Status::Refused)
}

fn status_of_file(error: &GgufError) -> Status {
    match error {
        GgufError::Io(error) if error.kind() == io::ErrorKind::NotFound => Status::NotFound,
        GgufError::Io(_) => Status::Failed,
        _ => Status::Refused,
    }
}

fn status_of_code(code: ErrorCode) -> Status {
    match code {
        ErrorCode::Unauthenticated | ErrorCode::PermissionDenied => Status::NotAllowed,
        ErrorCode::NotFound => Status::NotFound,
        ErrorCode::InvalidArgument | ErrorCode::PayloadTooLarge | ErrorCode::Unsupported => Status::Refused,
        ErrorCode::RateLimited | ErrorCode::Unavailable | ErrorCode::DeadlineExceeded => Status::TryAgain,
        ErrorCode::Conflict | ErrorCode::Cancelled | ErrorCode::Internal => Status::Failed,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_table_names_every_status() {
        let all = [
            Status::Done,
            Status::Failed,
            Status::Usage,
            Status::Unreachable,
            Status::NotAllowed,
            Status::NotFound,
            Status::Refused,
            Status::TryAgain,
            Status::Interrupted,
        ];
        for status in all {
            let number = format!("  {} ", status as u8);
            assert!(TABLE.lines().any(|line| line.starts_with(&number)), "{status:?}");
        }
        assert_eq!(TABLE.lines().count(), 1 + all.len());
    }

    #[test]
    fn the_cause_counts_and_not_what_was_said_around_it() {
        let cause = ClientError::TimedOut { server: "http://localhost".into() };
        let error = Err::<(), _>(cause).context("cannot push").unwrap_err();
        assert_eq!(status_of(&error), Status::TryAgain);
        assert_eq!(status_of(&anyhow::anyhow!("whatever")), Status::Failed);
    }
}
