"""kill -9 of the server at 50 random moments while models are pushed and promoted.

After each restart every version is whole or absent, every alias points at a ready version, what is served answers, and
garbage collection leaves exactly the contents that something points at.
"""

import hashlib
import pathlib
import random
import shutil
import sqlite3
import tempfile
import threading
import time

import requests

from _server import DIGITS_MODEL, Server, held_out, run_all

KILLS = 50
MODELS = ("left", "right")
PIXELS, LABELS = held_out()


class Writer(threading.Thread):
    """Pushes packages of new content and promotes versions until the server is gone."""

    def __init__(self, running, seed):
        super().__init__(daemon=True)
        self.running, self.random, self.acknowledged, self.refused = running, random.Random(seed), [], []

    def run(self):
        session = requests.Session()
        session.headers.update(self.running.headers)
        url = self.running.url + "/api/v1"
        try:
            while True:
                model = self.random.choice(MODELS)
                begun = session.post(f"{url}/uploads", json={"model": model}, timeout=30)
                if begun.status_code != 201:
                    self.refused.append(begun.text)
                    return
                upload = begun.json()["id"]
                files = {"model.onnx": DIGITS_MODEL.read_bytes(), "note.txt": self.random.randbytes(20_000).hex().encode()}
                for path, content in files.items():
                    digest = hashlib.sha256(content).hexdigest()
                    put = session.put(f"{url}/uploads/{upload}/files/{path}", data=content, headers={"x-content-sha256": digest}, timeout=30)
                    put.raise_for_status()
                made = session.post(f"{url}/uploads/{upload}/commit", json={}, timeout=60)
                made.raise_for_status()
                self.acknowledged.append((model, made.json()["version"]))
                chosen = self.random.choice([version for name, version in self.acknowledged if name == model])
                session.put(f"{url}/models/{model}/aliases/production", json={"version": chosen}, timeout=30).raise_for_status()
        except (requests.RequestException, KeyError, ValueError):
            return  # the server was killed


def check_everything(running, acknowledged):
    session = requests.Session()
    session.headers.update(running.headers)
    url = running.url + "/api/v1"
    referenced = set()
    for model in session.get(f"{url}/models", timeout=30).json()["models"]:
        name = model["name"]
        versions = session.get(f"{url}/models/{name}/versions", timeout=30).json()["versions"]
        numbers = [version["version"] for version in versions]
        assert numbers == list(range(1, len(numbers) + 1)), (name, numbers)
        for version in versions:
            assert version["state"] == "ready"
            passport = session.get(f"{url}/models/{name}/versions/{version['version']}/passport", timeout=30).json()
            for file in passport["files"]:
                content = session.get(f"{url}/models/{name}/versions/{version['version']}/files/{file['path']}", timeout=30).content
                assert hashlib.sha256(content).hexdigest() == file["digest"] and len(content) == file["size"]
                referenced.add(file["digest"])
        for alias, target in model["aliases"].items():
            assert target in numbers, (name, alias, target)
        assert "production" in model["aliases"], model
        answer = session.post(f"{running.url}/models/{name}/predict", json={"x_test": PIXELS[1:2]}, timeout=30)
        assert answer.status_code == 200, answer.text
        row = answer.json()["y_pred"][0]
        assert row.index(max(row)) == LABELS[1]
        for known, version in acknowledged:
            assert known != name or version in numbers, f"{known} version {version} was acknowledged and is lost"
    for known, _ in acknowledged:
        assert known in {model["name"] for model in session.get(f"{url}/models", timeout=30).json()["models"]}
    return referenced


def stored(directory):
    blobs = (directory / "artifacts" / "blobs").rglob("*")
    return {path.name for path in blobs if path.is_file()}


def open_uploads(directory):
    """What uploads that may still go on refer to."""
    with sqlite3.connect(f"file:{directory / 'modelyard.db'}?mode=ro", uri=True) as rows:
        query = "SELECT digest FROM upload_files JOIN uploads ON id = upload WHERE state IN ('receiving', 'proving')"
        return {digest for (digest,) in rows.execute(query)}


def fifty_kills_lose_nothing():
    moments = random.Random(20261122)
    acknowledged = []
    with tempfile.TemporaryDirectory() as place:
        directory = pathlib.Path(place) / "data"
        for kill in range(KILLS):
            # Every kill may leave unfinished uploads of the one key that all writers use.
            running = Server(directory, "--set", "uploads.max_open_per_key=1000", "--set", "uploads.max_open=1000")
            try:
                writer = Writer(running, kill)
                writer.acknowledged = acknowledged
                writer.start()
                # The only sleep that is one on purpose: the moment of the kill is what is being tried.
                time.sleep(moments.uniform(0.0, 0.45))
                running.kill()
                writer.join(timeout=60)
                assert not writer.is_alive()
                assert not writer.refused, writer.refused
                running.start()
                referenced = check_everything(running, acknowledged)
                if kill % 10 == 9:
                    collected = running.run("gc")
                    kept = referenced | open_uploads(directory)
                    assert stored(directory) == kept, (collected, len(stored(directory)), len(kept))
                    assert not any((directory / "artifacts" / "tmp").iterdir())
                running.kill()
            finally:
                running.kill()
        assert len(acknowledged) >= 20, f"only {len(acknowledged)} versions were made: the kills came too early to try anything"
        shutil.rmtree(directory)


run_all(fifty_kills_lose_nothing)
