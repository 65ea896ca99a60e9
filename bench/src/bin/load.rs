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

async fn drive(target: Target, from: Instant, until: Instant) -> (Latencies, u64) {
    let mut latencies = Latencies::default();
    let mut failed = 0;
    let mut connection = None;
    while Instant::now() < until {
        if connection.is_none() {
            connection = Exchange::connect(&target).await.ok();
        }
        let started = Instant::now();
        let outcome = match connection.as_mut() {
            Some(connection) => connection.ask().await.is_ok(),
            None => false,
        };
        if !outcome {
            connection = None;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        match outcome {
            _ if started < from => {}
            true => latencies.add(started.elapsed()),
            false => failed += 1,
        }
    }
    (latencies, failed)
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
    let mut latencies = Latencies::default();
    let mut failed = 0;
    while let Some(done) = tasks.join_next().await {
        let (more, failures) = done?;
        latencies.merge(more);
        failed += failures;
    }
    let answered = latencies.count();
    let report = Report {
        connections: arguments.connections,
        answered,
        failed,
        per_second: answered as f64 / arguments.seconds,
        p50_ms: latencies.quantile(0.5),
        p99_ms: latencies.quantile(0.99),
        seconds: arguments.seconds,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
