//! `demo`: the whole story on real data, against a real server.

mod commands_to_try;
mod digits;
mod language;
mod server;
mod training;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use yard_client::{Client, ClientOptions, GrpcClient, TensorForm};
use yard_types::Selector;

use self::{digits::HeldOut, server::DemoServer, training::Trained};
use super::Session;
use crate::{
    cli::GlobalArgs,
    connection,
    exit::Interrupted,
    output::{Output, Table, counted},
};

/// How long one row at a time is measured.
const MEASURED: Duration = Duration::from_millis(500);
/// Said after what to try next.
const STOPS_NOW: &str = "This server stops now; without --exit it goes on serving, and these commands work.";

/// Show the whole story: train a model, serve it, classify handwritten digits that it has not seen
///
/// Starts a server of its own with a directory of its own (unless --data-dir names one), registers 1,437 handwritten
/// digits, trains a small network on them through the public API, and has it classify 360 others over REST and over gRPC.
/// Then it prints commands to try and goes on serving until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Stop the server and end when the story is told
    #[arg(long)]
    exit: bool,

    /// Show this language model instead, a GGUF file: push it, ask it a question, have it answer by a JSON schema
    #[arg(long, value_name = "FILE")]
    language_model: Option<PathBuf>,

    /// Address of the REST listener; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    http: SocketAddr,

    /// Address of the gRPC listener; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    grpc: SocketAddr,
}

/// What the demo found, for `--json`.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    version: u32,
    /// The job that trained it.
    job: String,
    /// From the look at the data to the registered version.
    trained_in_seconds: f64,
    engine: String,
    server: String,
    grpc: String,
    data_dir: PathBuf,
    held_out: usize,
    right: usize,
    accuracy: f64,
    one_row_requests_per_second: f64,
    rows_per_second_in_one_request: f64,
    optimised_build: bool,
}

pub(crate) fn run(args: &DemoArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(with_server(args, global, output))
}

/// Starts the server, tells the story, and stops the server whatever happened.
async fn with_server(args: &DemoArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let workshop = tempfile::Builder::new().prefix("modelyard-demo-").tempdir();
    let workshop = workshop.context("cannot make a temporary directory")?;
    let data_dir = match global.data_dir_given() {
        Some(named) => std::path::absolute(named).context("--data-dir is no usable path")?,
        None => workshop.path().join("data"),
    };
    let mut stop = std::pin::pin!(asked_to_stop()?);
    output.talk("starting a server of its own");
    let mut server = tokio::select! {
        server = DemoServer::start(args.http, args.grpc, &data_dir, workshop.path()) => server?,
        () = &mut stop => return Err(Interrupted.into()),
    };
    let telling = async {
        match &args.language_model {
            Some(file) => language::story(file, &server, &data_dir, args.exit, output).await,
            None => story(&server, &data_dir, workshop.path(), args.exit, output).await,
        }
    };
    let told = tokio::select! {
        told = telling => told,
        () = &mut stop => Err(Interrupted.into()),
    };
    if told.is_err() || args.exit {
        return stop_after(told, server, output).await;
    }
    output.talk(format!("\nServing at {} until Ctrl-C.", server.http()));
    let ended = tokio::select! {
        ended = server.ended() => Err(ended),
        () = &mut stop => Ok(()),
    };
    stop_after(ended, server, output).await
}

/// The first failure counts: the server's end is told only when all else went well.
async fn stop_after(result: Result<()>, server: DemoServer, output: Output) -> Result<()> {
    let stopped = server.stop().await;
    result?;
    stopped?;
    output.talk("the server has stopped");
    Ok(())
}

/// Ends when the person or the system asks for it.
fn asked_to_stop() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

async fn story(
    server: &DemoServer,
    data_dir: &Path,
    workshop: &Path,
    ends_after: bool,
    output: Output,
) -> Result<()> {
    let key = connection::admin_key(data_dir)?.context("the server left no admin key")?;
    let options = ClientOptions::default();
    let client = Client::new(server.http().clone(), Some(key.clone()), options.clone())?;
    let grpc = GrpcClient::new(server.grpc().clone(), Some(key), &options)?;
    let held_out = HeldOut::read()?;
    let session = Session { client, output };
    let begun = Instant::now();
    let trained = training::train(&session, workshop).await?;
    let trained_in = begun.elapsed();
    let Session { client, .. } = session;
    show_a_digit(&held_out, output)?;
    let shown = classify_a_few(&client, &grpc, &trained, &held_out).await?;
    if !output.is_json() {
        output.text(&shown)?;
    }
    let report = measure(&client, &held_out, &trained, trained_in, server, data_dir).await?;
    output.data(&report, || figures(&report))?;

    if !output.is_json() {
        let rows = workshop.join("held_out.csv");
        fs::write(&rows, digits::HELD_OUT_CSV)?;
        output.text(&commands_to_try::render(
            server,
            data_dir,
            trained.version,
            &rows,
            &held_out.images[held_out.drawn()],
        )?)?;
        if ends_after {
            output.text(STOPS_NOW)?;
        }
    }
    Ok(())
}

