//! gRPC: the same abilities, permissions and texts as over HTTP.

use reqwest::Method;
use serde_json::json;
use tonic::{Code, Request, codec::CompressionEncoding, metadata::MetadataValue, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use yard_api::grpc::proto::{
    InferParameter, ModelConfigRequest, ModelInferRequest, ModelMetadataRequest, ModelReadyRequest,
    ModelStatisticsRequest, RepositoryIndexRequest, RepositoryModelLoadRequest, RepositoryModelUnloadRequest,
    ServerMetadataRequest, ServerReadyRequest, grpc_inference_service_client::GrpcInferenceServiceClient,
    infer_parameter::ParameterChoice, model_infer_request::InferInputTensor,
};

use crate::harness::{TestServer, held_out, infer_body, most_probable, send, until};

pub(crate) type Client = GrpcInferenceServiceClient<Channel>;

pub(crate) async fn channel(server: &TestServer) -> Channel {
    let address = format!("http://{}", server.server.grpc_address().unwrap());
    tonic::transport::Endpoint::new(address).unwrap().connect().await.unwrap()
}

pub(crate) async fn client(server: &TestServer) -> Client {
    GrpcInferenceServiceClient::new(channel(server).await)
}

/// A channel that leaves deadlines to the server: tonic's own would end a call before the server does.
async fn patient_channel(
    server: &TestServer,
) -> impl tower::Service<
    http::Request<tonic::body::Body>,
    Response = http::Response<hyper::body::Incoming>,
    Error = hyper::Error,
    Future: Send,
> + Clone {
    let address = server.server.grpc_address().unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    tower::service_fn(move |mut request: http::Request<tonic::body::Body>| {
        let path = request.uri().path().to_owned();
        *request.uri_mut() = format!("http://{address}{path}").parse().unwrap();
        sender.clone().send_request(request)
    })
}

/// A message with the admin key.
pub(crate) fn authorized<T>(server: &TestServer, message: T) -> Request<T> {
    with_key(&server.admin, message)
}

pub(crate) fn with_key<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {key}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

pub(crate) fn infer_message(model: &str, input: &str, row_size: i64, rows: &[Vec<f32>]) -> ModelInferRequest {
    let bytes: Vec<u8> = rows.concat().iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
    ModelInferRequest {
        model_name: model.to_owned(),
        id: "r1".to_owned(),
        inputs: vec![InferInputTensor {
            name: input.to_owned(),
            datatype: "FP32".to_owned(),
            shape: vec![rows.len() as i64, row_size],
            ..InferInputTensor::default()
        }],
        raw_input_contents: vec![bytes.into()],
        ..ModelInferRequest::default()
    }
}

fn digits_message(rows: &[Vec<f32>]) -> ModelInferRequest {
    infer_message("digits", "pixels", 64, rows)
}

#[tokio::test]
async fn digits_are_told_as_over_rest() {
    let server = TestServer::with_digits().await;
    let mut client = client(&server).await;
    let digits = held_out(10);
    let rows: Vec<Vec<f32>> = digits.iter().map(|(row, _)| row.clone()).collect();
    let mut request = authorized(&server, digits_message(&rows));
    request.metadata_mut().insert("x-request-id", "mine-2".parse().unwrap());
    let response = client.model_infer(request).await.unwrap();
    let metadata = response.metadata();
    assert_eq!(metadata.get("x-modelyard-version").unwrap(), "1");
    assert_eq!(metadata.get("x-modelyard-model").unwrap(), "digits");
    assert_eq!(metadata.get("x-request-id").unwrap(), "mine-2");
    let message = response.into_inner();
    assert_eq!((message.id.as_str(), message.model_version.as_str()), ("r1", "1"));
    let scores: Vec<f64> = message.raw_output_contents[0]
        .chunks(4)
        .map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap())))
        .collect();
    let rest = server.post("/v2/models/digits/infer", infer_body(&rows)).await.expect(200).json();
    let rest = crate::harness::numbers(&rest["outputs"][0]["data"]);
    for (one, other) in scores.iter().zip(&rest) {
        assert!((one - other).abs() < 1e-6, "{one} {other}");
    }
    let right = digits.iter().zip(scores.chunks(10)).filter(|((_, label), row)| most_probable(row) == *label);
    assert!(right.count() >= 8);
}

