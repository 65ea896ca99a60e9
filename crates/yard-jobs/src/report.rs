//! What a job tells while it runs.

use yard_types::{PackagePath, Timestamp};

use crate::{JobId, JobState, MAX_TEXT_BYTES};

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What it is at, such as `epoch`.
    pub phase: String,
    /// How many steps of the phase are done.
    pub step: u64,
    /// Of how many; `None` when that is not known.
    pub of: Option<u64>,
}

/// A number by step. A later one of the same split, name and step takes the place of the earlier: a job that goes on
/// from a checkpoint tells some of them again.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// On which part of the data, such as `validation`.
    pub split: String,
    /// What was measured, such as `loss`.
    pub name: String,
    /// When in the run.
    pub step: u64,
    /// The number; it may be NaN or infinite.
    pub value: f64,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What it is doing.
    Info,
    /// What its owner should look at.
    Warning,
    /// What went wrong.
    Error,
}

/// One line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// The line.
    pub text: String,
}

/// A state from which a job can go on. The file is whole and durable before this is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The step after which it was taken.
    pub step: u64,
    /// Where it lies in the directory of the job.
    pub file: PackagePath,
    /// Its length.
    pub bytes: u64,
}

/// One thing that a child tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// How far it is. Only the last one is kept.
    Progress(Progress),
    /// A number.
    Metric(Metric),
    /// A line.
    Log(LogLine),
    /// A state from which to go on. The last few are kept.
    Checkpoint(Checkpoint),
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEvent {
    /// The job.
    pub job: JobId,
    /// Its place among the job's events: a later one has a larger number. Numbers of what was replaced or dropped are
    /// missing when events are read again.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// The job went into this state; the row says the rest.
    State(JobState),
    /// Its child told this.
    Report(Report),
}

impl LogLevel {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// The level as it stands in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

impl Report {
    /// This with its texts cut at [`MAX_TEXT_BYTES`]: stores keep nothing longer.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        match &mut self {
            Self::Progress(progress) => cut(&mut progress.phase),
            Self::Metric(metric) => {
                cut(&mut metric.split);
                cut(&mut metric.name);
            }
            Self::Log(line) => cut(&mut line.text),
            // A path is bounded by its type.
            Self::Checkpoint(_) => {}
        }
        self
    }
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "é".repeat(MAX_TEXT_BYTES);
        let Report::Log(line) =
            Report::Log(LogLine { level: LogLevel::Info, text: format!("a{text}") }).bounded()
        else {
            panic!()
        };
        assert_eq!(line.text.len(), MAX_TEXT_BYTES - 1);
        assert!(line.text.starts_with("aé"));
    }

    #[test]
    fn every_level_is_found_by_its_name() {
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::from_name(level.as_str()), Some(level));
        }
        assert_eq!(LogLevel::from_name("fatal"), None);
    }
}
