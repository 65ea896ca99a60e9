"""Packages made to do harm are pushed with the real command line: each is refused with a reason, the server goes on
serving meanwhile, loses no memory, and keeps nothing of them."""

import os
import pathlib
import tempfile
import threading
import time

import requests

from _server import ASSETS, DIGITS_MODEL, held_out, run_all, server

PIXELS, LABELS = held_out()
# A proof may take 20 seconds and 3 GiB here, so that those that loop or eat memory are ended soon.
FLAGS = ("--set", "proof.timeout=20s", "--set", "proof.max_memory_bytes=3_221_225_472")


def resident(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def children(process):
    listed = pathlib.Path(f"/proc/{process.pid}/task").glob("*/children")
    return [child for path in listed for child in path.read_text().split()]


class Client(threading.Thread):
    """Asks for predictions all the time and counts what is not a right answer."""

    def __init__(self, running):
        super().__init__(daemon=True)
        self.running, self.stopped, self.answers, self.wrong = running, threading.Event(), 0, []

    def run(self):
        session = requests.Session()
        session.headers.update(self.running.headers)
        while not self.stopped.is_set():
            try:
                answer = session.post(self.running.url + "/predict", json={"x_test": PIXELS[1:2]}, timeout=10)
                row = answer.json()["y_pred"][0]
                if row.index(max(row)) != LABELS[1]:
                    self.wrong.append(row)
            except (requests.RequestException, KeyError, ValueError) as error:
                self.wrong.append(repr(error))
            self.answers += 1
            time.sleep(0.01)


def every_hostile_package_is_refused_and_harms_nobody():
    with server(*FLAGS, "--default-model", "digits") as running:
        running.run("push", "digits", str(DIGITS_MODEL))
        client = Client(running)
        client.start()
        before = resident(running.process)
        hostile = sorted((ASSETS / "hostile").iterdir())
        assert len(hostile) >= 15, hostile
        for package in hostile:
            began = time.monotonic()
            done = running.run("push", "hostile", str(package), check=False, json_answer=False)
            print(f"     {package.name}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else '?'}")
            # 6: refused by the server; 1: refused before anything was sent (a symbolic link).
            assert done.returncode in (1, 6), (package.name, done.returncode, done.stdout, done.stderr)
            assert "broke" not in done.stderr, (package.name, done.stderr)
            assert done.stdout == "", (package.name, done.stdout)
            assert str(running.directory) not in done.stderr, f"{package.name}: a path of the server is shown: {done.stderr}"
            assert "/etc/passwd" not in done.stdout
            assert time.monotonic() - began < 60, package.name
        client.stopped.set()
        client.join(timeout=30)
        assert not client.wrong and client.answers > 50, (client.answers, client.wrong[:3])
        assert requests.get(f"{running.url}/api/v1/models/hostile", headers=running.headers, timeout=10).status_code == 404
        assert children(running.process) == [], "a proof's process is still there"
        grown = resident(running.process) - before
        assert grown < 64 << 20, f"the server grew by {grown} bytes"
        running.run("gc")
        index = requests.post(f"{running.url}/v2/repository/index", headers=running.headers, json={}, timeout=10).json()
        assert [entry["name"] for entry in index] == ["digits"], index


def code_and_pickles_are_refused_with_advice():
    with server() as running, tempfile.TemporaryDirectory() as place:
        for name, content in (("model.pkl", b"\x80\x04."), ("model.py", b"print(1)"), ("model.pt", b"PK\x03\x04"), ("weights.h5", b"\x89HDF")):
            path = os.path.join(place, name)
            with open(path, "wb") as file:
                file.write(content)
            done = running.run("push", "code", path, check=False, json_answer=False)
            assert done.returncode == 6 and "is not accepted" in done.stderr, (name, done.returncode, done.stderr)
            assert "onnx" in done.stderr.lower() or name == "model.py", done.stderr


def path_like_names_are_refused():
    with server() as running:
        upload = requests.post(f"{running.url}/api/v1/uploads", headers=running.headers, json={"model": "m"}, timeout=10).json()["id"]
        for path in ("../x.onnx", "..%2fx.onnx", "%2e%2e/x.onnx", "a/%2e%2e/%2e%2e/x.onnx", "%2fetc%2fpasswd", "a%00.onnx", "a%5c..%5cb.onnx"):
            request = requests.Request("PUT", f"{running.url}/api/v1/uploads/{upload}/files/x", headers=running.headers, data=b"x").prepare()
            request.url = f"{running.url}/api/v1/uploads/{upload}/files/{path}"
            answer = requests.Session().send(request, timeout=10)
            assert answer.status_code in (400, 404), (path, answer.status_code, answer.text)
        for name in ("../m", "a/b", "", ".hidden", "x" * 129):
            answer = requests.post(f"{running.url}/api/v1/uploads", headers=running.headers, json={"model": name}, timeout=10)
            assert answer.status_code == 400, (name, answer.status_code)


run_all(
    every_hostile_package_is_refused_and_harms_nobody, code_and_pickles_are_refused_with_advice, path_like_names_are_refused,
)