#[tokio::test]
async fn failures_have_the_texts_of_rest_and_codes_of_the_table() {
    let server = TestServer::with_digits().await;
    let mut client = client(&server).await;
    let row = vec![vec![0.0_f32; 64]];
    let wrong_name = infer_message("digits", "x", 64, &row);
    let wrong_shape = infer_message("digits", "pixels", 65, &[vec![0.0; 65]]);
    let unknown = infer_message("absent", "pixels", 64, &row);
    let other_version = ModelInferRequest { model_version: "7".to_owned(), ..digits_message(&row) };
    let odd_version = ModelInferRequest { model_version: "a b".to_owned(), ..digits_message(&row) };
    for (message, path, code) in [
        (wrong_name, "digits/infer", Code::InvalidArgument),
        (wrong_shape, "digits/infer", Code::InvalidArgument),
        (unknown, "absent/infer", Code::NotFound),
        (other_version, "digits/versions/7/infer", Code::NotFound),
        (odd_version, "digits/versions/a%20b/infer", Code::NotFound),
    ] {
        let input = &message.inputs[0];
        let data = vec![0.0; input.shape[1] as usize];
        let body =
            json!({"inputs": [{"name": input.name, "datatype": "FP32", "shape": input.shape, "data": data}]});
        let rest = server.post(&format!("/v2/models/{path}"), body).await;
        let status = client.model_infer(authorized(&server, message)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, rest.error().as_str()));
        assert!(status.metadata().get("x-request-id").is_some());
    }
    let limited =
        server.key(json!({"name": "k", "role": "consumer", "requests_per_minute": 1, "burst": 1})).await;
    client.model_infer(with_key(&limited, digits_message(&row))).await.unwrap();
    let status = client.model_infer(with_key(&limited, digits_message(&row))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.metadata().get("retry-after").is_some());
    let status = client.model_infer(with_key("wrong", digits_message(&row))).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "the API key is not valid"));
}

#[tokio::test]
async fn hidden_models_look_missing() {
    let server = TestServer::with_digits().await;
    let key = server.key(json!({"name": "k", "role": "publisher", "models": ["mine*"]})).await;
    let mut client = client(&server).await;
    let row = vec![vec![0.0_f32; 64]];
    for model in ["digits", "absent"] {
        let name = model.to_owned();
        let named = || name.clone();
        let expected = format!("Request for unknown model: '{model}' is not found");
        let mut failures = vec![
            client.model_infer(with_key(&key, infer_message(model, "pixels", 64, &row))).await.map(drop),
            client
                .model_ready(with_key(&key, ModelReadyRequest { name: named(), ..Default::default() }))
                .await
                .map(drop),
            client
                .model_metadata(with_key(&key, ModelMetadataRequest { name: named(), ..Default::default() }))
                .await
                .map(drop),
            client
                .model_config(with_key(&key, ModelConfigRequest { name: named(), ..Default::default() }))
                .await
                .map(drop),
            client
                .model_statistics(with_key(
                    &key,
                    ModelStatisticsRequest { name: named(), ..Default::default() },
                ))
                .await
                .map(drop),
        ];
        let load = RepositoryModelLoadRequest { model_name: named(), ..Default::default() };
        failures.push(client.repository_model_load(with_key(&key, load)).await.map(drop));
        let unload = RepositoryModelUnloadRequest { model_name: named(), ..Default::default() };
        failures.push(client.repository_model_unload(with_key(&key, unload)).await.map(drop));
        for failure in failures {
            let status = failure.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::NotFound, expected.as_str()));
        }
    }
    let index = RepositoryIndexRequest::default();
    assert!(client.repository_index(with_key(&key, index)).await.unwrap().into_inner().models.is_empty());
    let all = client.model_statistics(with_key(&key, ModelStatisticsRequest::default())).await.unwrap();
    assert!(all.into_inner().model_stats.is_empty());
}

