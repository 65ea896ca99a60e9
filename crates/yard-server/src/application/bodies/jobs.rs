//! Jobs and data sets as bodies.

use serde_json::value::RawValue;
use yard_api::management::{
    DataSetBody, DataSetDraftBody, FileBody, JobBody, JobErrorBody, JobEventBody, JobEventKind,
    JobResultBody, LogLineBody, MetricBody, ProgressBody,
};
use yard_jobs::{EventBody, Job, JobEvent, JobKind, JobResult, LogLine, Metric, Progress, Report};
use yard_registry::{DataSetDraft, DataSetRecord};
use yard_types::{Timestamp, VersionNumber};

use crate::clock::rfc3339;

/// A job in short: without what it does and tells of its result, which may be long.
pub(crate) fn job_in_short(job: &Job) -> JobBody {
    let trial = match job.kind {
        JobKind::Trial { number, .. } => Some(number),
        JobKind::Train | JobKind::Search => None,
    };
    JobBody {
        id: job.id.to_string(),
        kind: job.kind.as_str().to_owned(),
        model: job.model.to_string(),
        state: job.state.as_str().to_owned(),
        parent: job.search().map(|search| search.to_string()),
        trial,
        threads: job.demand.threads,
        memory_bytes: job.demand.memory_bytes,
        created_by: job.owner.to_string(),
        created_at: rfc3339(job.created_at),
        started_at: job.started_at.map(rfc3339),
        ended_at: job.ended_at.map(rfc3339),
        attempt: job.attempt,
        cancel_requested: job.cancel_requested,
        progress: job.progress.as_ref().map(progress),
        error: job.failure.as_ref().map(|failure| JobErrorBody {
            code: failure.code.as_str().to_owned(),
            message: failure.message.clone(),
        }),
        result: job.result.as_ref().map(|result| JobResultBody {
            model: job.model.to_string(),
            version: result.version.map(VersionNumber::get),
            summary: None,
        }),
        spec: None,
        last_event: job.sequence,
    }
}

/// A job with everything that is known of it.
pub(crate) fn job(job: &Job) -> JobBody {
    let mut body = job_in_short(job);
    body.spec = json(&job.spec);
    if let (Some(body), Some(JobResult { summary, .. })) = (&mut body.result, &job.result) {
        body.summary = json(summary);
    }
    body
}

fn progress(progress: &Progress) -> ProgressBody {
    ProgressBody { phase: progress.phase.clone(), step: progress.step, of: progress.of }
}

pub(crate) fn metric(metric: &Metric) -> MetricBody {
    MetricBody {
        split: metric.split.clone(),
        name: metric.name.clone(),
        step: metric.step,
        value: metric.value.is_finite().then_some(metric.value),
    }
}

pub(crate) fn log_line((at, line): &(Timestamp, LogLine)) -> LogLineBody {
    LogLineBody { at: rfc3339(*at), level: line.level.as_str().to_owned(), text: line.text.clone() }
}

pub(crate) fn job_event(event: &JobEvent) -> JobEventBody {
    let what = match &event.body {
        EventBody::State(state) => JobEventKind::State { state: state.as_str().to_owned() },
        EventBody::Report(Report::Progress(told)) => JobEventKind::Progress(progress(told)),
        EventBody::Report(Report::Metric(told)) => JobEventKind::Metric(metric(told)),
        EventBody::Report(Report::Log(line)) => {
            JobEventKind::Log { level: line.level.as_str().to_owned(), text: line.text.clone() }
        }
        EventBody::Report(Report::Checkpoint(checkpoint)) => {
            JobEventKind::Checkpoint { step: checkpoint.step, bytes: checkpoint.bytes }
        }
    };
    JobEventBody { sequence: event.sequence, at: rfc3339(event.at), what }
}

/// A version of a data set in short.
pub(crate) fn data_set_in_short(record: &DataSetRecord) -> DataSetBody {
    DataSetBody {
        name: record.name.to_string(),
        version: record.number.get(),
        created_at: rfc3339(record.created_at),
        created_by: record.created_by.to_string(),
        digest: record.digest.to_string(),
        files: record.files,
        bytes: record.bytes,
        schema: None,
        statistics: None,
        file_list: None,
    }
}

/// A version of a data set with everything that is known of it.
pub(crate) fn data_set(record: &DataSetRecord, files: Vec<FileBody>) -> DataSetBody {
    DataSetBody {
        schema: json(&record.schema),
        statistics: json(&record.statistics),
        file_list: Some(files),
        ..data_set_in_short(record)
    }
}

pub(crate) fn data_set_draft(draft: &DataSetDraft) -> DataSetDraftBody {
    DataSetDraftBody {
        id: draft.id.to_string(),
        name: draft.name.to_string(),
        created_at: rfc3339(draft.created_at),
        files: draft.files,
        bytes: draft.bytes,
    }
}

/// Stored JSON as it is; `None` for nothing, and for what is none.
fn json(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok().filter(|value| value.get() != "null")
}
