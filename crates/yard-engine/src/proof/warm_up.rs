//! The first run, on inputs that are made up from the signature.

use bytes::Bytes;
use half::{bf16, f16};
use yard_types::{DataType, Dim, Tensor, TensorData, TensorSpec};

use super::ProofError;
use crate::{LoadedModel, RunControl};

/// Sizes tried for a dimension that may have any size, besides the first one of a tensor.
const GUESSES: [usize; 7] = [1, 8, 32, 64, 128, 256, 512];
/// Most elements of a made-up tensor.
const MAX_ELEMENTS: usize = 1 << 24;

/// What happened when the model was first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarmUp {
    /// It ran on inputs of these shapes, in the order of the signature.
    Ran {
        /// The shapes.
        shapes: Vec<Vec<usize>>,
    },
    /// No input could be made up for it.
    Skipped {
        /// Why, and what would help.
        reason: String,
    },
}

/// Runs the model on made-up inputs; gives those that worked.
///
/// A model that fails although its shapes leave no choice is refused. One whose sizes have to be guessed, or that takes
/// strings, may be right and the guess wrong: it is not refused for that.
pub(super) fn run(loaded: &dyn LoadedModel) -> Result<(WarmUp, Option<Vec<Tensor>>), ProofError> {
    let specs = &loaded.signature().inputs;
    let guessed = specs.iter().any(needs_a_guess);
    let mut last_failure = None;
    for size in if guessed { &GUESSES[..] } else { &GUESSES[..1] } {
        let inputs: Option<Vec<Tensor>> =
            specs.iter().enumerate().map(|(place, spec)| made_up(spec, *size, 1, place)).collect();
        let Some(inputs) = inputs else { continue };
        match loaded.predict(&inputs, &RunControl::new()) {
            Ok(_) => {
                let shapes = inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
                return Ok((WarmUp::Ran { shapes }, Some(inputs)));
            }
            Err(failure) => {
                let shapes: Vec<String> =
                    inputs.iter().map(|tensor| format!("{:?}", tensor.shape())).collect();
                last_failure = Some((shapes.join(", "), failure));
            }
        }
    }
    let uncertain = guessed || specs.iter().any(|spec| spec.data_type == DataType::Bytes);
    match last_failure {
        Some((shapes, source)) if !uncertain => {
            Err(ProofError::Fails { inputs: format!("made-up inputs of shape {shapes}"), source })
        }
        Some((_, failure)) => {
            let reason = format!(
                "no made-up input was accepted ({failure}); add golden samples to prove the model on real ones"
            );
            Ok((WarmUp::Skipped { reason }, None))
        }
        None => {
            let reason = "the inputs are too large to make up; add golden samples".to_owned();
            Ok((WarmUp::Skipped { reason }, None))
        }
    }
}

fn needs_a_guess(spec: &TensorSpec) -> bool {
    match &spec.shape {
        Some(dims) => dims.iter().skip(1).any(|dim| !matches!(dim, Dim::Fixed(_))),
        None => true,
    }
}

/// A tensor of this shape, `rows` rows and `size` for every other open dimension, filled with numbers that differ from
/// place to place and from `variant` to `variant`; `None` when it would be too large.
pub(crate) fn made_up(spec: &TensorSpec, size: usize, rows: usize, variant: usize) -> Option<Tensor> {
    let dims = spec.shape.as_deref().unwrap_or_default();
    let shape: Vec<usize> = dims
        .iter()
        .enumerate()
        .map(|(place, dim)| match dim {
            Dim::Fixed(size) => *size,
            Dim::Symbol(_) | Dim::Any if place == 0 => rows,
            Dim::Symbol(_) | Dim::Any => size,
        })
        .collect();
    let count = Tensor::element_count(&shape).ok().filter(|count| *count <= MAX_ELEMENTS)?;
    Tensor::new(shape, fill(spec.data_type, count, variant)).ok()
}

/// Small values that most models take: fractions from 0 to 1, whole numbers 0 and 1, short digits as text.
pub(super) fn fill(data_type: DataType, count: usize, variant: usize) -> TensorData {
    let mut state =
        0x9e37_79b9_u32 ^ u32::try_from(variant % 1_000_003).unwrap_or_default().wrapping_mul(0x85eb_ca6b);
    // A linear congruential generator is random enough for a warm-up and the same on every machine.
    let mut fraction = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap_or_default()) / 65_536.0
    };
    macro_rules! values {
        ($make:expr) => {
            (0..count).map(|_| $make(fraction())).collect()
        };
    }
    match data_type {
        DataType::Bool => TensorData::Bool(values!(|value| value < 0.5)),
        DataType::Uint8 => TensorData::Uint8(values!(|value| u8::from(value < 0.5))),
        DataType::Uint16 => TensorData::Uint16(values!(|value| u16::from(value < 0.5))),
        DataType::Uint32 => TensorData::Uint32(values!(|value| u32::from(value < 0.5))),
        DataType::Uint64 => TensorData::Uint64(values!(|value| u64::from(value < 0.5))),
        DataType::Int8 => TensorData::Int8(values!(|value| i8::from(value < 0.5))),
        DataType::Int16 => TensorData::Int16(values!(|value| i16::from(value < 0.5))),
        DataType::Int32 => TensorData::Int32(values!(|value| i32::from(value < 0.5))),
        DataType::Int64 => TensorData::Int64(values!(|value| i64::from(value < 0.5))),
        DataType::Fp16 => TensorData::Fp16(values!(f16::from_f32)),
        DataType::Bf16 => TensorData::Bf16(values!(bf16::from_f32)),
        DataType::Fp32 => TensorData::Fp32(values!(|value| value)),
        DataType::Fp64 => TensorData::Fp64(values!(f64::from)),
        DataType::Bytes => {
            TensorData::Bytes(values!(|value| Bytes::from_static(if value < 0.5 { b"0" } else { b"1" })))
        }
    }
}