#[tokio::test]
async fn server_and_models_are_described() {
    let server = TestServer::with_digits().await;
    let mut client = client(&server).await;
    assert!(client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let metadata =
        client.server_metadata(authorized(&server, ServerMetadataRequest {})).await.unwrap().into_inner();
    assert_eq!(metadata.name, "modelyard");
    let named = ModelMetadataRequest { name: "digits".to_owned(), ..Default::default() };
    let model = client.model_metadata(authorized(&server, named)).await.unwrap().into_inner();
    assert_eq!((model.versions, model.inputs[0].shape.clone()), (vec!["1".to_owned()], vec![-1, 64]));
    let named = ModelConfigRequest { name: "digits".to_owned(), ..Default::default() };
    let config = client.model_config(authorized(&server, named)).await.unwrap().into_inner().config.unwrap();
    assert_eq!((config.max_batch_size, config.input[0].dims.clone()), (64, vec![64]));
    let index =
        client.repository_index(authorized(&server, RepositoryIndexRequest::default())).await.unwrap();
    assert_eq!(index.into_inner().models[0].state, "READY");

    let name = || "digits".to_owned();
    let unload = RepositoryModelUnloadRequest { model_name: name(), ..Default::default() };
    assert!(
        client.repository_model_unload(authorized(&server, unload)).await.unwrap().into_inner().is_unloaded
    );
    let ready = || authorized(&server, ModelReadyRequest { name: name(), ..Default::default() });
    assert!(!client.model_ready(ready()).await.unwrap().into_inner().ready);
    let load = RepositoryModelLoadRequest { model_name: name(), ..Default::default() };
    assert!(client.repository_model_load(authorized(&server, load)).await.unwrap().into_inner().is_loaded);
    assert!(client.model_ready(ready()).await.unwrap().into_inner().ready);
    client.model_infer(authorized(&server, digits_message(&[vec![0.0; 64]]))).await.unwrap();
    let stats =
        client.model_statistics(authorized(&server, ModelStatisticsRequest::default())).await.unwrap();
    assert_eq!(stats.into_inner().model_stats[0].inference_count, 1);
}

#[tokio::test]
async fn streams_answer_in_order_and_go_on_after_a_failure() {
    let server = TestServer::with_digits().await;
    let mut client = client(&server).await;
    let row = vec![vec![0.0_f32; 64]];
    let messages = (0..20).map(move |number| {
        let mut message = digits_message(&row);
        message.id = number.to_string();
        if number == 7 {
            message.model_name = "absent".to_owned();
        }
        let choice = Some(ParameterChoice::BoolParam(true));
        message.parameters.insert(
            "triton_enable_empty_final_response".to_owned(),
            InferParameter { parameter_choice: choice },
        );
        message
    });
    let messages = tokio_stream::iter(messages);
    let mut answers = client.model_stream_infer(authorized(&server, messages)).await.unwrap().into_inner();
    for number in 0..20 {
        let answer = answers.message().await.unwrap().unwrap();
        let response = answer.infer_response.unwrap();
        assert_eq!(response.id, number.to_string());
        if number == 7 {
            assert_eq!(answer.error_message, "Request for unknown model: 'absent' is not found");
        } else {
            assert_eq!(answer.error_message, "");
            let mark = response.parameters["triton_final_response"].parameter_choice.clone();
            assert_eq!(mark, Some(ParameterChoice::BoolParam(true)));
        }
    }
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn each_request_of_a_stream_counts_against_the_rate() {
    let server = TestServer::with_digits().await;
    let key =
        server.key(json!({"name": "k", "role": "consumer", "requests_per_minute": 1, "burst": 5})).await;
    let mut client = client(&server).await;
    let messages = tokio_stream::iter((0..8).map(|_| digits_message(&[vec![0.0_f32; 64]])));
    let mut answers = client.model_stream_infer(with_key(&key, messages)).await.unwrap().into_inner();
    let mut passed = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        passed += usize::from(answer.error_message.is_empty());
    }
    assert_eq!(passed, 5);
}

#[tokio::test]
async fn compressed_messages_are_taken_and_sizes_are_limited() {
    let server = TestServer::start_with(|setting| setting.options.grpc.max_message_bytes = 1 << 20).await;
    server.push("digits", &crate::harness::digits_file()).await;
    let client = client(&server).await;
    let mut client =
        client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    client.model_infer(authorized(&server, digits_message(&vec![vec![0.0; 64]; 100]))).await.unwrap();
    // Small on the wire, 2 MB when unpacked.
    let large = digits_message(&vec![vec![0.0; 64]; 8000]);
    let status = client.model_infer(authorized(&server, large)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    client.model_infer(authorized(&server, digits_message(&[vec![0.0; 64]]))).await.unwrap();
}

#[tokio::test]
async fn health_needs_no_key_but_models_do() {
    let server = TestServer::with_digits().await;
    let mut health = HealthClient::new(channel(&server).await);
    let request = |service: &str| HealthCheckRequest { service: service.to_owned() };
    for service in ["", "inference.GRPCInferenceService"] {
        let status = health.check(request(service)).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }
    for service in ["digits", "absent"] {
        let status = health.check(request(service)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such service"));
    }
    let status = health.check(authorized(&server, request("digits"))).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::Serving);

    let mut watch = health.watch(authorized(&server, request("digits"))).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    send(server.request(Method::POST, "/v2/repository/models/digits/unload")).await.expect(200);
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_names_the_services() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let server = TestServer::start().await;
    let mut client = ServerReflectionClient::new(channel(&server).await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let ask = |request: ServerReflectionRequest| authorized(&server, tokio_stream::iter([request]));
    let mut answers = client.server_reflection_info(ask(request.clone())).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(
        names.contains(&"inference.GRPCInferenceService") && names.contains(&"grpc.health.v1.Health"),
        "{names:?}"
    );

    let closed = TestServer::start_with(|setting| setting.options.grpc.reflection = false).await;
    let mut client = ServerReflectionClient::new(channel(&closed).await);
    let asked = authorized(&closed, tokio_stream::iter([request]));
    assert_eq!(client.server_reflection_info(asked).await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn deadlines_of_callers_are_honoured() {
    let server = TestServer::with_valve(|_| {}).await;
    let mut client = GrpcInferenceServiceClient::new(patient_channel(&server).await);
    server.valve.close();
    let begun = server.valve.begun.load(std::sync::atomic::Ordering::SeqCst);
    let mut request = authorized(&server, infer_message("valve", "x", 1, &[vec![1.0]]));
    request.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
    let status = client.model_infer(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    server.valve.until_begun(begun + 1).await;
    // Nobody waits for the run any more: it is stopped.
    until(|| server.valve.terminated.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    server.valve.open();
    client.model_infer(authorized(&server, infer_message("valve", "x", 1, &[vec![1.0]]))).await.unwrap();
    let mut request = authorized(&server, infer_message("valve", "x", 1, &[vec![1.0]]));
    request.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    assert_eq!(client.model_infer(request).await.unwrap_err().code(), Code::InvalidArgument);
}
