//! The ceiling: an axum handler that parses an Open Inference Protocol request with typed serde and answers ten numbers,
//! with no model, no keys and no metrics.

use std::net::SocketAddr;

use axum::{Json, Router, http::StatusCode, routing::post};
use clap::Parser;
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long)]
    address: SocketAddr,
    /// Threads of the runtime.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

#[derive(Debug, Deserialize)]
struct Request {
    inputs: Vec<Input>,
}

#[derive(Debug, Deserialize)]
struct Input {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    data: Vec<f32>,
}

#[derive(Debug, Serialize)]
struct Answer {
    model_name: &'static str,
    model_version: &'static str,
    outputs: [Output; 1],
}

#[derive(Debug, Serialize)]
struct Output {
    name: &'static str,
    shape: [i64; 2],
    datatype: &'static str,
    data: Vec<f32>,
}

/// Uses every member, so that none of the parsing can be left out by the compiler.
async fn infer(Json(request): Json<Request>) -> Result<Json<Answer>, StatusCode> {
    let input = request.inputs.first().ok_or(StatusCode::BAD_REQUEST)?;
    let expected = input.shape.iter().product::<i64>();
    if usize::try_from(expected) != Ok(input.data.len()) || input.datatype != "FP32" || input.name.is_empty()
    {
        return Err(StatusCode::BAD_REQUEST);
    }
    let sum: f32 = input.data.iter().sum();
    let data = (0..10_u8).map(|place| sum * 0.013 + f32::from(place) * 0.1).collect();
    let output = Output { name: "probs", shape: [1, 10], datatype: "FP32", data };
    Ok(Json(Answer { model_name: "bare", model_version: "1", outputs: [output] }))
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(arguments.threads).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(arguments.address).await?;
        let router = Router::new().route("/v2/models/{model}/infer", post(infer));
        // Accepting on a worker thread, not on the main one, spares a hand-over for each connection.
        tokio::spawn(async move {
            use axum::serve::ListenerExt as _;
            axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router).await
        })
        .await??;
        Ok(())
    })
}
