"""The REST client of Triton (`tritonclient.http`) against Modelyard: JSON, binary, metadata, config, index, load, unload."""

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from _server import ASSETS, DIGITS_MODEL, held_out, run_all, samples, server

context = server()
running = context.__enter__()
running.run("push", "digits", str(DIGITS_MODEL))
running.run("push", "strings", str(ASSETS / "models" / "strings" / "model.onnx"))
running.run("push", "multi-io", str(ASSETS / "models" / "multi-io" / "model.onnx"))
client = triton.InferenceServerClient(running.http, concurrency=4)
H = running.headers  # the client writes into the dictionary that it is given: every call gets a copy
PIXELS, LABELS = held_out()

NUMPY = {
    "BOOL": bool, "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "INT8": "i1", "INT16": "i2",
    "INT32": "i4", "INT64": "i8", "FP16": "f2", "FP32": "f4", "FP64": "f8", "BYTES": object,
}


def tensor(name, values, binary):
    given = triton.InferInput(name, list(values.shape), "FP32")
    given.set_data_from_numpy(values, binary_data=binary)
    return given


def classify(binary_in, binary_out, rows=PIXELS, **options):
    values = numpy.array(rows, dtype=numpy.float32)
    wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary_out)]
    answer = client.infer("digits", [tensor("pixels", values, binary_in)], outputs=wanted, headers=dict(H), **options)
    return answer, answer.as_numpy("probabilities")


def health_and_metadata():
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits", headers=dict(H))
    assert client.is_model_ready("digits", "1", headers=dict(H))
    assert not client.is_model_ready("digits", "7", headers=dict(H))
    server_metadata = client.get_server_metadata(headers=dict(H))
    assert server_metadata["name"] == "modelyard" and "binary_tensor_data" in server_metadata["extensions"]
    metadata = client.get_model_metadata("digits", headers=dict(H))
    assert metadata["name"] == "digits" and metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "pixels", "datatype": "FP32", "shape": [-1, 64]}]
    config = client.get_model_config("digits", headers=dict(H))
    assert config["input"][0]["data_type"] == "TYPE_FP32" and config["max_batch_size"] >= 1


def json_and_binary_agree_and_are_right():
    reference = None
    for binary_in in (False, True):
        for binary_out in (False, True):
            answer, probabilities = classify(binary_in, binary_out)
            assert answer.get_response()["model_version"] == "1"
            accuracy = (probabilities.argmax(1) == numpy.array(LABELS)).mean()
            assert accuracy >= 0.97, accuracy
            reference = probabilities if reference is None else reference
            assert (probabilities == reference).all()


def request_ids_and_versions_come_back():
    answer, _ = classify(True, True, request_id="abc", model_version="1")
    assert answer.get_response()["id"] == "abc"


def compressed_both_ways():
    for algorithm in ("gzip", "deflate"):
        _, plain = classify(True, True)
        _, small = classify(True, True, request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
        assert (plain == small).all()


def classification_extension():
    values = numpy.array(PIXELS[:3], dtype=numpy.float32)
    for binary in (False, True):
        wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)]
        answer = client.infer("digits", [tensor("pixels", values, True)], outputs=wanted, headers=dict(H)).as_numpy("probabilities")
        assert answer.shape == (3, 2), answer.shape
        best = answer[1][0].decode() if isinstance(answer[1][0], bytes) else answer[1][0]
        value, index = best.split(":")[:2]
        assert int(index) == LABELS[1] and float(value) > 0.9, answer


def strings_and_several_inputs():
    for name in ("strings", "multi-io"):
        for sample in samples(name):
            for binary in (False, True):
                given = []
                for item in sample["inputs"]:
                    values = numpy.array(item["data"], dtype=NUMPY[item["datatype"]]).reshape(item["shape"])
                    one = triton.InferInput(item["name"], item["shape"], item["datatype"])
                    one.set_data_from_numpy(values, binary_data=binary)
                    given.append(one)
                answer = client.infer(name, given, headers=dict(H))
                for item in sample["outputs"]:
                    got = answer.as_numpy(item["name"])
                    assert list(got.shape) == item["shape"], (name, item["name"], got.shape)
                    if item["datatype"] == "BYTES":
                        got = [part.decode() if isinstance(part, bytes) else part for part in got.flatten()]
                        assert got == item["data"], (got, item["data"])
                    else:
                        assert numpy.allclose(got.flatten(), numpy.array(item["data"], dtype=got.dtype), rtol=1e-6)


def index_load_unload():
    names = {(entry["name"], entry["version"], entry["state"]) for entry in client.get_model_repository_index(headers=dict(H))}
    assert ("digits", "1", "READY") in names, names
    client.unload_model("digits", headers=dict(H))
    assert not client.is_model_ready("digits", headers=dict(H))
    client.load_model("digits", headers=dict(H))
    assert client.is_model_ready("digits", headers=dict(H))
    classify(True, True)
    refused(lambda: client.load_model("missing", headers=dict(H)), "missing")
    refused(lambda: client.load_model("digits", config="{}", headers=dict(H)), "config")


def statistics():
    before = client.get_inference_statistics("digits", headers=dict(H))["model_stats"][0]["inference_stats"]["success"]["count"]
    classify(True, True)
    after = client.get_inference_statistics("digits", headers=dict(H))["model_stats"][0]["inference_stats"]["success"]["count"]
    assert after == before + 1, (before, after)


def refused(call, *words):
    try:
        call()
    except InferenceServerException as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return error
    raise AssertionError("it was not refused")


def mistakes_are_told():
    values = numpy.zeros((1, 64), dtype=numpy.float32)
    refused(lambda: client.infer("digits", [tensor("x", values, True)], headers=dict(H)), "unexpected inference input 'x' for model 'digits'")
    wrong = numpy.zeros((1, 63), dtype=numpy.float32)
    refused(
        lambda: client.infer("digits", [tensor("pixels", wrong, True)], headers=dict(H)),
        "unexpected shape for input 'pixels' for model 'digits'. Expected [-1,64], got [1,63]",
    )
    given = triton.InferInput("pixels", [1, 64], "INT64")
    given.set_data_from_numpy(numpy.zeros((1, 64), dtype=numpy.int64))
    refused(lambda: client.infer("digits", [given], headers=dict(H)), "data-type is 'INT64', but model 'digits' expects 'FP32'")
    refused(lambda: client.infer("nothing", [tensor("pixels", values, True)], headers=dict(H)), "Request for unknown model: 'nothing' is not found")
    refused(lambda: client.infer("digits", [tensor("pixels", values, True)]), "key")


try:
    run_all(
        health_and_metadata, json_and_binary_agree_and_are_right, request_ids_and_versions_come_back, compressed_both_ways,
        classification_extension, strings_and_several_inputs, index_load_unload, statistics, mistakes_are_told,
    )
finally:
    client.close()
    context.__exit__(None, None, None)
