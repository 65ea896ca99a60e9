//! `jobs`: what a server trains, has trained and will train.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use yard_api::management::{JobBody, JobPage, LogList};
use yard_client::JobsQuery;
use yard_types::ModelName;

use super::{Session, follow};
use crate::output::{Table, bytes};

/// List, show, follow and cancel jobs
///
/// Without a command: lists the newest ones.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct JobsArgs {
    #[command(subcommand)]
    command: Option<JobsCommand>,

    /// Only jobs in this state
    #[arg(long, value_enum)]
    state: Option<State>,

    /// Only jobs of this model
    #[arg(long, value_name = "NAME")]
    model: Option<ModelName>,

    /// The trials of this search, which are not listed otherwise
    #[arg(long, value_name = "ID")]
    search: Option<String>,

    /// Most jobs to list
    #[arg(long, value_name = "JOBS", default_value_t = 50)]
    limit: u32,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// Show one job
    Show(OneArgs),
    /// Show how a job gets on, until it ends; Ctrl-C stops looking, and the job goes on
    Follow(OneArgs),
    /// Call a job off
    Cancel(OneArgs),
    /// Print the newest lines of a job's log
    Log(LogArgs),
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// Id of the job, as `jobs` lists it
    id: String,
}

#[derive(Debug, clap::Args)]
struct LogArgs {
    /// Id of the job, as `jobs` lists it
    id: String,

    /// Most lines, up to 2000
    #[arg(long, value_name = "LINES", default_value_t = 200)]
    lines: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// Waiting for its turn
    Queued,
    /// Running
    Running,
    /// It did what it was for
    Succeeded,
    /// It did not
    Failed,
    /// Somebody called it off
    Cancelled,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl JobsArgs {
    /// Whether Ctrl-C is the command's own affair.
    pub(super) const fn handles_interrupts(&self) -> bool {
        matches!(self.command, Some(JobsCommand::Follow(_)))
    }
}

pub(crate) async fn run(args: JobsArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    match &args.command {
        None => list(&args, session).await,
        Some(JobsCommand::Show(OneArgs { id })) => {
            let job = client.job(id).await?;
            output.data(&job, || render(&job))
        }
        Some(JobsCommand::Follow(OneArgs { id })) => {
            let job = follow::succeeded(follow::to_its_end(session, id).await?)?;
            output.data(&job, || follow::result(&job))
        }
        Some(JobsCommand::Cancel(OneArgs { id })) => {
            let job = client.cancel_job(id).await?;
            output.data(&job, || match job.state.as_str() {
                "cancelled" => format!("job {id} is cancelled"),
                _ => format!("job {id} is being cancelled"),
            })
        }
        Some(JobsCommand::Log(LogArgs { id, lines })) => {
            let list = LogList { lines: client.job_log(id, *lines).await? };
            output.data(&list, || {
                let lines = list.lines.iter();
                let lines = lines.map(|line| format!("{} {:7} {}", line.at, line.level, line.text));
                lines.collect::<Vec<_>>().join("\n")
            })
        }
    }
}

async fn list(args: &JobsArgs, session: &Session) -> Result<()> {
    let query = JobsQuery {
        state: args.state.map(|state| state.as_str().to_owned()),
        model: args.model.as_ref().map(ToString::to_string),
        search: args.search.clone(),
        after: None,
        limit: Some(args.limit),
    };
    let page = session.client.jobs(&query).await?;
    if page.jobs.is_empty() {
        session.output.talk("no such jobs; `modelyard train SPEC` submits one");
    }
    session.output.data(&page, || table(&page))
}

fn table(page: &JobPage) -> String {
    if page.jobs.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["ID", "KIND", "MODEL", "STATE", "PROGRESS", "RESULT", "SINCE"]);
    for job in &page.jobs {
        let result = match (&job.result, &job.error) {
            (Some(result), _) => {
                result.version.map_or_else(|| "-".to_owned(), |version| format!("version {version}"))
            }
            (None, Some(error)) => error.code.clone(),
            (None, None) => "-".to_owned(),
        };
        table.row([
            job.id.clone(),
            job.kind.clone(),
            job.model.clone(),
            state(job),
            progress(job).unwrap_or_else(|| "-".to_owned()),
            result,
            job.created_at.clone(),
        ]);
    }
    table.render()
}

fn state(job: &JobBody) -> String {
    if job.cancel_requested && job.state == "running" { "ending".to_owned() } else { job.state.clone() }
}

fn progress(job: &JobBody) -> Option<String> {
    let progress = job.progress.as_ref()?;
    let of = progress.of.map(|of| format!("/{of}")).unwrap_or_default();
    Some(format!("{} {}{of}", progress.phase, progress.step))
}

fn render(job: &JobBody) -> String {
    let mut table = Table::bare();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([name.to_owned(), value]);
        }
    };
    row("Job", Some(job.id.clone()));
    row("Kind", Some(job.kind.clone()));
    row("Model", Some(job.model.clone()));
    row("State", Some(state(job)));
    row("Progress", progress(job));
    row("Trial of", job.parent.clone());
    row("Threads", (job.threads > 0).then(|| job.threads.to_string()));
    row("Memory", (job.memory_bytes > 0).then(|| bytes(job.memory_bytes)));
    row("Submitted", Some(format!("{} by {}", job.created_at, job.created_by)));
    row("Started", job.started_at.clone());
    row("Ended", job.ended_at.clone());
    row("Attempts", Some(job.attempt.to_string()));
    row("Error", job.error.as_ref().map(|error| format!("{} ({})", error.message, error.code)));
    row("Result", job.result.as_ref().map(|_| follow::result(job)));
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(more: &str) -> JobBody {
        let text = format!(
            r#"{{"id":"7","kind":"train","model":"m","threads":2,"memory_bytes":1048576,"created_by":"k","created_at":
            "2026-11-22T00:00:00Z","attempt":1,"last_event":3,{more}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_list_shows_how_each_job_stands() {
        let progress =
            r#""state":"running","cancel_requested":false,"progress":{"phase":"epoch","step":2,"of":9}"#;
        let result = r#""state":"succeeded","cancel_requested":false,"result":{"model":"m","version":4}"#;
        let failed = r#""state":"failed","cancel_requested":false,"error":{"code":"internal","message":"x"}"#;
        let ending = r#""state":"running","cancel_requested":true"#;
        let jobs = [progress, result, failed, ending].map(job).into();
        let text = table(&JobPage { jobs, next_after: None });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "7   train  m      running    epoch 2/9  -          2026-11-22T00:00:00Z");
        assert_eq!(lines[2], "7   train  m      succeeded  -          version 4  2026-11-22T00:00:00Z");
        assert_eq!(lines[3], "7   train  m      failed     -          internal   2026-11-22T00:00:00Z");
        assert_eq!(lines[4], "7   train  m      ending     -          -          2026-11-22T00:00:00Z");
    }

    #[test]
    fn one_job_is_shown_with_why_it_failed() {
        let failed = r#""state":"failed","cancel_requested":false,"error":{"code":"internal","message":"x"}"#;
        let text = render(&job(failed));
        assert!(
            text.contains("Error      x (internal)\n") || text.ends_with("Error      x (internal)"),
            "{text}"
        );
        assert!(text.contains("Memory     1.00 MiB"), "{text}");
        assert!(!text.contains("Result"), "{text}");
    }
}
