"""Rough clients: malformed HTTP, odd JSON, hostile bodies and gRPC messages, and callers who leave.

What is checked is always the same two things: each is refused in the right words (or the connection is closed), and
the next caller is served as if nothing had happened.
"""

import contextlib
import gzip
import json
import re
import socket
import struct
import threading

import grpc
import requests
from tritonclient.grpc import service_pb2, service_pb2_grpc

from _server import DIGITS_MODEL, run_all, server, wait_until

context = server("--set", "http.max_connections=64")
running = context.__enter__()
running.run("push", "digits", str(DIGITS_MODEL))
running.run("push", "secret", str(DIGITS_MODEL))
HOST, PORT = running.http.rsplit(":", 1)
KEY_LINE = f"X-API-Key: {running.key}\r\n"
ZEROS = ",".join(["0"] * 64)
ROWS = f'{{"x_test":[[{ZEROS}]]}}'.encode()
PREDICT = "/models/digits/predict"
INFER = "/v2/models/digits/infer"
channel = grpc.insecure_channel(running.grpc, options=[("grpc.max_send_message_length", -1)])
stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)


# === helpers ===

def head(method, path, *lines, version="1.1", key=KEY_LINE, host=f"Host: {HOST}\r\n"):
    extra = "".join(f"{line}\r\n" for line in lines)
    return f"{method} {path} HTTP/{version}\r\n{host}{key}{extra}\r\n".encode()


def request(path=PREDICT, body=ROWS, *lines, **options):
    return head("POST", path, f"Content-Length: {len(body)}", *lines, **options) + body


def exchange(data, answers=1, shut=False):
    """Sends bytes and reads until that many answers came, or the server closed; gives statuses and everything read."""
    with socket.create_connection((HOST, int(PORT)), timeout=20) as connection:
        # Closed by the server before all was sent: what it said is still to be read.
        with contextlib.suppress(OSError):
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        read = b""
        with contextlib.suppress(ConnectionError):
            while len(finished(read)) < answers:
                piece = connection.recv(65536)
                if not piece:
                    break
                read += piece
    return finished(read), read


def finished(read):
    """The statuses of the answers that are there in full."""
    statuses = []
    while match := re.match(rb"HTTP/1\.[01] (\d{3})[^\r]*\r\n(.*?)\r\n\r\n", read, re.S):
        status, headers, rest = int(match[1]), match[2].lower(), read[match.end():]
        length = re.search(rb"content-length: (\d+)", headers)
        length = int(length[1]) if length else 0
        if status >= 200 and len(rest) < length:
            break
        read = rest[length:] if status >= 200 else rest
        if status >= 200:
            statuses.append(status)
    return statuses


def still_serves():
    answer = requests.post(running.url + PREDICT, data=ROWS, headers=running.headers, timeout=30)
    assert answer.status_code == 200, (answer.status_code, answer.text)


def told(body, expected, path=PREDICT, status=400, headers=None):
    """The body is refused with this status and a text that has `expected` in it."""
    answer = requests.post(running.url + path, data=body, headers={**running.headers, **(headers or {})}, timeout=60)
    assert answer.status_code == status and expected in answer.text, (body[:80], answer.status_code, answer.text[:300])


def message(shape=(1, 64), raw=(bytes(256),), name="pixels", datatype="FP32", **fields):
    built = service_pb2.ModelInferRequest(**{"model_name": "digits", **fields})
    built.inputs.add(name=name, datatype=datatype, shape=shape)
    built.raw_input_contents.extend(raw)
    return built


def refused_call(built, code, expected=""):
    try:
        stub.ModelInfer(built, metadata=running.metadata, timeout=30)
    except grpc.RpcError as error:
        assert error.code() == code and expected in error.details(), (error.code(), error.details()[:300])
    else:
        raise AssertionError(f"accepted: {str(built)[:200]}")


# === HTTP ===

def malformed_heads_never_reach_a_handler():
    for data in [
        b"GET /health/live\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes(range(256)) * 4,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        head("GET", "/v2", "X-A : a"), head("GET", "/v2", "X-A: a", " folded"), head("GET", "/v2", "X-A: a\0b"),
        head("GET", "/v2", "X-A: " + "a" * 70_000), head("GET", "/" + "a" * 70_000),
        head("GET", "/v2", *[f"X-{number}: a" for number in range(200)]),
    ]:
        statuses, read = exchange(data)
        assert all(400 <= status < 500 or status == 505 for status in statuses), (data[:60], read[:200])
    still_serves()


