"""100 promotes back and forth under the load of 16 clients over REST and gRPC: no request fails, and every answer is that
of a version that was live while the request ran."""

import threading
import time

import numpy
import requests
import tritonclient.grpc as triton

from _server import ASSETS, run_all, samples, server

PROMOTES = 100
CLIENTS = 16


class Timeline:
    """Which versions could have answered at which time: a promote is both old and new while it runs."""

    def __init__(self):
        self.lock, self.spans = threading.Lock(), [[0.0, float("inf"), 1]]

    def begin(self, version):
        with self.lock:
            self.spans.append([time.monotonic(), float("inf"), version])

    def end(self, old):
        with self.lock:
            for span in self.spans:
                if span[2] == old and span[1] == float("inf"):
                    span[1] = time.monotonic()

    def allowed(self, start, finish):
        with self.lock:
            return {version for begun, ended, version in self.spans if begun <= finish and ended >= start}


def hundred_promotes():
    with server() as running:
        # Two versions whose answers differ, so that the answer itself tells which version gave it.
        for name in ("mlp-100-128-10", "batch-mean"):
            running.run("push", name, str(ASSETS / "models" / name / "model.onnx"))
        first = running.run("push", "lane", str(ASSETS / "models" / "mlp-100-128-10" / "model.onnx"))
        second = running.run("push", "lane", str(ASSETS / "models" / "mlp-100-128-10" / "model.onnx"), "--new-version")
        assert (first["version"], second["version"]) == (1, 2)
        sample = samples("mlp-100-128-10")[0]
        expected = numpy.array(sample["outputs"][0]["data"], dtype=numpy.float32)
        timeline, stop, wrong, counts = Timeline(), threading.Event(), [], []

        def judge(start, version, values):
            allowed = timeline.allowed(start, time.monotonic())
            if version not in allowed:
                wrong.append(f"version {version} answered when {allowed} were live")
            if not numpy.allclose(values, expected, atol=1e-5):
                wrong.append(f"version {version} gave {values}")

        def over_rest():
            session, count = requests.Session(), 0
            session.headers.update(running.headers)
            while not stop.is_set():
                start = time.monotonic()
                answer = session.post(running.url + "/v2/models/lane/infer", json={"inputs": sample["inputs"]}, timeout=30)
                if answer.status_code != 200:
                    wrong.append(f"{answer.status_code} {answer.text}")
                else:
                    judge(start, int(answer.headers["x-modelyard-version"]), answer.json()["outputs"][0]["data"])
                count += 1
            counts.append(count)

        def over_grpc():
            client, count = triton.InferenceServerClient(running.grpc), 0
            given = triton.InferInput("input", [1, 100], "FP32")
            given.set_data_from_numpy(numpy.array(sample["inputs"][0]["data"], dtype=numpy.float32).reshape(1, 100))
            while not stop.is_set():
                start = time.monotonic()
                try:
                    answer = client.infer("lane", [given], headers={"authorization": f"Bearer {running.key}"})
                    judge(start, int(answer.get_response().model_version), answer.as_numpy("probs").ravel())
                except Exception as error:  # noqa: BLE001 - any failure is what is being looked for
                    wrong.append(repr(error))
                count += 1
            client.close()
            counts.append(count)

        clients = [threading.Thread(target=over_rest if place % 2 else over_grpc) for place in range(CLIENTS)]
        for client in clients:
            client.start()
        manager = requests.Session()
        manager.headers.update(running.headers)
        for number in range(PROMOTES):
            target, old = (2, 1) if number % 2 == 0 else (1, 2)
            timeline.begin(target)
            moved = manager.put(running.url + "/api/v1/models/lane/aliases/production", json={"version": target}, timeout=60)
            assert moved.status_code == 200, moved.text
            timeline.end(old)
        stop.set()
        for client in clients:
            client.join()
        assert not wrong, f"{len(wrong)} of {sum(counts)} requests: {wrong[:5]}"
        assert len(counts) == CLIENTS and min(counts) > 0 and sum(counts) >= 1000, counts
        print(f"{PROMOTES} promotes, {sum(counts)} requests, none failed")


run_all(hundred_promotes)
