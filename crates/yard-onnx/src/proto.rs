//! The messages of the ONNX file format, generated from `proto/onnx.proto`.

#![allow(
    missing_docs,
    clippy::all,
    reason = "generated code; the format's own documentation describes the fields"
)]

include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
