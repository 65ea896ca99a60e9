"""The gRPC client of Triton (`tritonclient.grpc`), gRPC health and reflection against Modelyard."""

import grpc
import numpy
import queue
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tritonclient.utils import InferenceServerException

from _server import ASSETS, DIGITS_MODEL, held_out, run_all, samples, server

context = server()
running = context.__enter__()
running.run("push", "digits", str(DIGITS_MODEL))
running.run("push", "strings", str(ASSETS / "models" / "strings" / "model.onnx"))
client = triton.InferenceServerClient(running.grpc)
H = {"authorization": f"Bearer {running.key}"}
PIXELS, LABELS = held_out()


def pixels(rows=PIXELS):
    values = numpy.array(rows, dtype=numpy.float32)
    given = triton.InferInput("pixels", list(values.shape), "FP32")
    given.set_data_from_numpy(values)
    return given


def health_and_metadata():
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits", headers=H)
    refused(lambda: client.is_model_ready("digits", "7", headers=H), "version 7", status="StatusCode.NOT_FOUND")
    assert client.get_server_metadata(headers=H).name == "modelyard"
    metadata = client.get_model_metadata("digits", headers=H)
    assert metadata.inputs[0].name == "pixels" and list(metadata.inputs[0].shape) == [-1, 64]
    config = client.get_model_config("digits", headers=H).config
    assert config.name == "digits" and config.input[0].name == "pixels"


def digits_are_classified():
    answer = client.infer("digits", [pixels()], headers=H, request_id="r1")
    assert answer.get_response().id == "r1" and answer.get_response().model_version == "1"
    accuracy = (answer.as_numpy("probabilities").argmax(1) == numpy.array(LABELS)).mean()
    assert accuracy >= 0.97, accuracy


def compressed():
    plain = client.infer("digits", [pixels()], headers=H).as_numpy("probabilities")
    small = client.infer("digits", [pixels()], headers=H, compression_algorithm="gzip").as_numpy("probabilities")
    assert (plain == small).all()


def strings():
    for sample in samples("strings"):
        given = []
        for item in sample["inputs"]:
            one = triton.InferInput(item["name"], item["shape"], item["datatype"])
            one.set_data_from_numpy(numpy.array(item["data"], dtype=object).reshape(item["shape"]))
            given.append(one)
        answer = client.infer("strings", given, headers=H)
        for item in sample["outputs"]:
            got = answer.as_numpy(item["name"]).flatten()
            got = [part.decode() for part in got] if item["datatype"] == "BYTES" else got.tolist()
            assert got == item["data"], (got, item["data"])


def streams():
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)), headers=H)
    for number in range(20):
        client.async_stream_infer("digits", [pixels(PIXELS[number : number + 1])], request_id=str(number))
    client.stop_stream()
    seen = {}
    while len(seen) < 20:
        result, error = answers.get(timeout=10)
        assert error is None, error
        seen[int(result.get_response().id)] = int(result.as_numpy("probabilities").argmax())
    together = client.infer("digits", [pixels(PIXELS[:20])], headers=H).as_numpy("probabilities").argmax(1)
    assert [seen[number] for number in range(20)] == together.tolist()


def index_load_unload():
    index = client.get_model_repository_index(headers=H)
    assert ("digits", "1", "READY") in {(entry.name, entry.version, entry.state) for entry in index.models}
    client.unload_model("digits", headers=H)
    assert not client.is_model_ready("digits", headers=H)
    client.load_model("digits", headers=H)
    assert client.is_model_ready("digits", headers=H)
    refused(lambda: client.load_model("missing", headers=H), "missing")
    refused(lambda: client.load_model("digits", config="{}", headers=H), "config")
    refused(lambda: client.load_model("digits", files={"file:1/model.onnx": b"x"}, config="{}", headers=H), "")


def refused(call, *words, status=None):
    try:
        call()
    except InferenceServerException as error:
        for word in words:
            assert word in str(error), (word, str(error))
        if status is not None:
            assert error.status() == status, error.status()
        return
    raise AssertionError("it was not refused")


def mistakes_are_told():
    values = numpy.zeros((1, 63), dtype=numpy.float32)
    wrong = triton.InferInput("pixels", [1, 63], "FP32")
    wrong.set_data_from_numpy(values)
    refused(
        lambda: client.infer("digits", [wrong], headers=H),
        "unexpected shape for input 'pixels' for model 'digits'. Expected [-1,64], got [1,63]",
        status="StatusCode.INVALID_ARGUMENT",
    )
    refused(
        lambda: client.infer("nothing", [pixels()], headers=H),
        "Request for unknown model: 'nothing' is not found",
        status="StatusCode.NOT_FOUND",
    )
    refused(lambda: client.infer("digits", [pixels()]), status="StatusCode.UNAUTHENTICATED")


def health_service():
    with grpc.insecure_channel(running.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        assert stub.Check(health_pb2.HealthCheckRequest()).status == serving
        assert stub.Check(health_pb2.HealthCheckRequest(service="inference.GRPCInferenceService")).status == serving
        try:
            stub.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))
            raise AssertionError("an unknown service is not NOT_FOUND")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error.code()


class WithKey(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Adds the key to every call."""

    def _with_key(self, details):
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {running.key}")]
        return details._replace(metadata=metadata)

    def intercept_unary_unary(self, go_on, details, request):
        return go_on(self._with_key(details), request)

    def intercept_stream_stream(self, go_on, details, requests):
        return go_on(self._with_key(details), requests)


def reflection():
    with grpc.insecure_channel(running.grpc) as channel:
        database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(channel, WithKey()))
        services = set(database.get_services())
        assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= services, services
        described = database.FindFileContainingSymbol("inference.GRPCInferenceService")
        assert "ModelInfer" in {method.name for service in described.service for method in service.method}
        without_key = ProtoReflectionDescriptorDatabase(channel)
        try:
            without_key.get_services()
            raise AssertionError("reflection is open")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error.code()


try:
    run_all(
        health_and_metadata, digits_are_classified, compressed, strings, streams, index_load_unload, mistakes_are_told,
        health_service, reflection,
    )
finally:
    client.close()
    context.__exit__(None, None, None)