def contradictory_lengths_never_reach_a_handler():
    for lines in [
        ["Content-Length: 3", f"Content-Length: {len(ROWS)}"], [f"Content-Length: +{len(ROWS)}"],
        ["Content-Length: -1"], ["Content-Length: 99999999999999999999"], ["Content-Length: 18446744073709551615"],
        ["Transfer-Encoding: chunked, identity"], ["Transfer-Encoding: xchunked"],
    ]:
        statuses, read = exchange(head("POST", PREDICT, *lines) + ROWS)
        assert all(status >= 400 for status in statuses), (lines, read[:200])
    still_serves()


def chunks_are_joined_and_broken_ones_end_the_request():
    chunked = head("POST", PREDICT, "Transfer-Encoding: chunked")
    whole = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (ROWS[:7], ROWS[7:]))
    statuses, _ = exchange(chunked + whole + b"0\r\nX-Trailer: t\r\n\r\n")
    assert statuses == [200], statuses
    for broken in [b"zz\r\nabc\r\n0\r\n\r\n", b"fffffffffffffffff\r\nabc", b"1;" + b"a" * 40_000 + b"\r\n{\r\n0\r\n\r\n"]:
        statuses, read = exchange(chunked + broken)
        assert all(status >= 400 for status in statuses), (broken[:20], read[:200])


def both_kinds_of_length_are_not_smuggled():
    inner = head("DELETE", "/api/v1/models/digits/aliases/smuggled")
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ROWS), ROWS)
    data = head("POST", PREDICT, "Transfer-Encoding: chunked", f"Content-Length: {len(body)}") + body + inner
    statuses, read = exchange(data, answers=2)
    assert len(statuses) <= 1, read


def bodies_that_break_off_are_told_so():
    statuses, read = exchange(request()[:-5], shut=True)
    assert statuses == [400] and b"broke off" in read, read


def old_and_pipelining_clients_are_served_in_order():
    statuses, read = exchange(request(version="1.0"))
    assert statuses == [200] and read.startswith(b"HTTP/1.0"), read[:100]
    statuses, _ = exchange(request() + request(body=b"{}") + head("GET", "/v2/models/none") + request(), answers=4)
    assert statuses == [200, 400, 404, 200], statuses


