//! Showing a job of a server while it runs.

use anyhow::{Context as _, Result};
use yard_api::management::{JobBody, JobEventBody, JobEventKind};
use yard_client::JobNews;
use yard_jobs::JobFailure;
use yard_types::ErrorCode;

use super::Session;
use crate::{
    exit::Interrupted,
    output::{JobBar, Output},
};

/// Shows what happens to a job until it has come to its end, and gives it as it is then. Ctrl-C only stops looking: the
/// job goes on.
pub(super) async fn to_its_end(session: &Session, id: &str) -> Result<JobBody> {
    tokio::select! {
        ended = watch(session, id) => ended,
        pressed = tokio::signal::ctrl_c() => {
            pressed.context("cannot listen for Ctrl-C")?;
            let told = format!(
                "job {id} goes on without this command: `modelyard jobs follow {id}` comes back to it, `modelyard jobs \
                 cancel {id}` calls it off"
            );
            Err(Interrupted).context(told)
        }
    }
}

/// Shows what happens to a job until it has come to its end, and gives it as it is then.
pub(super) async fn watch(session: &Session, id: &str) -> Result<JobBody> {
    let Session { client, output } = session;
    let bar = output.job_bar();
    let mut events = client.follow_job(id, 0);
    while let Some(news) = events.next().await? {
        match news {
            JobNews::Event(event) => show(&event, &bar, *output),
            // What is kept comes again by itself.
            JobNews::Missed => {}
            JobNews::Reconnecting => {
                bar.above(|| output.talk("the connection to the server was lost; trying again"));
            }
        }
    }
    Ok(client.job(id).await?)
}

fn show(event: &JobEventBody, bar: &JobBar, output: Output) {
    match &event.what {
        JobEventKind::State { state } => bar.phase(match state.as_str() {
            "queued" => "waiting for its turn",
            "running" => "starting",
            _ => "ending",
        }),
        JobEventKind::Progress(progress) => bar.progress(&progress.phase, progress.step, progress.of),
        JobEventKind::Metric(metric) => {
            if let Some(value) = metric.value {
                bar.number(&metric.split, &metric.name, value);
            }
        }
        JobEventKind::Log { level, text } => {
            bar.above(|| match level.as_str() {
                "info" => output.talk(text),
                level => output.talk(format!("{level}: {text}")),
            });
        }
        JobEventKind::Checkpoint { .. } => {}
    }
}

/// The job, if it succeeded; otherwise why it did not.
pub(super) fn succeeded(job: JobBody) -> Result<JobBody> {
    match job.state.as_str() {
        "succeeded" => Ok(job),
        "cancelled" => {
            let message = format!("job {} was called off", job.id);
            Err(JobFailure { code: ErrorCode::Cancelled, message }.into())
        }
        _ => {
            let (code, message) = match job.error {
                Some(error) => (error.code, error.message),
                None => (String::new(), format!("job {} failed", job.id)),
            };
            let code = ErrorCode::ALL.into_iter().find(|known| known.as_str() == code);
            Err(JobFailure { code: code.unwrap_or(ErrorCode::Internal), message }.into())
        }
    }
}

/// What came of a job, as `NAME version N`.
pub(super) fn result(job: &JobBody) -> String {
    match job.result.as_ref().and_then(|result| result.version) {
        Some(version) => format!("{} version {version}", job.model),
        None => format!("job {} {}", job.id, job.state),
    }
}
