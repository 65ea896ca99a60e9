"""Jobs of a running server, over HTTP, and the processes in which they run."""

import contextlib
import pathlib

import requests

from _server import wait_until

FINAL = ("succeeded", "failed", "cancelled")


def ask(running, method, path, **more):
    answer = requests.request(method, f"{running.url}/api/v1{path}", headers=running.headers, timeout=30, **more)
    assert answer.status_code < 300, f"{method} {path}: {answer.text}"
    return answer.json()


def submit(running, spec):
    return ask(running, "POST", "/jobs", json={"spec": spec})["id"]


def job(running, identity):
    return ask(running, "GET", f"/jobs/{identity}")


def ended(running, identity):
    wait_until(lambda: job(running, identity)["state"] in FINAL)
    return job(running, identity)


def children(server_pid):
    """The processes that run jobs for this server."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if parent == server_pid and pathlib.Path(command[0].decode()).name == "modelyard-lab":
                found.append(int(entry.name))
    return found


def exists(pid):
    """Whether a process is there; one that has ended and that nobody has asked about is not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def versions(running, model):
    answer = requests.get(f"{running.url}/api/v1/models/{model}/versions", headers=running.headers, timeout=30)
    return [] if answer.status_code == 404 else [version["version"] for version in answer.json()["versions"]]
