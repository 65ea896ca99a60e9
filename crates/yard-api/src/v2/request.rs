//! An inference request, whichever way it came.

use std::{borrow::Cow, num::NonZeroUsize};

use yard_types::{DataType, ModelName, NamedTensor, Signature};

use super::RequestParameters;
use crate::{
    limits::{MAX_ID_LENGTH, MAX_NAME_LENGTH, shown},
    request_error::{Part, RequestError},
};

/// An inference request, read and checked as far as that is possible without knowing the model.
///
/// Names borrow from the body where they can.
#[derive(Debug, Clone, PartialEq)]
pub struct InferRequest<'a> {
    /// The caller's name for the request, to be repeated in the answer.
    pub id: Option<Cow<'a, str>>,
    /// The model, where the request repeats what its route says (KServe's client does).
    pub model_name: Option<Cow<'a, str>>,
    /// The inputs, in the order of the request; no name twice.
    pub inputs: Vec<NamedTensor<Cow<'a, str>>>,
    /// The outputs asked for; none means all.
    pub outputs: Vec<RequestedOutput<'a>>,
    /// What the request says about itself.
    pub parameters: RequestParameters,
}

/// An output that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedOutput<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Whether it is wanted as binary data, where the request says so for this output.
    pub binary: Option<bool>,
    /// The most probable classes are wanted instead of the tensor: this many.
    pub classification: Option<NonZeroUsize>,
}

/// How one output is to appear in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputForm {
    /// Its place among the outputs of the signature.
    pub index: usize,
    /// As binary data.
    pub binary: bool,
    /// As this many most probable classes.
    pub classification: Option<NonZeroUsize>,
}

impl InferRequest<'_> {
    /// Decides, before the model runs, which outputs the answer has and in which form. `signature` is that of the
    /// model.
    pub fn output_forms(
        &self,
        model: &ModelName,
        signature: &Signature,
    ) -> Result<Vec<OutputForm>, RequestError> {
        let default_binary = self.parameters.binary_data_output;
        if self.outputs.is_empty() {
            let all = signature.outputs.iter().enumerate();
            return all
                .map(|(index, spec)| {
                    check_json(default_binary, spec.data_type, &spec.name)?;
                    Ok(OutputForm { index, binary: default_binary, classification: None })
                })
                .collect();
        }
        let mut forms = Vec::with_capacity(self.outputs.len());
        for RequestedOutput { name, binary, classification } in &self.outputs {
            let Some((index, spec)) = signature.output(name) else {
                return Err(RequestError::UnexpectedOutput { model: model.clone(), output: shown(name) });
            };
            let binary = binary.unwrap_or(default_binary);
            match classification {
                None => check_json(binary, spec.data_type, name)?,
                Some(_) if matches!(spec.data_type, DataType::Bytes | DataType::Bool) => {
                    let output = shown(name);
                    return Err(RequestError::NotClassifiable { output, data_type: spec.data_type });
                }
                Some(_) => {}
            }
            forms.push(OutputForm { index, binary, classification: *classification });
        }
        Ok(forms)
    }

    /// Refuses names that come twice.
    pub(crate) fn check_names(&self) -> Result<(), RequestError> {
        if let Some(name) = repeated(self.inputs.iter().map(|input| &*input.name)) {
            return Err(RequestError::Duplicate { part: Part::Input(shown(name)) });
        }
        if let Some(name) = repeated(self.outputs.iter().map(|output| &*output.name)) {
            return Err(RequestError::Duplicate { part: Part::Output(shown(name)) });
        }
        if self.inputs.is_empty() {
            return Err(RequestError::NoInputs);
        }
        Ok(())
    }
}

/// Refuses an id that is too long.
pub(crate) fn check_id(id: &str) -> Result<(), RequestError> {
    if id.len() > MAX_ID_LENGTH {
        return Err(RequestError::TooLong { part: Part::Request, what: "id", limit: MAX_ID_LENGTH });
    }
    Ok(())
}

/// Refuses a name that is empty or too long.
pub(crate) fn check_name(name: &str, part: &dyn Fn() -> Part) -> Result<(), RequestError> {
    match name.len() {
        0 => Err(RequestError::EmptyName { part: part() }),
        1..=MAX_NAME_LENGTH => Ok(()),
        _ => Err(RequestError::TooLong { part: part(), what: "name", limit: MAX_NAME_LENGTH }),
    }
}

fn check_json(binary: bool, data_type: DataType, name: &str) -> Result<(), RequestError> {
    match data_type {
        DataType::Fp16 | DataType::Bf16 if !binary => {
            Err(RequestError::OutputNeedsBinary { output: shown(name), data_type })
        }
        _ => Ok(()),
    }
}

/// A name that comes twice.
fn repeated<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> Option<&'n str> {
    let mut seen: Vec<&str> = Vec::new();
    if names.len() < 2 {
        return None;
    }
    for name in names {
        if seen.contains(&name) {
            return Some(name);
        }
        seen.push(name);
    }
    None
}
