//! What a model takes and gives, and whether a request fits.

use std::fmt;

use crate::{Coded, DataType, ErrorCode, ModelName, Tensor};

/// One dimension of a tensor in a signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Always this many.
    Fixed(usize),
    /// Any number; dimensions of the same name agree within a request.
    Symbol(String),
    /// Any number.
    Any,
}

/// Name, element type and shape of one input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// The name in the model.
    pub name: String,
    /// The element type.
    pub data_type: DataType,
    /// The dimensions; `None` where the model does not even say how many there are.
    pub shape: Option<Vec<Dim>>,
    /// The meaning of each position of the last dimension, such as class names, where the model says so.
    pub labels: Option<Vec<String>>,
}

/// What a model takes and gives, in the model's own order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// The inputs.
    pub inputs: Vec<TensorSpec>,
    /// The outputs.
    pub outputs: Vec<TensorSpec>,
}

/// A tensor with the name that a request or an answer gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor<Name = String> {
    /// The name.
    pub name: Name,
    /// The tensor.
    pub tensor: Tensor,
}

/// Why the inputs of a request do not fit a model. The texts are those that clients of the Open Inference Protocol
/// know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum SignatureMismatch {
    #[error("unexpected inference input '{input}' for model '{model}'")]
    UnexpectedInput { model: ModelName, input: String },
    #[error("inference input '{input}' for model '{model}' is given twice")]
    DuplicateInput { model: ModelName, input: String },
    #[error("expected {expected} inputs but got {got} inputs for model '{model}'; missing '{missing}'")]
    MissingInput { model: ModelName, expected: usize, got: usize, missing: String },
    #[error("inference input '{input}' data-type is '{got}', but model '{model}' expects '{expected}'")]
    DataType { model: ModelName, input: String, expected: DataType, got: DataType },
    #[error("unexpected shape for input '{input}' for model '{model}'. Expected {expected}, got {got}")]
    Shape { model: ModelName, input: String, expected: String, got: String },
    #[error(
        "dimension '{symbol}' of input '{input}' for model '{model}' is {got}, but another input has {expected}"
    )]
    Symbol { model: ModelName, input: String, symbol: String, expected: usize, got: usize },
    #[error("input '{input}' for model '{model}' is empty: its shape is {got}")]
    Empty { model: ModelName, input: String, got: String },
}

impl Coded for SignatureMismatch {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

/// Writes a shape without spaces, as clients of the Open Inference Protocol print it.
pub(crate) fn write_shape<T: fmt::Display>(dims: impl IntoIterator<Item = T>) -> String {
    let dims: Vec<String> = dims.into_iter().map(|dim| dim.to_string()).collect();
    format!("[{}]", dims.join(","))
}

// === impl Dim ===

impl Dim {
    /// The dimension as wire formats write it: -1 where any number fits.
    pub fn wire(&self) -> i64 {
        match self {
            Self::Fixed(size) => i64::try_from(*size).unwrap_or(i64::MAX),
            Self::Symbol(_) | Self::Any => -1,
        }
    }
}

// === impl TensorSpec ===

impl TensorSpec {
    /// The shape as wire formats write it: -1 where any number fits, empty for a scalar or an unknown rank.
    pub fn wire_shape(&self) -> Vec<i64> {
        self.shape.as_deref().unwrap_or_default().iter().map(Dim::wire).collect()
    }
}

// === impl Signature ===

impl Signature {
    /// The input of this name.
    pub fn input(&self, name: &str) -> Option<&TensorSpec> {
        self.inputs.iter().find(|spec| spec.name == name)
    }

    /// The output of this name, with its place.
    pub fn output(&self, name: &str) -> Option<(usize, &TensorSpec)> {
        self.outputs.iter().enumerate().find(|(_, spec)| spec.name == name)
    }

    /// Puts named inputs into the order of the signature, after checking that each is there exactly once, with the
    /// right element type and a shape that fits.
    pub fn arrange<Name: AsRef<str>>(
        &self,
        model: &ModelName,
        named: Vec<NamedTensor<Name>>,
    ) -> Result<Vec<Tensor>, SignatureMismatch> {
        let got = named.len();
        let mut slots: Vec<Option<Tensor>> = self.inputs.iter().map(|_| None).collect();
        for NamedTensor { name, tensor } in named {
            let name = name.as_ref();
            let place = self.inputs.iter().position(|spec| spec.name == name);
            let Some(place) = place else {
                return Err(SignatureMismatch::UnexpectedInput { model: model.clone(), input: shown(name) });
            };
            if slots[place].replace(tensor).is_some() {
                return Err(SignatureMismatch::DuplicateInput { model: model.clone(), input: shown(name) });
            }
        }
        let mut tensors = Vec::with_capacity(slots.len());
        for (slot, spec) in slots.into_iter().zip(&self.inputs) {
            match slot {
                Some(tensor) => tensors.push(tensor),
                None => {
                    return Err(SignatureMismatch::MissingInput {
                        model: model.clone(),
                        expected: self.inputs.len(),
                        got,
                        missing: spec.name.clone(),
                    });
                }
            }
        }
        self.check(model, &tensors)?;
        Ok(tensors)
    }

    /// Checks inputs that stand in the order of the signature.
    pub fn check(&self, model: &ModelName, tensors: &[Tensor]) -> Result<(), SignatureMismatch> {
        let mut symbols: Vec<(&str, usize)> = Vec::new();
        for (spec, tensor) in self.inputs.iter().zip(tensors) {
            if tensor.data_type() != spec.data_type {
                return Err(SignatureMismatch::DataType {
                    model: model.clone(),
                    input: spec.name.clone(),
                    expected: spec.data_type,
                    got: tensor.data_type(),
                });
            }
            let Some(dims) = &spec.shape else { continue };
            let fits = dims.len() == tensor.shape().len()
                && dims.iter().zip(tensor.shape()).all(|(dim, size)| match dim {
                    Dim::Fixed(expected) => expected == size,
                    Dim::Symbol(_) | Dim::Any => true,
                });
            if !fits {
                return Err(SignatureMismatch::Shape {
                    model: model.clone(),
                    input: spec.name.clone(),
                    expected: write_shape(dims.iter().map(Dim::wire)),
                    got: write_shape(tensor.shape()),
                });
            }
            // A batch of nothing is a mistake of the caller; an inner dimension of zero may be meant (no boxes found).
            if tensor.rows() == Some(0) && !matches!(dims.first(), Some(Dim::Fixed(0))) {
                return Err(SignatureMismatch::Empty {
                    model: model.clone(),
                    input: spec.name.clone(),
                    got: write_shape(tensor.shape()),
                });
            }
            for (dim, size) in dims.iter().zip(tensor.shape()) {
                let Dim::Symbol(symbol) = dim else { continue };
                match symbols.iter().find(|(known, _)| known == symbol) {
                    Some((_, expected)) if expected != size => {
                        return Err(SignatureMismatch::Symbol {
                            model: model.clone(),
                            input: spec.name.clone(),
                            symbol: symbol.clone(),
                            expected: *expected,
                            got: *size,
                        });
                    }
                    Some(_) => {}
                    None => symbols.push((symbol, *size)),
                }
            }
        }
        Ok(())
    }
}

fn shown(name: &str) -> String {
    name.chars().take(128).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests;
