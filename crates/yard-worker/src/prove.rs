//! The messages of a proof, and how they match the types that all crates speak in.
//!
//! What a proof does is not known here: the program that runs as the worker does it.

mod messages {
    #![allow(clippy::all, missing_debug_implementations, unreachable_pub, reason = "generated")]

    include!(concat!(env!("OUT_DIR"), "/modelyard.worker.prove.v1.rs"));
}

use yard_types::{Dim as TypedDim, ErrorCode, Signature as TypedSignature, TensorSpec as TypedSpec};

pub use messages::{
    Dim, Dims, EnginePreference, EngineStamp, Joining, Labels, LanguageReport, ProofLimits, ProofRefusal,
    ProofReport, ProveRequest, ProveResponse, Shape, Shapes, Signature, TensorSpec, WarmUp, dim, joining,
    prove_response, warm_up,
};

/// The kind of a [`crate::Request`] that carries a [`ProveRequest`]; its answer carries a [`ProveResponse`].
pub const PROVE: &str = "prove";

/// A signature that came over the wire makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tensor '{tensor}' {what}")]
pub struct BadSignature {
    tensor: String,
    what: &'static str,
}

impl ProofRefusal {
    /// A refusal.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), message: message.into() }
    }

    /// What kind of failure; a code that is not known is a fault of ours.
    pub fn error_code(&self) -> ErrorCode {
        let known = ErrorCode::ALL.into_iter().find(|code| code.as_str() == self.code);
        known.unwrap_or(ErrorCode::Internal)
    }
}

impl From<&TypedSignature> for Signature {
    fn from(signature: &TypedSignature) -> Self {
        Self {
            inputs: signature.inputs.iter().map(TensorSpec::from).collect(),
            outputs: signature.outputs.iter().map(TensorSpec::from).collect(),
        }
    }
}

impl From<&TypedSpec> for TensorSpec {
    fn from(spec: &TypedSpec) -> Self {
        let dims = |dims: &Vec<TypedDim>| Dims { dims: dims.iter().map(Dim::from).collect() };
        Self {
            name: spec.name.clone(),
            data_type: spec.data_type.as_str().to_owned(),
            shape: spec.shape.as_ref().map(dims),
            labels: spec.labels.clone().map(|labels| Labels { labels }),
        }
    }
}

impl From<&TypedDim> for Dim {
    fn from(dim: &TypedDim) -> Self {
        let size = match dim {
            TypedDim::Fixed(size) => Some(dim::Size::Fixed(*size as u64)),
            TypedDim::Symbol(name) => Some(dim::Size::Symbol(name.clone())),
            TypedDim::Any => None,
        };
        Self { size }
    }
}

impl TryFrom<Signature> for TypedSignature {
    type Error = BadSignature;

    fn try_from(signature: Signature) -> Result<Self, BadSignature> {
        let typed =
            |specs: Vec<TensorSpec>| specs.into_iter().map(TypedSpec::try_from).collect::<Result<_, _>>();
        Ok(Self { inputs: typed(signature.inputs)?, outputs: typed(signature.outputs)? })
    }
}

impl TryFrom<TensorSpec> for TypedSpec {
    type Error = BadSignature;

    fn try_from(spec: TensorSpec) -> Result<Self, BadSignature> {
        let TensorSpec { name, data_type, shape, labels } = spec;
        let bad = |what| BadSignature { tensor: name.clone(), what };
        let data_type = data_type.parse().map_err(|_| bad("has an unknown data type"))?;
        let mut dims = None;
        if let Some(shape) = shape {
            let typed: Result<_, _> = shape.dims.into_iter().map(TypedDim::try_from).collect();
            dims = Some(typed.map_err(|_| bad("has a dimension that is too large"))?);
        }
        Ok(Self { name, data_type, shape: dims, labels: labels.map(|labels| labels.labels) })
    }
}

impl TryFrom<Dim> for TypedDim {
    type Error = std::num::TryFromIntError;

    fn try_from(dim: Dim) -> Result<Self, Self::Error> {
        Ok(match dim.size {
            Some(dim::Size::Fixed(size)) => Self::Fixed(size.try_into()?),
            Some(dim::Size::Symbol(name)) => Self::Symbol(name),
            None => Self::Any,
        })
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use yard_types::DataType;

    use super::*;

    #[test]
    fn signatures_survive_the_wire() {
        let specs = DataType::ALL.into_iter().enumerate().map(|(place, data_type)| TypedSpec {
            name: format!("tensor {place}"),
            data_type,
            shape: match place % 3 {
                0 => None,
                1 => Some(vec![]),
                _ => Some(vec![TypedDim::Symbol("N".into()), TypedDim::Any, TypedDim::Fixed(usize::MAX)]),
            },
            labels: (place % 2 == 0).then(|| vec!["a".into(), String::new()]),
        });
        let signature = TypedSignature { inputs: specs.clone().collect(), outputs: specs.rev().collect() };
        let bytes = Signature::from(&signature).encode_to_vec();
        assert_eq!(TypedSignature::try_from(Signature::decode(&*bytes).unwrap()), Ok(signature));
    }

    #[test]
    fn an_unknown_data_type_is_refused() {
        let spec = TensorSpec { name: "x".into(), data_type: "FP8".into(), ..TensorSpec::default() };
        let signature = Signature { inputs: vec![spec], outputs: vec![] };
        let error = TypedSignature::try_from(signature).unwrap_err();
        assert_eq!(error.to_string(), "the tensor 'x' has an unknown data type");
    }

    #[test]
    fn codes_survive_the_wire_and_unknown_ones_are_ours() {
        for code in ErrorCode::ALL {
            assert_eq!(ProofRefusal::new(code, "").error_code(), code);
        }
        assert_eq!(
            ProofRefusal { code: "teapot".into(), message: String::new() }.error_code(),
            ErrorCode::Internal
        );
    }
}
