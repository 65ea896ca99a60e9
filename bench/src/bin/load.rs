//! A closed-loop load generator: a number of connections, each with one request in flight, on one thread.

use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use yard_bench::{Exchange, Latencies, Report, Target};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sends the same request over and over and prints what came back, as JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address and port of the server.
    address: SocketAddr,
    /// Path of the request.
    path: String,
    /// File with the body.
    #[arg(long)]
    body: PathBuf,
    /// A header line, such as `Authorization: Bearer KEY`; may be given several times.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// Connections kept busy.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Seconds measured.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds of the same load before measuring.
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Outcome {
    latencies: Latencies,
    failed: u64,
    first_failure: Option<String>,
}

async fn drive(target: Target, from: Instant, until: Instant) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection = None;
    while Instant::now() < until {
        if connection.is_none() {
            connection = Exchange::connect(&target).await.ok();
        }
        let started = Instant::now();
        let failure = match connection.as_mut() {
            Some(connection) => connection.ask().await.err().map(|error| format!("{error:?}")),
            None => Some("no connection".to_owned()),
        };
        if failure.is_some() {
            connection = None;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        match failure {
            _ if started < from => {}
            None => outcome.latencies.add(started.elapsed()),
            Some(failure) => {
                outcome.failed += 1;
                outcome.first_failure.get_or_insert(failure);
            }
        }
    }
    outcome
}

#[expect(clippy::print_stdout, reason = "the report is the program's output")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let body = std::fs::read(&arguments.body)
        .with_context(|| format!("cannot read {}", arguments.body.display()))?;
    let target =
        Target { address: arguments.address, path: arguments.path, headers: arguments.headers, body };
    let from = Instant::now() + Duration::from_secs_f64(arguments.warm_up);
    let until = from + Duration::from_secs_f64(arguments.seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..arguments.connections {
        tasks.spawn(drive(target.clone(), from, until));
    }
    let mut total = Outcome::default();
    while let Some(done) = tasks.join_next().await {
        let one = done?;
        total.latencies.merge(one.latencies);
        total.failed += one.failed;
        total.first_failure = total.first_failure.or(one.first_failure);
    }
    let Outcome { mut latencies, failed, first_failure } = total;
    let answered = latencies.count();
    let report = Report {
        connections: arguments.connections,
        answered,
        failed,
        first_failure,
        per_second: answered as f64 / arguments.seconds,
        p50_ms: latencies.quantile(0.5),
        p99_ms: latencies.quantile(0.99),
        seconds: arguments.seconds,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
