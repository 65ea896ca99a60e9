//! Prints how long one V2 request takes to read, and how much longer serde_json takes. Run it in release:
//! `cargo run --release -p yard-api --example parse_speed`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool")]

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use serde::Deserialize;
use yard_api::{
    plain,
    v2::{InferOutput, InferRequest, InferResponse},
};
use yard_types::{DataType, Dim, Signature, Tensor, TensorData, TensorSpec};

const ELEMENTS: usize = 100;
const ROUNDS: usize = 20_000;
const REPEATS: usize = 25;

/// What a straightforward server would declare.
#[derive(Deserialize)]
struct TypedRequest<'a> {
    #[serde(borrow)]
    inputs: Vec<TypedInput<'a>>,
}

#[derive(Deserialize)]
struct TypedInput<'a> {
    name: &'a str,
    shape: Vec<i64>,
    datatype: &'a str,
    data: Vec<f32>,
}

fn main() {
    let values: Vec<f32> = (0..ELEMENTS).map(|place| (place as f32 * 0.618_034).sin()).collect();
    let short: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
    let shortest: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    let doubles: Vec<String> = values.iter().map(|value| format!("{:?}", f64::from(*value))).collect();
    println!("nanoseconds for a request of {ELEMENTS} numbers, best of {REPEATS}");
    for (name, numbers) in [
        ("three decimals", short.join(", ")),
        ("shortest float32", shortest.join(",")),
        ("float32 as Python writes it", doubles.join(", ")),
    ] {
        measure_requests(name, &numbers);
    }
    measure_answer(&values);
}

fn measure_requests(name: &str, numbers: &str) {
    let body = Bytes::from(format!(
        r#"{{"id": "1", "inputs": [{{"name": "x", "shape": [1, {ELEMENTS}], "datatype": "FP32", "data": [{numbers}]}}]}}"#
    ));
    let rows = Bytes::from(format!(r#"{{"x_test": [[{numbers}]]}}"#));
    let spec = TensorSpec {
        name: "x".into(),
        data_type: DataType::Fp32,
        shape: Some(vec![Dim::Any, Dim::Fixed(ELEMENTS)]),
        labels: None,
    };
    let signature = Signature { inputs: vec![spec], outputs: Vec::new() };
    println!("{name}, {} bytes", body.len());
    println!("  this parser          {:7.0}", best(|| InferRequest::from_json(black_box(&body)).unwrap()));
    println!(
        "  this parser, plain   {:7.0}",
        best(|| plain::read_request(black_box(&rows), &signature).unwrap())
    );
    println!(
        "  serde_json, typed    {:7.0}",
        best(|| {
            let request: TypedRequest<'_> = serde_json::from_slice(black_box(&body)).unwrap();
            let [input] = <[TypedInput<'_>; 1]>::try_from(request.inputs).ok().unwrap();
            (input.name.len(), input.datatype.len(), input.shape, input.data)
        })
    );
    println!(
        "  serde_json, Value    {:7.0}",
        best(|| serde_json::from_slice::<serde_json::Value>(black_box(&body)).unwrap())
    );
}

fn measure_answer(values: &[f32]) {
    let tensor = Tensor::new(vec![1, 10], TensorData::Fp32(values[..10].to_vec())).unwrap();
    let time = best(|| {
        let outputs =
            vec![InferOutput { name: "y", tensor: std::borrow::Cow::Borrowed(&tensor), binary: false }];
        let response = InferResponse {
            model_name: "digits",
            model_version: "1",
            id: Some("1"),
            parameters: Vec::new(),
            outputs,
        };
        response.write().unwrap()
    });
    println!("answer of 10 numbers   {time:7.0}");
}

/// Nanoseconds of one call, in the best of the repeats: on a busy machine the others measure the neighbours.
fn best<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let start = Instant::now();
        for _ in 0..ROUNDS / REPEATS {
            black_box(call());
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / (ROUNDS / REPEATS) as f64);
    }
    best
}
