//! Predictions over the Open Inference Protocol V2, as JSON or with binary tensors, and over the plain surface.

mod answer;
pub(crate) mod elements;
mod request;

use bytes::Bytes;
use reqwest::{Method, Url, header::CONTENT_TYPE};
use serde::Deserialize;
use yard_types::{DataType, Dim, ModelName, NamedTensor, Selector, Signature, TensorSpec};

use crate::{Client, ClientError};

/// The header that says where binary data begins.
const HEADER_LENGTH: &str = "inference-header-content-length";

/// How tensors travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TensorForm {
    /// As binary data: every data type, exactly, and quickest.
    #[default]
    Binary,
    /// As JSON, as a person would write it. No FP16 or BF16, no NaN or infinity.
    Json,
}

/// The answer to a prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct InferAnswer {
    /// The model that answered.
    pub model: String,
    /// The version that answered.
    pub version: String,
    /// Its outputs, in the order of the model.
    pub outputs: Vec<NamedTensor>,
}

/// What a server says of a model to those who use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Its name.
    pub name: String,
    /// The versions that are served.
    pub versions: Vec<String>,
    /// What it takes and gives. Dimensions of any size have no names here.
    pub signature: Signature,
}

#[derive(Deserialize)]
struct MetadataBody {
    name: String,
    #[serde(default)]
    versions: Vec<String>,
    inputs: Vec<TensorMetadata>,
    outputs: Vec<TensorMetadata>,
}

#[derive(Deserialize)]
struct TensorMetadata {
    name: String,
    datatype: String,
    shape: Vec<i64>,
}

impl Client {
    /// What a model takes and gives.
    pub async fn model_metadata(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<ModelMetadata, ClientError> {
        let body: MetadataBody = self.get_json(self.model_url(model, selector, None)).await?;
        let specs = |tensors: Vec<TensorMetadata>| {
            let specs: Result<Vec<TensorSpec>, ClientError> =
                tensors.into_iter().map(|tensor| self.read_spec(tensor)).collect();
            specs
        };
        let signature = Signature { inputs: specs(body.inputs)?, outputs: specs(body.outputs)? };
        Ok(ModelMetadata { name: body.name, versions: body.versions, signature })
    }

    fn read_spec(&self, tensor: TensorMetadata) -> Result<TensorSpec, ClientError> {
        let data_type: DataType =
            tensor.datatype.parse().map_err(|error| self.protocol(format!("{error}")))?;
        // What is negative is of any size.
        let dim = |size: &i64| usize::try_from(*size).map_or(Dim::Any, Dim::Fixed);
        let shape = Some(tensor.shape.iter().map(dim).collect());
        Ok(TensorSpec { name: tensor.name, data_type, shape, labels: None })
    }

    /// Has a model predict: named tensors in, named tensors out.
    pub async fn infer(
        &self,
        model: &ModelName,
        selector: &Selector,
        inputs: &[NamedTensor],
        form: TensorForm,
    ) -> Result<InferAnswer, ClientError> {
        let written = request::write(inputs, form)?;
        let mut request = self
            .request(Method::POST, self.model_url(model, selector, Some("infer")))
            .timeout(self.options().timeout)
            .body(written.body);
        request = match written.header_length {
            Some(length) => {
                request.header(CONTENT_TYPE, "application/octet-stream").header(HEADER_LENGTH, length)
            }
            None => request.header(CONTENT_TYPE, "application/json"),
        };
        let response = self.accepted(request).await?;
        let header_length = match response.headers().get(HEADER_LENGTH) {
            None => None,
            Some(value) => {
                let length = value.to_str().ok().and_then(|text| text.parse().ok());
                Some(
                    length
                        .ok_or_else(|| self.protocol("its Inference-Header-Content-Length is no number"))?,
                )
            }
        };
        let body = self.read_body(response, self.options().max_answer).await?;
        answer::read(&body, header_length).map_err(|reason| self.protocol(reason))
    }

    /// Sends the body of a plain prediction, such as `{"inputs": [[1, 2]]}`, and gives the body of the answer.
    pub async fn plain_predict(
        &self,
        model: &ModelName,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, ClientError> {
        let request = self
            .request(Method::POST, self.url(["models", model.as_str(), "predict"]))
            .timeout(self.options().timeout)
            .header(CONTENT_TYPE, "application/json")
            .body(body.into());
        let response = self.accepted(request).await?;
        self.read_body(response, self.options().max_answer).await
    }

    fn model_url(&self, model: &ModelName, selector: &Selector, verb: Option<&str>) -> Url {
        let version = match selector {
            Selector::Production => None,
            Selector::Version(version) => Some(version.to_string()),
            Selector::Alias(alias) => Some(alias.to_string()),
        };
        let mut segments = vec!["v2", "models", model.as_str()];
        if let Some(version) = &version {
            segments.extend(["versions", version.as_str()]);
        }
        segments.extend(verb);
        self.url(segments)
    }
}

#[cfg(test)]
mod tests;
