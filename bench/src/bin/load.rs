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

/// When to measure.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Instant,
    until: Instant,
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Outcome {
    latencies: Latencies,
    answered_in_all: u64,
    failed: u64,
    first_failure: Option<String>,
}

/// Counts the answers that end within the window: those that straddle its start stand for those that straddle its end.
async fn drive(target: Target, window: Window) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection = None;
    let mut started = Instant::now();
    while started < window.until {
        let result = exchange(&mut connection, &target).await;
        let ended = Instant::now();
        match result {
            Ok(()) => {
                outcome.answered_in_all += 1;
                if ended >= window.from && ended <= window.until {
                    outcome.latencies.add(ended - started);
                }
                started = ended;
            }
            Err(failure) => {
                outcome.failed += 1;
                outcome.first_failure.get_or_insert(failure);
                connection = None;
                // A server that is gone must not make this a busy loop.
                tokio::time::sleep(Duration::from_millis(1)).await;
                started = Instant::now();
            }
        }
    }
    outcome
}

async fn exchange(connection: &mut Option<Exchange>, target: &Target) -> Result<(), String> {
    if connection.is_none() {
        *connection = Some(Exchange::connect(target).await.map_err(|error| error.to_string())?);
    }
    let connected = connection.as_mut().ok_or("no connection")?;
    connected.ask().await.map(|_| ()).map_err(|error| error.to_string())
}

/// CPU time of this, the only thread.
fn own_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// How much of a core this thread uses within the window.
async fn watch_own_cpu(window: Window) -> Option<f64> {
    tokio::time::sleep_until(window.from.into()).await;
    let (before, from) = (own_cpu()?, Instant::now());
    tokio::time::sleep_until(window.until.into()).await;
    Some((own_cpu()? - before).as_secs_f64() / from.elapsed().as_secs_f64())
}

#[expect(clippy::print_stdout, reason = "the report is the program's output")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let body = std::fs::read(&arguments.body)
        .with_context(|| format!("cannot read {}", arguments.body.display()))?;
    let Arguments { address, path, headers, connections, seconds, .. } = arguments;
    let target = Target { address, path, headers, body: Some(body) };
    let from = Instant::now() + Duration::from_secs_f64(arguments.warm_up);
    let window = Window { from, until: from + Duration::from_secs_f64(seconds) };
    let own_share = tokio::spawn(watch_own_cpu(window));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(drive(target.clone(), window));
    }
    let mut total = Outcome::default();
    while let Some(done) = tasks.join_next().await {
        let one = done?;
        total.latencies.merge(one.latencies);
        total.answered_in_all += one.answered_in_all;
        total.failed += one.failed;
        total.first_failure = total.first_failure.or(one.first_failure);
    }
    let Outcome { mut latencies, answered_in_all, failed, first_failure } = total;
    let answered = latencies.count();
    let report = Report {
        connections,
        answered,
        answered_in_all,
        failed,
        first_failure,
        per_second: answered as f64 / seconds,
        p50_ms: latencies.quantile(0.5),
        p99_ms: latencies.quantile(0.99),
        seconds,
        generator_share: own_share.await?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
