//! `leaderboard`: the trials of a search, the best first.

mod at_server;
mod local;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value};
use yard_jobs::{Job, JobFailure, Leaderboard, Standing};
use yard_types::ErrorCode;

use super::{on_runtime, session};
use crate::{
    cli::GlobalArgs,
    output::{Output, Table, bytes},
};

/// Show the trials of a search, the best first
///
/// By quality on the validation rows; of equals the smaller model stands first. The latency is that of one row, measured
/// once after the trial was exported.
#[derive(Debug, clap::Args)]
pub(crate) struct LeaderboardArgs {
    /// Id of the search, or a model's name for its newest search
    #[arg(value_name = "ID|NAME")]
    search: String,

    /// Read the data directory of this machine, which no server may have open, instead of asking a server
    #[arg(long)]
    local: bool,
}

/// Most trials that are named for one reason.
const MAX_NUMBERS: usize = 8;

/// What is printed for programs.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    search: String,
    model: &'a str,
    state: &'static str,
    metric: Option<&'static str>,
    more_is_better: bool,
    trials: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    place: Option<u32>,
    trial: u32,
    job: String,
    state: &'static str,
    steps: Option<u64>,
    quality: Option<f64>,
    latency_nanoseconds: Option<u64>,
    bytes: Option<u64>,
    setting: Map<String, Value>,
    error: Option<&'a str>,
}

pub(crate) fn run(args: &LeaderboardArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let (search, trials) = if args.local {
        on_runtime(local::read(&args.search, global))?
    } else {
        on_runtime(async { at_server::read(&args.search, &session(global, output)?).await })?
    };
    let board = yard_jobs::leaderboard(&search, &trials)?;
    output.data(&answer(&search, &board), || render(&board))
}

/// There is no such search.
fn missing(search: &str) -> JobFailure {
    let message =
        format!("there is no search '{search}': give the id of one, or the name of a model that has one");
    JobFailure { code: ErrorCode::NotFound, message }
}

fn answer<'a>(search: &'a Job, board: &'a Leaderboard) -> Answer<'a> {
    let row = |standing: &'a Standing| Row {
        place: standing.place,
        trial: standing.number,
        job: standing.job.to_string(),
        state: standing.state.as_str(),
        steps: standing.steps,
        quality: standing.quality,
        latency_nanoseconds: standing.latency_nanoseconds,
        bytes: standing.bytes,
        setting: standing.setting.iter().cloned().collect(),
        error: standing.failure.as_deref(),
    };
    Answer {
        search: search.id.to_string(),
        model: search.model.as_str(),
        state: search.state.as_str(),
        metric: board.metric,
        more_is_better: board.more_is_better,
        trials: board.standings.iter().map(row).collect(),
    }
}

fn render(board: &Leaderboard) -> String {
    let metric = board.metric.unwrap_or("quality").to_uppercase();
    let fixed = ["PLACE", "TRIAL", "STATE", metric.as_str(), "LATENCY", "SIZE", "STEPS"];
    let keys = board.keys.iter().map(String::as_str);
    let mut table = Table::new(&fixed.into_iter().chain(keys).collect::<Vec<_>>());
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for standing in &board.standings {
        let mut cells = vec![
            or_dash(standing.place.map(|place| place.to_string())),
            standing.number.to_string(),
            standing.state.to_string(),
            or_dash(standing.quality.map(|quality| format!("{quality:.4}"))),
            or_dash(standing.latency_nanoseconds.map(|time| format!("{:.1} us", time as f64 / 1000.0))),
            or_dash(standing.bytes.map(bytes)),
            or_dash(standing.steps.map(|steps| steps.to_string())),
        ];
        cells.extend(board.keys.iter().map(|key| {
            let words = standing.words.iter().find(|(path, _)| path == key);
            or_dash(words.map(|(_, words)| words.clone()))
        }));
        table.row(cells);
    }
    table.render() + &failures(board)
}

/// Why trials failed, each reason once.
fn failures(board: &Leaderboard) -> String {
    let mut reasons: Vec<(&str, Vec<u32>)> = Vec::new();
    for standing in &board.standings {
        let Some(reason) = standing.failure.as_deref() else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, trials)) => trials.push(standing.number),
            None => reasons.push((reason, vec![standing.number])),
        }
    }
    let line = |(reason, trials): &(&str, Vec<u32>)| {
        let mut numbers: Vec<String> = trials.iter().take(MAX_NUMBERS).map(u32::to_string).collect();
        if trials.len() > MAX_NUMBERS {
            numbers.push(format!("{} more", trials.len() - MAX_NUMBERS));
        }
        let trial = if trials.len() == 1 { "trial" } else { "trials" };
        format!("\n{trial} {}: {reason}", numbers.join(", "))
    };
    reasons.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yard_jobs::{JobId, JobState};

    use super::*;

    fn board() -> Leaderboard {
        let standing = |number, quality: Option<f64>| Standing {
            place: quality.map(|_| 1),
            number,
            job: JobId::from_bits(u128::from(number)),
            state: if quality.is_some() { JobState::Succeeded } else { JobState::Failed },
            steps: Some(10),
            quality,
            latency_nanoseconds: quality.map(|_| 12_345),
            bytes: quality.map(|_| 2048),
            setting: vec![
                ("model".to_owned(), json!({"kind": "logistic", "more": 1})),
                ("training.optimizer.learning_rate".to_owned(), json!(0.000_123_456)),
            ],
            words: vec![
                ("model".to_owned(), "logistic".to_owned()),
                ("training.optimizer.learning_rate".to_owned(), "1.235e-4".to_owned()),
            ],
            failure: quality.is_none().then(|| "it diverged".to_owned()),
        };
        Leaderboard {
            metric: Some("accuracy"),
            more_is_better: true,
            keys: vec!["model".to_owned(), "training.optimizer.learning_rate".to_owned()],
            standings: vec![standing(4, Some(0.97)), standing(1, None)],
        }
    }

    #[test]
    fn a_row_names_place_figures_and_setting() {
        let text = render(&board());
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0][3..7], ["ACCURACY", "LATENCY", "SIZE", "STEPS"]);
        assert_eq!(
            words[1],
            ["1", "4", "succeeded", "0.9700", "12.3", "us", "2.00", "KiB", "10", "logistic", "1.235e-4"]
        );
        assert_eq!(words[2], ["-", "1", "failed", "-", "-", "-", "10", "logistic", "1.235e-4"]);
    }

    #[test]
    fn why_trials_failed_is_told_once_for_each_reason() {
        let mut board = board();
        let failed = board.standings.pop().unwrap();
        let with =
            |number, reason: &str| Standing { number, failure: Some(reason.to_owned()), ..failed.clone() };
        board.standings.extend((10..20).map(|number| with(number, "it diverged")));
        board.standings.push(with(20, "out of memory"));
        let text = render(&board);
        let lines: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(lines[0], "trial 20: out of memory");
        assert_eq!(lines[1], "trials 10, 11, 12, 13, 14, 15, 16, 17, 2 more: it diverged");
    }
}
