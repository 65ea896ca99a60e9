//! Predictions over gRPC.

use std::time::Duration;

use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use yard_api::grpc::proto::{
    InferTensorContents, ModelInferRequest, ModelInferResponse, ServerReadyRequest,
    grpc_inference_service_client::GrpcInferenceServiceClient, model_infer_request::InferInputTensor,
};
use yard_types::{DataType, ErrorCode, ModelName, NamedTensor, Selector, Tensor};

use crate::{ApiKey, ClientError, ClientOptions, InferAnswer, Refusal, ServerAddress, v2::elements};

/// A client of a server's gRPC port. Cheap to clone; clones share one connection.
///
/// ```no_run
/// # async fn example() -> Result<(), yard_client::ClientError> {
/// use yard_client::{ApiKey, ClientOptions, GrpcClient, ServerAddress};
///
/// let address: ServerAddress = "http://127.0.0.1:8081".parse()?;
/// let client = GrpcClient::new(address, Some(ApiKey::new("my_id_secret")?), &ClientOptions::default())?;
/// assert!(client.ready().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GrpcClient {
    service: GrpcInferenceServiceClient<Channel>,
    server: ServerAddress,
    key: Option<MetadataValue<Ascii>>,
    timeout: Duration,
}

impl GrpcClient {
    /// Makes a client, inside a tokio runtime; it connects with the first call.
    pub fn new(
        server: ServerAddress,
        key: Option<ApiKey>,
        options: &ClientOptions,
    ) -> Result<Self, ClientError> {
        let endpoint = Endpoint::from_shared(server.to_string())
            .map_err(|error| ClientError::Request(format!("cannot set up a gRPC client: {error}")))?
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true);
        let service = GrpcInferenceServiceClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(options.max_answer)
            .max_encoding_message_size(options.max_answer);
        let key = key.map(|key| key.metadata()).transpose()?;
        Ok(Self { service, server, key, timeout: options.timeout })
    }

    /// Whether the server can take requests; needs no key.
    pub async fn ready(&self) -> Result<bool, ClientError> {
        let answer = self.service.clone().server_ready(self.request(ServerReadyRequest {})).await;
        Ok(answer.map_err(|status| self.failure(status))?.into_inner().ready)
    }

    /// Has a model predict: named tensors in, named tensors out.
    pub async fn infer(
        &self,
        model: &ModelName,
        selector: &Selector,
        inputs: &[NamedTensor],
    ) -> Result<InferAnswer, ClientError> {
        let request = self.request(write(model, selector, inputs)?);
        let answer = self.service.clone().model_infer(request).await;
        let answer = answer.map_err(|status| self.failure(status))?.into_inner();
        read(answer).map_err(|reason| ClientError::Protocol { server: self.server.to_string(), reason })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("authorization", key.clone());
        }
        request.set_timeout(self.timeout);
        request
    }

    fn failure(&self, status: Status) -> ClientError {
        let server = self.server.to_string();
        // A failure of the transport has a cause on this side; what the server says has none.
        if std::error::Error::source(&status).is_some() {
            return match status.code() {
                Code::Unavailable => ClientError::Unreachable { server, source: status.into() },
                Code::Cancelled | Code::DeadlineExceeded => ClientError::TimedOut { server },
                _ => ClientError::Broken { server, source: status.into() },
            };
        }
        let metadata =
            |name: &str| status.metadata().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let refusal = Refusal {
            code: code_of(status.code()),
            status: None,
            message: status.message().to_owned(),
            detail: None,
            param: None,
            request_id: metadata("x-request-id"),
            retry_after_seconds: metadata("retry-after").and_then(|text| text.parse().ok()),
        };
        refusal.into()
    }
}

const fn code_of(code: Code) -> ErrorCode {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorCode::InvalidArgument,
        Code::Unauthenticated => ErrorCode::Unauthenticated,
        Code::PermissionDenied => ErrorCode::PermissionDenied,
        Code::NotFound => ErrorCode::NotFound,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => ErrorCode::Conflict,
        Code::ResourceExhausted => ErrorCode::RateLimited,
        Code::Cancelled => ErrorCode::Cancelled,
        Code::Unimplemented => ErrorCode::Unsupported,
        Code::Unavailable => ErrorCode::Unavailable,
        Code::DeadlineExceeded => ErrorCode::DeadlineExceeded,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => ErrorCode::Internal,
    }
}

fn write(
    model: &ModelName,
    selector: &Selector,
    inputs: &[NamedTensor],
) -> Result<ModelInferRequest, ClientError> {
    let model_version = match selector {
        Selector::Production => String::new(),
        Selector::Version(version) => version.to_string(),
        Selector::Alias(alias) => alias.to_string(),
    };
    let mut request =
        ModelInferRequest { model_name: model.to_string(), model_version, ..ModelInferRequest::default() };
    for NamedTensor { name, tensor } in inputs {
        let mut raw = Vec::with_capacity(tensor.byte_size());
        elements::append(tensor.data(), &mut raw)
            .map_err(|reason| ClientError::Request(format!("input '{name}' cannot be sent: {reason}")))?;
        let size = |size: &usize| i64::try_from(*size).unwrap_or(i64::MAX);
        request.inputs.push(InferInputTensor {
            name: name.clone(),
            datatype: tensor.data_type().as_str().to_owned(),
            shape: tensor.shape().iter().map(size).collect(),
            ..InferInputTensor::default()
        });
        request.raw_input_contents.push(raw.into());
    }
    Ok(request)
}

fn read(answer: ModelInferResponse) -> Result<InferAnswer, String> {
    if answer.outputs.len() != answer.raw_output_contents.len() {
        let (described, given) = (answer.outputs.len(), answer.raw_output_contents.len());
        return Err(format!("it describes {described} outputs and gives {given}"));
    }
    let mut outputs = Vec::with_capacity(answer.outputs.len());
    for (output, raw) in answer.outputs.into_iter().zip(answer.raw_output_contents) {
        let odd = |reason: &dyn std::fmt::Display| format!("output '{}': {reason}", output.name);
        if output.contents.as_ref().is_some_and(|contents| *contents != InferTensorContents::default()) {
            return Err(odd(&"it is given twice"));
        }
        let data_type: DataType = output.datatype.parse().map_err(|error| odd(&error))?;
        let size = |size: &i64| usize::try_from(*size).map_err(|_| odd(&"it has a negative dimension"));
        let shape = output.shape.iter().map(size).collect::<Result<Vec<usize>, String>>()?;
        let data = elements::read(data_type, raw).map_err(|reason| odd(&reason))?;
        let tensor = Tensor::new(shape, data).map_err(|error| odd(&error))?;
        outputs.push(NamedTensor { name: output.name, tensor });
    }
    Ok(InferAnswer { model: answer.model_name, version: answer.model_version, outputs })
}

#[cfg(test)]
mod tests;
