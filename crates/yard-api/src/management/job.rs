//! Jobs: long work on a server, and what it tells while it runs.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Submits a job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJobBody {
    /// What to train and how: a training specification, as `docs/training-spec.md` lists its keys. It names no files.
    #[schema(value_type = Object)]
    pub spec: Box<RawValue>,
    /// Most memory of the job's process, in bytes; the server's default when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory_bytes: Option<u64>,
}

/// One job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobBody {
    /// Its id.
    pub id: String,
    /// `train`, `search` or `trial`.
    pub kind: String,
    /// The model whose version the result becomes.
    pub model: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// The search that it is a trial of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Which trial of that search, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<u32>,
    /// Threads that it computes with.
    pub threads: u32,
    /// Most memory of its process, in bytes.
    pub memory_bytes: u64,
    /// The id of the key that submitted it.
    pub created_by: String,
    /// When it was submitted.
    pub created_at: String,
    /// When it was first started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// How often it was started; a job that goes on after an interruption counts again.
    pub attempt: u32,
    /// Whether it was called off and is about to end.
    pub cancel_requested: bool,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressBody>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobErrorBody>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResultBody>,
    /// What it does, with every default written out; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Object)]
    pub spec: Option<Box<RawValue>>,
    /// The sequence number of its last event.
    pub last_event: u64,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressBody {
    /// What it is at, such as `epoch`.
    pub phase: String,
    /// How many steps of that are done.
    pub step: u64,
    /// Of how many; left out while nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobErrorBody {
    /// What kind of failure, as in failures of requests.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// What came of a job that succeeded.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobResultBody {
    /// The model.
    pub model: String,
    /// The version that was made, or the identical one that was there; a trial has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What the job tells of its result: figures, sizes, times. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Object)]
    pub summary: Option<Box<RawValue>>,
}

/// A page of jobs, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// The jobs, without their specifications.
    pub jobs: Vec<JobBody>,
    /// Pass it as `after` to get the next page; left out on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// A number that a job told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricBody {
    /// On which part of the data, such as `validation`.
    pub split: String,
    /// What was measured, such as `loss`.
    pub name: String,
    /// When in the run.
    pub step: u64,
    /// The number; null where it is not finite.
    pub value: Option<f64>,
}

/// All numbers of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricList {
    /// By split, name and step.
    pub metrics: Vec<MetricBody>,
}

/// One line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLineBody {
    /// When.
    pub at: String,
    /// `info`, `warning` or `error`.
    pub level: String,
    /// The line.
    pub text: String,
}

/// The newest lines of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogList {
    /// In their order.
    pub lines: Vec<LogLineBody>,
}

/// One event of a job: the data of a server-sent event, whose id is the sequence number and whose type is the kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobEventBody {
    /// Its place among the job's events. Numbers of what was replaced are missing when events are read again.
    pub sequence: u64,
    /// When.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub what: JobEventKind,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobEventKind {
    /// It went into this state. After `succeeded`, `failed` and `cancelled` nothing comes.
    State {
        /// The state.
        state: String,
    },
    /// How far it is.
    Progress(ProgressBody),
    /// A number.
    Metric(MetricBody),
    /// A line of its log.
    Log {
        /// `info`, `warning` or `error`.
        level: String,
        /// The line.
        text: String,
    },
    /// A state from which it can go on after an interruption.
    Checkpoint {
        /// The step after which it was taken.
        step: u64,
        /// Its size.
        bytes: u64,
    },
}

/// The data of the event `missed`: the reader was too slow, and what it missed is told again as far as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissedBody {
    /// The last event before the gap.
    pub after: u64,
}

// === impl JobEventKind ===

impl JobEventKind {
    /// The type of the server-sent event.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Progress(_) => "progress",
            Self::Metric(_) => "metric",
            Self::Log { .. } => "log",
            Self::Checkpoint { .. } => "checkpoint",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(what: JobEventKind, expected: &str) {
        let event = JobEventBody { sequence: 3, at: "2026-11-22T00:00:00Z".to_owned(), what };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, format!(r#"{{"sequence":3,"at":"2026-11-22T00:00:00Z",{expected}}}"#));
        assert_eq!(serde_json::from_str::<JobEventBody>(&text).unwrap(), event);
        assert!(text.contains(&format!(r#""kind":"{}""#, event.what.as_str())));
    }

    #[test]
    fn events_are_flat_objects_that_name_their_kind() {
        check(JobEventKind::State { state: "running".to_owned() }, r#""kind":"state","state":"running""#);
        let progress = ProgressBody { phase: "epoch".to_owned(), step: 2, of: Some(9) };
        check(JobEventKind::Progress(progress), r#""kind":"progress","phase":"epoch","step":2,"of":9"#);
        let metric = MetricBody { split: "train".to_owned(), name: "loss".to_owned(), step: 1, value: None };
        check(
            JobEventKind::Metric(metric),
            r#""kind":"metric","split":"train","name":"loss","step":1,"value":null"#,
        );
        check(
            JobEventKind::Log { level: "info".to_owned(), text: "a\nb".to_owned() },
            r#""kind":"log","level":"info","text":"a\nb""#,
        );
        check(JobEventKind::Checkpoint { step: 5, bytes: 10 }, r#""kind":"checkpoint","step":5,"bytes":10"#);
    }

    #[test]
    fn a_specification_keeps_its_bytes_on_the_way() {
        let text = r#"{"spec":{"a": 0.10000000000000001, "b":1e-4}}"#;
        let body: NewJobBody = serde_json::from_str(text).unwrap();
        assert_eq!(body.spec.get(), r#"{"a": 0.10000000000000001, "b":1e-4}"#);
        assert!(serde_json::from_str::<NewJobBody>(r#"{"spec":{},"memory":1}"#).is_err());
    }
}