fn show_a_digit(held_out: &HeldOut, output: Output) -> Result<()> {
    if output.is_json() {
        return Ok(());
    }
    let row = held_out.drawn();
    let (drawing, label) = (digits::draw(&held_out.images[row]), held_out.labels[row]);
    output.text(&format!("\nA digit that the model has not seen (its label: {label}):\n\n{drawing}\n"))
}

/// A table of one digit of each kind, half of them over each protocol, with the answers beside the true labels.
async fn classify_a_few(
    client: &Client,
    grpc: &GrpcClient,
    trained: &Trained,
    held_out: &HeldOut,
) -> Result<String> {
    let Trained { model, version, .. } = trained;
    // Not what `production` points at: in a directory that was named it may be another one.
    let version = Selector::Version(*version);
    let chosen = held_out.last_of_each();
    let (over_rest, over_grpc) = chosen.split_at(chosen.len() / 2);
    let mut table = Table::new(&["OVER", "TRUE", "ANSWER", "PROBABILITY", ""]);
    for (protocol, rows) in [("REST", over_rest), ("gRPC", over_grpc)] {
        let inputs = [held_out.tensor(rows)?];
        let answer = match protocol {
            "REST" => client.infer(model, &version, &inputs, TensorForm::Json).await?,
            _ => grpc.infer(model, &version, &inputs).await?,
        };
        for (row, guess) in rows.iter().zip(digits::guesses(&answer, rows.len())?) {
            let label = held_out.labels[*row];
            let verdict = if guess.digit == label { "right" } else { "wrong" };
            table.row([
                protocol.to_owned(),
                label.to_string(),
                guess.digit.to_string(),
                format!("{:.1} %", guess.probability * 100.0),
                verdict.to_owned(),
            ]);
        }
    }
    Ok(format!("\n{}\n\n", table.render()))
}

async fn measure(
    client: &Client,
    held_out: &HeldOut,
    trained: &Trained,
    trained_in: Duration,
    server: &DemoServer,
    data_dir: &Path,
) -> Result<Report> {
    let Trained { model, version, job } = trained;
    let selector = Selector::Version(*version);
    let count = held_out.labels.len();
    let every_row: Vec<usize> = (0..count).collect();
    let all = [held_out.tensor(&every_row)?];
    let begun = Instant::now();
    let answer = client.infer(model, &selector, &all, TensorForm::Binary).await?;
    let joined_seconds = begun.elapsed().as_secs_f64();
    let guesses = digits::guesses(&answer, count)?;
    let right = guesses.iter().zip(&held_out.labels).filter(|(guess, label)| guess.digit == **label).count();

    let (begun, mut requests) = (Instant::now(), 0_usize);
    while begun.elapsed() < MEASURED {
        let row = requests % count;
        client.infer(model, &selector, &[held_out.tensor(&[row])?], TensorForm::Json).await?;
        requests += 1;
    }
    let single_seconds = begun.elapsed().as_secs_f64();

    let passport = client.passport(model, *version).await?;
    let engine = passport.proof.engine;
    Ok(Report {
        model: model.to_string(),
        version: version.get(),
        job: job.clone(),
        trained_in_seconds: trained_in.as_secs_f64(),
        engine: format!("{} {}", engine.name, engine.version),
        server: server.http().to_string(),
        grpc: server.grpc().to_string(),
        data_dir: data_dir.to_owned(),
        held_out: count,
        right,
        accuracy: ratio(right, count),
        one_row_requests_per_second: per_second(requests, single_seconds),
        rows_per_second_in_one_request: per_second(count, joined_seconds),
        optimised_build: !cfg!(debug_assertions),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a demo are small")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts of a demo are small")]
fn per_second(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}

fn figures(report: &Report) -> String {
    let build = build_in_words(report.optimised_build);
    let rows = counted(report.held_out as u64, "digit", "digits");
    format!(
        "Trained and registered in {:.1} s.\n\
         All {rows} that the model has not seen: {} right, {:.1} %.\n\
         Measured from this one client, one request at a time, {build}:\n  \
         {:.0} requests/s with one row each as JSON; {:.0} rows/s with all rows in one binary request, timed once.\n\
         Engine: {}.",
        report.trained_in_seconds,
        report.right,
        report.accuracy * 100.0,
        report.one_row_requests_per_second,
        report.rows_per_second_in_one_request,
        report.engine,
    )
}

const fn build_in_words(is_optimised: bool) -> &'static str {
    if is_optimised { "a release build" } else { "a development build; a release build is faster" }
}

/// The address of a listener as a client wants it.
fn address_of(text: &str) -> Result<yard_client::ServerAddress> {
    match format!("http://{text}").parse() {
        Ok(address) => Ok(address),
        Err(error) => bail!("the server says that it listens at '{text}': {error}"),
    }
}
