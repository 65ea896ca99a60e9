//! One request, whose answer is printed: to wait for a server, and to see that it answers what it should.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use yard_bench::{Exchange, ExchangeError, Target};

/// Asks until the answer is 200, and writes its body on standard output.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address and port of the server.
    address: SocketAddr,
    /// Path of the request.
    path: String,
    /// File with the body of a POST; without it, a GET.
    #[arg(long)]
    body: Option<PathBuf>,
    /// A header line, such as `Authorization: Bearer KEY`; may be given several times.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// Seconds within which to ask again when it fails.
    #[arg(long, default_value_t = 0.0)]
    patience: f64,
}

async fn once(target: &Target) -> Result<Vec<u8>, ExchangeError> {
    Ok(Exchange::connect(target).await?.ask().await?.to_vec())
}

async fn answer(arguments: Arguments) -> anyhow::Result<Vec<u8>> {
    let body = match &arguments.body {
        Some(path) => Some(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => None,
    };
    let target =
        Target { address: arguments.address, path: arguments.path, headers: arguments.headers, body };
    let end = Instant::now() + Duration::from_secs_f64(arguments.patience);
    loop {
        match once(&target).await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= end => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let written = match answer(Arguments::parse()).await {
        Ok(answer) => std::io::stdout().write_all(&answer).map_err(Into::into),
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
