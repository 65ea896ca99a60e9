"""Starts a real `modelyard serve` in an empty data directory and pushes models with the real command line."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ["MODELYARD_BIN"]
ASSETS = pathlib.Path(os.environ["MODELYARD_TEST_ASSETS"])
DIGITS_MODEL = ASSETS / "models" / "digits" / "model.onnx"


class Server:
    """One running server: its addresses, its admin key, and the command line pointed at it."""

    def __init__(self, directory, *flags):
        self.directory = pathlib.Path(directory)
        self.flags = flags
        self.start()

    def start(self):
        command = [BINARY, "serve", "--data-dir", str(self.directory), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
        self.log = open(self.directory.parent / "server.log", "ab")
        self.process = subprocess.Popen([*command, *self.flags], stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            log = (self.directory.parent / "server.log").read_text(errors="replace")
            raise RuntimeError(f"the server did not start:\n{log[-4000:]}")
        ready = json.loads(line)
        self.http, self.grpc = ready["http"], ready["grpc"]
        self.url = f"http://{self.http}"
        self.key = (self.directory / "admin.key").read_text().strip()
        self.headers = {"Authorization": f"Bearer {self.key}"}
        self.metadata = (("authorization", f"Bearer {self.key}"),)

    def run(self, *arguments, check=True, json_answer=True):
        """Runs a command of the real command line against this server."""
        command = [BINARY, "--server", self.url, "--api-key", self.key, *(["--json"] if json_answer else []), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if check and done.returncode != 0:
            raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout) if check and json_answer else done

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def server(*flags):
    """A server for as long as the block lasts; a clean stop is part of every test."""
    with tempfile.TemporaryDirectory() as directory:
        running = Server(pathlib.Path(directory) / "data", *flags)
        try:
            yield running
            assert running.stop() == 0, "the server did not stop cleanly"
        finally:
            if running.process.poll() is None:
                running.kill()


def held_out():
    """The digits that the model has not seen: pixels as lists of floats, and labels."""
    rows = (ROOT / "data" / "digits" / "held_out.csv").read_text().splitlines()[1:]
    rows = [[float(cell) for cell in row.split(",")] for row in rows]
    return [row[:-1] for row in rows], [int(row[-1]) for row in rows]


def samples(name):
    return json.loads((ASSETS / "models" / name / "samples.json").read_text())


def language_workers(running):
    """The processes of language models of a server."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            continue
        if parent == running.process.pid and b"language" in words:
            found.append(int(entry.name))
    return found


def wait_until(condition, seconds=30):
    """Polls a condition of another process; raises when it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("condition did not come true")
        time.sleep(0.02)


def run_all(*checks, missing=(), reason=""):
    """Runs every check, prints what failed and the closing line, and exits. Those for which something is missing are
    named with the reason and counted as skipped, which no test run takes for a success; in CI they have failed."""
    failed = 0
    for check in checks:
        try:
            check()
            print(f"ok   {check.__name__}", flush=True)
        except Exception:  # noqa: BLE001 - every failure is shown and counted
            failed += 1
            print(f"FAIL {check.__name__}")
            traceback.print_exc()
    passed = len(checks) - failed
    in_ci = os.environ.get("CI") == "true"
    for check in missing:
        print(f"{'FAIL' if in_ci else 'skip'} {check.__name__}: {reason}")
    skipped = 0 if in_ci else len(missing)
    failed += len(missing) - skipped
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    raise SystemExit(1 if failed else 0)
