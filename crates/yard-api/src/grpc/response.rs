//! Answers as messages.

use std::collections::HashMap;

use super::proto::{
    InferParameter, ModelInferResponse, infer_parameter::ParameterChoice,
    model_infer_response::InferOutputTensor,
};
use crate::{
    limits::shown,
    v2::{InferResponse, ParameterValue, ResponseError, append_raw, raw_size},
};

/// Turns an answer into a message, with all outputs as raw contents.
pub fn encode_response(response: &InferResponse<'_>) -> Result<ModelInferResponse, ResponseError> {
    let mut outputs = Vec::with_capacity(response.outputs.len());
    let mut raw_output_contents = Vec::with_capacity(response.outputs.len());
    for output in &response.outputs {
        let data = output.tensor.data();
        if raw_size(data).is_none() {
            return Err(ResponseError::StringTooLong { output: shown(output.name) });
        }
        let mut raw = Vec::new();
        append_raw(data, &mut raw);
        raw_output_contents.push(raw.into());
        outputs.push(InferOutputTensor {
            name: output.name.to_owned(),
            datatype: output.tensor.data_type().as_str().to_owned(),
            shape: output
                .tensor
                .shape()
                .iter()
                .map(|size| i64::try_from(*size).unwrap_or(i64::MAX))
                .collect(),
            parameters: HashMap::new(),
            contents: None,
        });
    }
    let parameters = response.parameters.iter();
    Ok(ModelInferResponse {
        model_name: response.model_name.to_owned(),
        model_version: response.model_version.to_owned(),
        id: response.id.unwrap_or_default().to_owned(),
        parameters: parameters.map(|(name, value)| ((*name).to_owned(), encode_parameter(value))).collect(),
        outputs,
        raw_output_contents,
    })
}

fn encode_parameter(value: &ParameterValue<'_>) -> InferParameter {
    let choice = match value {
        ParameterValue::Bool(value) => ParameterChoice::BoolParam(*value),
        ParameterValue::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
            (Ok(value), _) => ParameterChoice::Int64Param(value),
            (_, Ok(value)) => ParameterChoice::Uint64Param(value),
            #[expect(clippy::cast_precision_loss, reason = "nothing else holds a number this large")]
            (Err(_), Err(_)) => ParameterChoice::DoubleParam(*value as f64),
        },
        ParameterValue::Float(value) => ParameterChoice::DoubleParam(*value),
        ParameterValue::Text(text) => ParameterChoice::StringParam(text.clone().into_owned()),
    };
    InferParameter { parameter_choice: Some(choice) }
}