def expectations_are_met_before_the_body_is_asked_for():
    with socket.create_connection((HOST, int(PORT)), timeout=20) as connection:
        connection.sendall(request()[:-len(ROWS)].replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 "), "asked to go on"
        connection.sendall(ROWS)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    statuses, read = exchange(request(key="")[:-len(ROWS)].replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert statuses == [401] and b"100 Continue" not in read, read


def hosts_and_origins_of_strangers_are_refused():
    for data in [
        head("GET", "/v2", host="Host: evil.example\r\n"), head("GET", "/v2", host="Host: 127.0.0.1.evil.example\r\n"),
        head("GET", "http://evil.example/v2"), head("GET", "/v2", "Origin: http://evil.example"),
        head("GET", "/v2", "Origin: null"),
    ]:
        assert exchange(data)[0] == [403], data
    for hosts in ["", f"Host: {HOST}\r\nHost: {HOST}\r\n"]:
        assert exchange(head("GET", "/v2", host=hosts))[0] == [400], hosts
    assert exchange(head("GET", f"http://{running.http}/v2"))[0] == [200]


def paths_mean_one_thing():
    for path in [
        "//v2", "/v2/", "/v2/models/../../v2", "/v2/models/digits%2fversions%2f1", "/V2", "/v2;x=1",
        "/api/v1/models/digits/versions/1/files/..%2f..%2fadmin.key", "/api/v1/models/digits/versions/1/files/../admin.key",
        "/api/v1/models/digits/versions/1/files/%2fetc%2fpasswd", "/api/v1/models/digits/versions/1/files/model.onnx%00",
        "/" + "a" * 20_000,
    ]:
        assert exchange(head("GET", path))[0] == [404], path
    assert exchange(head("GET", "/v2/models/d%69gits"))[0] == [200]


def other_methods_are_told_and_head_has_no_body():
    for method in ["PATCH", "TRACE", "PROPFIND"]:
        statuses, read = exchange(head(method, "/v2/models/digits"))
        assert statuses == [405] and b"allow: GET, HEAD, OPTIONS" in read, read
    for path, status in [("/v2/models/digits", 200), ("/v2/models/none", 404)]:
        answer = requests.head(running.url + path, headers=running.headers, timeout=30)
        assert answer.status_code == status and not answer.content and int(answer.headers["content-length"]) > 0


def keys_must_be_one_and_clean():
    for line, status in [
        ("X-API-Key: \u00ff", 401), ("X-API-Key: ", 401), ("Authorization: Basic eDp5", 401), ("Authorization: Bearer", 401),
        ("X-API-Key: " + "my_" * 5_000, 401), (f"X-API-Key: {running.key[:-1]}", 401),
        (f"X-API-Key: {running.key}\r\nAuthorization: Bearer other", 400),
    ]:
        statuses, read = exchange(head("GET", "/v2", line, key="").decode().encode("latin-1"))
        assert statuses == [status] and running.key.encode() not in read, (line[:40], read)


def request_ids_cannot_forge_a_log_line():
    for given in ["a b", "x" * 200, '"><script>', "a\tlevel=ERROR"]:
        answer = requests.get(running.url + "/v2", headers={**running.headers, "x-request-id": given}, timeout=30)
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"]), answer.headers


# === JSON and bodies ===

def odd_documents_are_told():
    for body in [
        b"", b"[" * 1_000_000, b'{"x_test":' + b"[" * 500_000, b"\xef\xbb\xbf" + ROWS, ROWS.decode().encode("utf-16"),
        ROWS + b"{}", ROWS + b"\0", b'{"x_\xff":1}', b'{"x_test\\ud800":[]}', ROWS.replace(b"[[0", b"[[007"),
        ROWS.replace(b"0]]", b"0,]]"), ROWS.replace(b"[[0", b"[[NaN"), ROWS.replace(b"[[0", b"[[+1"),
        b'{"x_test":5}', b'{"x_test":null}', b'{"x_test":[[]]}', ROWS[:-1] + b"," + ROWS[1:],
        ROWS[:-1] + b',"zz":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ]:
        told(body, "invalid_argument")
    told(ROWS.replace(b"[[0", b'[["1"'), "is not a number")


def numbers_at_the_edges_are_read_or_refused():
    for number in [b"-0", b"1e-999999999999999999999", b"0e99999999999999999999", b"3.4028235e38", b"0." + b"0" * 10_000 + b"1"]:
        answer = requests.post(running.url + PREDICT, data=ROWS.replace(b"[[0", b"[[" + number), headers=running.headers, timeout=30)
        assert answer.status_code == 200, (number[:30], answer.text)
    for number in [b"1e39", b"1e400", b"-1e400", b"1e99999999999999999999", b"9" * 100_000]:
        told(ROWS.replace(b"[[0", b"[[" + number), "too large for FP32")


def counts_and_shapes_are_bounded():
    one = f'{{"name":"pixels","datatype":"FP32","shape":[1,64],"data":[{ZEROS}]}}'
    many = ",".join(one.replace("pixels", f"p{number}") for number in range(10_000))
    told(f'{{"inputs":[{many}]}}', "at most 512", INFER)
    asked = ",".join(['{"name":"probabilities"}'] * 10_000)
    told(f'{{"inputs":[{one}],"outputs":[{asked}]}}', "at most 512", INFER)
    told(f'{{"id":"{"i" * 100_000}","inputs":[{one}]}}', "longer than", INFER)
    for shape in ["[-1,64]", "[0,64]", "[64]", "[]", "[1.5,64]", "[4294967296,4294967296]", "[9223372036854775807,64]",
                  "[18446744073709551616,64]", "[9223372036854775807,0]", str([1] * 5_000)]:
        told(f'{{"inputs":[{one.replace("[1,64]", shape)}]}}', '"error"', INFER)
    told(f'{{"inputs":[{one}],"parameters":{{"timeout":-1}}}}', "timeout", INFER)


def binary_lengths_that_lie_are_told():
    def binary(shape, size, data, length=None):
        part = f'{{"inputs":[{{"name":"pixels","datatype":"FP32","shape":[{shape}],"parameters":{{"binary_data_size":{size}}}}}]}}'
        return part.encode() + data, {"Inference-Header-Content-Length": str(len(part) if length is None else length)}

    body, headers = binary("1,64", 256, bytes(256))
    answer = requests.post(running.url + INFER, data=body, headers={**running.headers, **headers}, timeout=30)
    assert answer.status_code == 200, answer.text
    for case in [
        ("1,64", 256, bytes(255)), ("1,64", 256, bytes(257)), ("1,64", 18446744073709551615, bytes(256)),
        ("2,64", 256, bytes(256)), ("0,64", 0, b""), ("4611686018427387904,64", 0, b""), ("1,64", 256, b"", 10**9),
        ("1,64", 256, b"", 10**25), ("1,64", 256, b"", -1), ("1,64", 256, b"", 0), ("1,64", 256, b"", "1e2"),
    ]:
        body, headers = binary(*case)
        told(body, "", INFER, headers=headers)


def compressed_bodies_are_bounded_after_decompression():
    told(gzip.compress(b"[" * (100 << 20), 1), "payload_too_large", status=413, headers={"Content-Encoding": "gzip"})
    told(gzip.compress(ROWS)[:-4], "compressed", headers={"Content-Encoding": "gzip"})
    told(gzip.compress(ROWS) + b"garbage", "compressed", headers={"Content-Encoding": "gzip"})
    told(ROWS, "compressed", headers={"Content-Encoding": "deflate"})
    told(ROWS, "not known", headers={"Content-Encoding": "gzip, gzip"})
    still_serves()


# === gRPC ===

def tensors_that_lie_are_told_over_grpc():
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    for raw in [(), (bytes(255),), (bytes(257),), (bytes(256), b"")]:
        refused_call(message(raw=raw), invalid)
    for shape in [(-1, 64), (0, 64), (64,), (), (2**62, 64), (2**63 - 1, 2**63 - 1), (0, 2**63 - 1), (1,) * 5_000]:
        refused_call(message(shape=shape), invalid)
    for fields in [{"name": ""}, {"name": "x" * 100_000}, {"datatype": "FP33"}, {"datatype": "fp32"}, {"datatype": "BYTES"}]:
        refused_call(message(**fields), invalid)
    refused_call(message(id="x" * 100_000), invalid, "id")
    twice = message()
    twice.inputs[0].contents.fp32_contents.extend([0.0] * 64)
    refused_call(twice, invalid)
    wrong = message(raw=())
    wrong.inputs[0].contents.int_contents.extend([0] * 64)
    refused_call(wrong, invalid, "fp32_contents")


def names_and_versions_that_are_none_are_not_found_over_grpc():
    for fields in [{"model_name": name} for name in ("", "none", "a\0b", "../digits", "m" * 100_000)] + [
        {"model_version": version} for version in ("0", "-1", "9" * 30, "nope", "../1", "@production")
    ]:
        refused_call(message(**fields), grpc.StatusCode.NOT_FOUND)


def bytes_that_are_no_message_fail_their_own_call():
    for method in ["ModelInfer", "ModelMetadata", "ModelStreamInfer", "RepositoryIndex"]:
        call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}", bytes, bytes)
        for data in [b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x03\xff\xfe\xfd", b"\x2b" * 5_000]:
            with contextlib.suppress(grpc.RpcError):
                call(data, metadata=running.metadata, timeout=30)
    stub.ModelInfer(message(), metadata=running.metadata, timeout=30)


def calls_without_a_key_learn_nothing():
    for path in ["inference.GRPCInferenceService/ModelInfer", "inference.GRPCInferenceService/RepositoryIndex",
                 "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "no.Such/Call"]:
        try:
            channel.unary_unary(f"/{path}", bytes, bytes)(b"", timeout=30)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED, (path, error.code())
        else:
            raise AssertionError(path)


def hidden_models_answer_like_missing_ones():
    made = requests.post(f"{running.url}/api/v1/keys", headers=running.headers, timeout=30,
                         json={"name": "narrow", "role": "publisher", "models": ["digits"]}).json()["secret"]
    headers = {"x-api-key": made}
    for method, path in [
        ("GET", "/v2/models/{}"), ("GET", "/v2/models/{}/versions/9"), ("GET", "/v2/models/{}/ready"), ("GET", "/v2/models/{}/stats"),
        ("POST", "/v2/models/{}/infer"), ("POST", "/models/{}/predict"), ("GET", "/models/{}/predict"), ("POST", "/v2/repository/models/{}/load"),
        ("GET", "/api/v1/models/{}"), ("GET", "/api/v1/models/{}/versions/1/files/model.onnx"), ("PUT", "/api/v1/models/{}/aliases/a"),
        ("POST", "/api/v1/models/{}/versions/1/archive"), ("PUT", "/api/v1/models/{}/serving"), ("PATCH", "/api/v1/models/{}"),
    ]:
        seen = []
        for name in ("secret", "absent"):
            answer = requests.request(method, running.url + path.format(name), headers=headers, json={"version": 1}, timeout=30)
            text = re.sub(r'"request_id":"[^"]*"', "", answer.text).replace(name, "NAME")
            seen.append((answer.status_code, text, sorted(set(answer.headers) - {"date", "content-length"})))
        assert seen[0] == seen[1], (method, path, seen)
    for path in ["/metrics", "/v2/models/stats", "/api/v1/models", "/api/v1/status", "/predict"]:
        assert "secret" not in requests.get(running.url + path, headers=headers, timeout=30).text, path


# === callers who leave ===

def in_flight():
    text = requests.get(running.url + "/metrics", headers=running.headers, timeout=30).text
    return int(re.search(r"^modelyard_requests_in_flight (\d+)$", text, re.M)[1])


def callers_who_leave_give_their_place_back():
    connections = []
    for sent in (len(request()) - 1, 200, len(request())):
        for _ in range(10):
            connection = socket.create_connection((HOST, int(PORT)), timeout=20)
            connection.sendall(request()[:sent])
            connections.append(connection)
    for connection in connections:
        # A reset and no farewell.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    calls = [stub.ModelInfer.future(message(), metadata=running.metadata) for _ in range(50)]
    for call in calls:
        call.cancel()
    # The one that is left is the request that asks.
    wait_until(lambda: in_flight() == 1)
    still_serves()


def connections_beyond_the_limit_wait_and_are_served():
    held = [socket.create_connection((HOST, int(PORT)), timeout=20) for _ in range(64)]
    answers = []
    late = threading.Thread(target=lambda: answers.append(exchange(request())[0]))
    late.start()
    for connection in held:
        connection.close()
    late.join(timeout=30)
    assert answers == [[200]], answers


def uploads_that_break_off_can_be_sent_again():
    begun = requests.post(f"{running.url}/api/v1/uploads", headers=running.headers, json={"model": "broken"}, timeout=30).json()
    path, content = f"/api/v1/uploads/{begun['id']}/files/model.onnx", DIGITS_MODEL.read_bytes()
    with socket.create_connection((HOST, int(PORT)), timeout=20) as connection:
        connection.sendall(head("PUT", path, f"Content-Length: {len(content)}") + content[:-1])
    statuses, read = exchange(head("PUT", path, f"Content-Length: {len(content)}", "X-Content-SHA256: " + "0" * 64) + content)
    assert statuses[0] in (400, 409), read
    assert not requests.get(f"{running.url}/api/v1/uploads/{begun['id']}", headers=running.headers, timeout=30).json()["files"]
    assert exchange(head("PUT", path, f"Content-Length: {len(content)}") + content)[0] == [201]
    made = requests.post(f"{running.url}/api/v1/uploads/{begun['id']}/commit", headers=running.headers, json={}, timeout=120)
    assert made.status_code == 201 and made.json()["version"] == 1, made.text
    for name in ["../a.onnx", "a/../b.onnx", "%2e%2e/a.onnx", "a%00.onnx", "..%2fa.onnx", "a\\b.onnx"]:
        statuses, read = exchange(head("PUT", f"/api/v1/uploads/{begun['id']}/files/{name}", "Content-Length: 1") + b"x")
        assert statuses and statuses[0] in (400, 404, 409), (name, read)


def nothing_of_it_was_an_error_of_the_server():
    log = (running.directory.parent / "server.log").read_text(errors="replace")
    assert "panicked" not in log and " ERROR " not in log, log[-2000:]
    assert running.key not in log.replace(f"  {running.key}\n", "", 1), "the key is shown once, at the first start"
    still_serves()


CHECKS = [
    malformed_heads_never_reach_a_handler, contradictory_lengths_never_reach_a_handler,
    chunks_are_joined_and_broken_ones_end_the_request, both_kinds_of_length_are_not_smuggled,
    bodies_that_break_off_are_told_so, old_and_pipelining_clients_are_served_in_order,
    expectations_are_met_before_the_body_is_asked_for, hosts_and_origins_of_strangers_are_refused, paths_mean_one_thing,
    other_methods_are_told_and_head_has_no_body, keys_must_be_one_and_clean, request_ids_cannot_forge_a_log_line,
    odd_documents_are_told, numbers_at_the_edges_are_read_or_refused, counts_and_shapes_are_bounded,
    binary_lengths_that_lie_are_told, compressed_bodies_are_bounded_after_decompression,
    tensors_that_lie_are_told_over_grpc, names_and_versions_that_are_none_are_not_found_over_grpc,
    bytes_that_are_no_message_fail_their_own_call, calls_without_a_key_learn_nothing,
    hidden_models_answer_like_missing_ones, callers_who_leave_give_their_place_back,
    connections_beyond_the_limit_wait_and_are_served, uploads_that_break_off_can_be_sent_again,
    nothing_of_it_was_an_error_of_the_server,
]

try:
    run_all(*CHECKS)
finally:
    context.__exit__(None, None, None)
