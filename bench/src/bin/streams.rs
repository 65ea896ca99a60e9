//! Clients of a language model that read streams: each asks its next question when the last one is answered.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Parser;
use yard_bench::{Latencies, StreamReport, Streamed, Target};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asks questions, none of them twice, and prints how their streams came, as JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address and port of the server.
    address: SocketAddr,
    /// Path of the requests.
    path: String,
    /// File with the bodies, one a line, in the order in which they are asked.
    #[arg(long)]
    bodies: PathBuf,
    /// A header line, such as `Authorization: Bearer KEY`; may be given several times.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// Clients at once.
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// Seconds in which questions are begun; each client asks at least one, and all answers are read to their end.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Tokens that each answer has to have; without it, any number.
    #[arg(long)]
    tokens: Option<u64>,
}

/// What all clients share.
#[derive(Debug)]
struct Plan {
    address: SocketAddr,
    path: String,
    headers: Vec<String>,
    bodies: Vec<Vec<u8>>,
    next: AtomicUsize,
    until: Instant,
    tokens: Option<u64>,
}

/// What one client saw.
#[derive(Debug, Default)]
struct Outcome {
    to_first: Latencies,
    between: Latencies,
    answers: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
    answer_tokens: u64,
    failed: u64,
    first_failure: Option<String>,
}

impl Plan {
    /// The next question, as long as there is time and a question.
    fn next(&self, asked: u64) -> Option<Target> {
        if asked > 0 && Instant::now() >= self.until {
            return None;
        }
        let body = self.bodies.get(self.next.fetch_add(1, Ordering::Relaxed))?.clone();
        let Self { address, path, headers, .. } = self;
        Some(Target { address: *address, path: path.clone(), headers: headers.clone(), body: Some(body) })
    }
}

impl Outcome {
    fn add(&mut self, streamed: Streamed, wanted: Option<u64>) {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != streamed.answer_tokens) {
            let found = streamed.answer_tokens;
            return self.fail(format!("an answer has {found} tokens instead of {wanted}"));
        }
        self.answers += 1;
        self.prompt_tokens += streamed.prompt_tokens;
        self.cached_tokens += streamed.cached_tokens;
        self.answer_tokens += streamed.answer_tokens;
        self.to_first.add(streamed.to_first);
        for time in streamed.between {
            self.between.add(time);
        }
    }

    fn fail(&mut self, failure: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(failure);
    }

    fn merge(&mut self, other: Self) {
        self.to_first.merge(other.to_first);
        self.between.merge(other.between);
        self.answers += other.answers;
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.answer_tokens += other.answer_tokens;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}

/// The first failure of a client is its end: a server that refuses must not be asked in a busy loop.
async fn drive(plan: Arc<Plan>) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(target) = plan.next(outcome.answers) {
        match Streamed::ask(&target).await {
            Ok(streamed) => outcome.add(streamed, plan.tokens),
            Err(error) => outcome.fail(error.to_string()),
        }
        if outcome.failed > 0 {
            break;
        }
    }
    outcome
}

fn read_bodies(arguments: &Arguments) -> anyhow::Result<Vec<Vec<u8>>> {
    let path = &arguments.bodies;
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let bodies: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    ensure!(bodies.len() >= arguments.clients, "{} has fewer questions than clients", path.display());
    Ok(bodies)
}

#[expect(clippy::print_stdout, reason = "the report is the program's output")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let bodies = read_bodies(&arguments)?;
    let Arguments { address, path, headers, clients, seconds, tokens, .. } = arguments;
    // Each stream has a connection of its own, which ends with it.
    let headers = [vec!["Connection: close".to_owned()], headers].concat();
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    let plan = Arc::new(Plan { address, path, headers, bodies, next: AtomicUsize::new(0), until, tokens });
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        tasks.spawn(drive(Arc::clone(&plan)));
    }
    let mut total = Outcome::default();
    while let Some(done) = tasks.join_next().await {
        total.merge(done?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let report = StreamReport {
        clients,
        answers: total.answers,
        failed: total.failed,
        first_failure: total.first_failure,
        prompt_tokens: total.prompt_tokens,
        cached_tokens: total.cached_tokens,
        answer_tokens: total.answer_tokens,
        tokens_per_second: total.answer_tokens as f64 / seconds,
        to_first_p50_ms: total.to_first.quantile(0.5),
        to_first_p99_ms: total.to_first.quantile(0.99),
        between_p50_ms: total.between.quantile(0.5),
        between_p99_ms: total.between.quantile(0.99),
        seconds,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
