//! Showing a job while it runs.

use std::time::Duration;

use anyhow::{Result, bail};
use yard_jobs::{EventBody, Followed, Job, JobId, JobState, Jobs, LogLevel, Metric, Report};

use crate::output::{JobBar, Output};

/// Most events that are read at once.
const EVENTS_AT_ONCE: u32 = 1000;

/// Shows what happens to a job until it has come to its end. Gives the job and its metrics.
pub(super) async fn to_its_end(jobs: &Jobs, id: JobId, output: Output) -> Result<(Job, Vec<Metric>)> {
    let bar = output.job_bar();
    // Followed first, then read: so nothing is missed.
    let mut follower = jobs.follow(id);
    let mut seen = catch_up(jobs, id, 0, &bar, output).await?;
    loop {
        let job = jobs.job(id).await?;
        if job.state.is_final() {
            return Ok((job, jobs.metrics(id).await?));
        }
        loop {
            match follower.next().await {
                Followed::Event(event) if event.sequence <= seen => {}
                Followed::Event(event) => {
                    seen = event.sequence;
                    if show(&event.body, &bar, output) {
                        break;
                    }
                }
                Followed::Missed => {
                    seen = catch_up(jobs, id, seen, &bar, output).await?;
                    break;
                }
                Followed::Stopped => bail!("the scheduler stopped while the job was running"),
            }
        }
    }
}

/// Shows what has happened after this sequence number; gives that of the last event.
async fn catch_up(jobs: &Jobs, id: JobId, after: u64, bar: &JobBar, output: Output) -> Result<u64> {
    let mut seen = after;
    loop {
        let events = jobs.events(id, seen, EVENTS_AT_ONCE).await?;
        let Some(last) = events.last() else { return Ok(seen) };
        seen = last.sequence;
        for event in &events {
            show(&event.body, bar, output);
        }
    }
}

/// Whether the job's row is worth a look.
fn show(body: &EventBody, bar: &JobBar, output: Output) -> bool {
    match body {
        EventBody::State(state) => {
            bar.phase(match state {
                JobState::Queued => "waiting for its turn",
                JobState::Running => "starting",
                _ => "ending",
            });
            return true;
        }
        EventBody::Report(Report::Progress(progress)) => {
            bar.progress(&progress.phase, progress.step, progress.of);
        }
        EventBody::Report(Report::Metric(metric)) => {
            bar.number(&metric.split, &metric.name, metric.value);
        }
        EventBody::Report(Report::Log(line)) => {
            let text = match line.level {
                LogLevel::Info => line.text.clone(),
                LogLevel::Warning => format!("warning: {}", line.text),
                LogLevel::Error => format!("error: {}", line.text),
            };
            bar.above(|| output.talk(text));
        }
        EventBody::Report(Report::Checkpoint(_)) => {}
    }
    false
}

/// How long a job that is called off may take to end.
pub(super) const CANCEL_LIMIT: Duration = Duration::from_secs(10);
