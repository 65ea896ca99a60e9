"""Jobs on a real server, through the command line and over HTTP, with kill -9 in the middle.

A killed child, and a killed server, cost a job nothing but time: it goes on from its last checkpoint and ends in the same
bytes as one that was never interrupted. There is no job that runs in its row alone, a job that is called off has ended
within a second, and a version is there exactly when its job has succeeded.
"""

import json
import os
import pathlib
import signal
import tempfile
import time

import requests

from _jobs import ask, children, ended, exists, job, submit, versions
from _server import Server, held_out, run_all, server, wait_until

# Long enough to be killed in the middle, short enough to be waited for.
EPOCHS = 300
QUICK = """
name = "{name}"
seed = 7
[data]
{data}
[model]
kind = "logistic"
[training]
epochs = 5
"""


def network(name, epochs=EPOCHS):
    return {
        "name": name,
        "seed": 7,
        "data": {"builtin": "digits"},
        "model": {
            "kind": "network",
            "layers": [
                {"type": "dense", "units": 64, "activation": "relu"},
                {"type": "dense", "units": 10, "activation": "softmax"},
            ],
        },
        "training": {"epochs": epochs, "optimizer": {"kind": "adam", "learning_rate": 0.002}},
    }


def events(running, identity, after=0):
    """The events of a job as they come: kind and data."""
    headers = {**running.headers, "Last-Event-ID": str(after)}
    url = f"{running.url}/api/v1/jobs/{identity}/events"
    with requests.get(url, headers=headers, stream=True, timeout=60) as stream:
        assert stream.status_code == 200, stream.text
        assert stream.headers["content-type"] == "text/event-stream"
        kind = None
        for line in stream.iter_lines(chunk_size=1):
            field, _, value = line.decode().partition(": ")
            if field == "event":
                kind = value
            elif field == "data":
                yield kind, json.loads(value)


def until_checkpoint(running, identity, after=0):
    for kind, event in events(running, identity, after):
        if kind == "checkpoint":
            return event["sequence"]
        assert event.get("state") not in ("succeeded", "failed", "cancelled"), event
    raise AssertionError("the stream ended before the job")


def until_attempt(running, identity, attempt):
    """Waits until a job goes on for so many times, and has come to another checkpoint since."""
    wait_until(lambda: job(running, identity)["attempt"] == attempt)
    now = job(running, identity)
    assert now["state"] == "running", now
    until_checkpoint(running, identity, now["last_event"])


def a_model_is_trained_by_the_command_line_and_served():
    with server() as running, tempfile.TemporaryDirectory() as place:
        spec = pathlib.Path(place) / "spec.toml"
        spec.write_text(QUICK.format(name="digits", data='builtin = "digits"'))
        trained = running.run("train", str(spec))
        done = job(running, trained["job"])
        assert done["state"] == "succeeded" and done["result"]["version"] == 1, done
        assert (trained["model"], trained["version"]) == ("digits", 1), trained
        assert trained["summary"] == done["result"]["summary"] and trained["summary"]["metrics"], trained
        assert versions(running, "digits") == [1]
        passport = running.run("show", "digits")
        assert passport["provenance"]["facts"]["job"] == done["id"], passport["provenance"]
        pixels, labels = held_out()
        rows = requests.post(
            f"{running.url}/models/digits/predict", json={"inputs": pixels[:50]}, headers=running.headers, timeout=30
        )
        assert rows.status_code == 200, rows.text

        listed = running.run("jobs")["jobs"]
        assert [(known["id"], known["state"]) for known in listed] == [(done["id"], "succeeded")]
        assert running.run("jobs", "show", done["id"])["result"]["version"] == 1
        assert running.run("jobs", "follow", done["id"])["state"] == "succeeded"
        seen = [event["sequence"] for _, event in events(running, done["id"])]
        assert seen == sorted(set(seen)) and seen[-1] == done["last_event"], seen

        # A file of this machine is none of the server's business; a data set is.
        rows = pathlib.Path(place) / "flowers.csv"
        rows.write_text("width,label\n" + "".join(f"{number % 7}.5,{'ab'[number % 7 > 3]}\n" for number in range(210)))
        spec.write_text(QUICK.format(name="flowers", data='path = "flowers.csv"\nlabel = "label"'))
        refused = running.run("train", str(spec), check=False, json_answer=False)
        assert refused.returncode == 6 and "modelyard data add" in refused.stderr, refused
        assert running.run("data", "add", "flowers", str(rows))["version"] == 1
        assert running.run("data", "add", "flowers", str(rows))["created"] is False
        assert running.run("data", "show", "flowers")["statistics"], "it was described"
        spec.write_text(QUICK.format(name="flowers", data='dataset = "flowers"\nlabel = "label"'))
        done = job(running, running.run("train", str(spec))["job"])
        assert done["result"]["version"] == 1 and done["spec"]["data"]["dataset"] == "flowers:1", done


def a_killed_child_and_a_cancelled_job_harm_nobody():
    with server() as running:
        identity = submit(running, network("killed"))
        until_checkpoint(running, identity)
        (child,) = children(running.process.pid)
        os.kill(child, signal.SIGKILL)
        until_attempt(running, identity, 2)

        # Called off while it runs: ended within a second, and its child gone.
        (child,) = children(running.process.pid)
        begun = time.monotonic()
        ask(running, "POST", f"/jobs/{identity}/cancel", json={})
        wait_until(lambda: job(running, identity)["state"] == "cancelled", seconds=5)
        took = time.monotonic() - begun
        assert took < 1.0, f"it took {took:.2f} s to end"
        assert not exists(child) or child not in children(running.process.pid)
        assert versions(running, "killed") == []


def a_killed_server_leaves_no_ghost_and_the_result_is_the_same():
    with tempfile.TemporaryDirectory() as place:
        running = Server(pathlib.Path(place) / "data")
        try:
            identity = submit(running, network("survivor"))
            seen = until_checkpoint(running, identity)
            (child,) = children(running.process.pid)
            running.kill()
            wait_until(lambda: not exists(child), seconds=5)
            running.start()
            assert job(running, identity)["state"] in ("queued", "running")
            until_attempt(running, identity, 2)
            # Stopped in good order, it goes on as well, and nothing is held against it.
            assert running.stop() == 0
            running.start()
            for kind, event in events(running, identity, seen):
                if event.get("state") == "succeeded":
                    # In one transaction: who hears of the end finds the version.
                    assert versions(running, "survivor") == [1]
            done = job(running, identity)
            assert (done["state"], done["attempt"]) == ("succeeded", 3), done
            assert done["result"]["version"] == 1, done
            # The same again, without interruption: the same bytes are the version that is there.
            other = ended(running, submit(running, network("survivor")))
            assert other["state"] == "succeeded" and other["attempt"] == 1, other
            assert other["result"]["version"] == 1, "a job that was interrupted ended in other bytes"
            assert running.stop() == 0
        finally:
            if running.process.poll() is None:
                running.kill()


run_all(
    a_model_is_trained_by_the_command_line_and_served,
    a_killed_child_and_a_cancelled_job_harm_nobody,
    a_killed_server_leaves_no_ghost_and_the_result_is_the_same,
)
