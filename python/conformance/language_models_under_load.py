"""A language model that is promoted back and forth, unloaded and loaded again while eight clients stream chats: each stream
is finished by the version that began it, word for word, and nothing fails but what comes while the model is unloaded. Then
a process that is killed, and two models with memory for one. With SmolLM2-135M-Instruct in Q4_1, and the Q4_0 made of it."""

import collections
import itertools
import os
import pathlib
import random
import signal
import tempfile
import threading
import time

import openai
import requests

from _server import ASSETS, Server, language_workers, run_all, server, wait_until

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
CAPITAL = "What is the capital of France? Answer with one word."
QUESTIONS = [CAPITAL, "Tell me about the sea.", "Write a sentence about each of three animals."]
VERSIONS = (1, 2)
CLIENTS = 8
SECONDS = 40
LEAST_TURNS = 12
UNLOADED_EVERY = 4
MOST_TOKENS = 32
MEBIBYTE = 1 << 20


def client_of(running):
    return openai.OpenAI(api_key=running.key, base_url=f"{running.url}/v1", max_retries=0, timeout=300)


def chat(client, question, model=NAME, max_tokens=MOST_TOKENS, with_head=False, **more):
    completions = client.chat.completions
    create = completions.with_raw_response.create if with_head else completions.create
    messages = [{"role": "user", "content": question}]
    return create(model=model, messages=messages, max_tokens=max_tokens, temperature=0, **more)


def said(answer):
    return answer.choices[0].message.content


def is_ready(running, model=NAME):
    answer = requests.get(f"{running.url}/v2/models/{model}/ready", headers=running.headers, timeout=30)
    assert answer.json()["ready"] == (answer.status_code == 200), answer.text
    return answer.status_code == 200


def index(running):
    answer = requests.post(f"{running.url}/v2/repository/index", headers=running.headers, json={}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def metric(running, name):
    page = requests.get(f"{running.url}/metrics", headers=running.headers, timeout=30).text
    values = [line.split(" ")[1] for line in page.splitlines() if line.startswith(f"{name} ")]
    assert len(values) == 1, f"{name} stands there {len(values)} times"
    return float(values[0])


def resident_bytes(process):
    for line in (pathlib.Path("/proc") / str(process) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {process} says nothing of its memory")


class Talkers:
    """Clients that stream chats until they are told to stop, and note what became of each."""

    def __init__(self, running, expected):
        self.client, self.expected = client_of(running), expected
        self.answered, self.failed, self.wrong = [], [], []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.talk, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def talk(self, number):
        draw = random.Random(number)
        while not self.stop.is_set():
            begun, version = time.monotonic(), None
            question = draw.choice(QUESTIONS)
            try:
                raw = chat(self.client, question, with_head=True, stream=True)
                version = int(raw.headers["x-modelyard-version"])
                text, names, ends = "", set(), []
                for chunk in raw.parse():
                    (choice,) = chunk.choices
                    text += choice.delta.content or ""
                    names.add(chunk.system_fingerprint)
                    ends.append(choice.finish_reason)
            except Exception as error:  # noqa: BLE001 - any failure is what is being looked for
                self.failed.append((begun, time.monotonic(), version, error))
                self.stop.wait(0.05)
                continue
            is_right = text == self.expected.get((question, version)) and names == {f"{NAME}:{version}"}
            if not is_right or ends[-1] not in ("stop", "length"):
                self.wrong.append((version, question, text, names, ends[-1:]))
            self.answered.append(version)

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=300)
            assert not thread.is_alive(), "a client hangs"


class Manager:
    """Moves the model about."""

    def __init__(self, running):
        self.running = running
        self.session = requests.Session()
        self.session.headers.update(running.headers)
        # When the model was unloaded on purpose, from before the request to after the one that loaded it again.
        self.unloaded, self.memory, self.promotes = [], [], 0

    def ask(self, method, path, **more):
        answer = self.session.request(method, self.running.url + path, timeout=300, **more)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)

    def promote(self, version):
        self.ask("PUT", f"/api/v1/models/{NAME}/aliases/production", json={"version": version})
        self.promotes += 1

    def unload_and_load(self):
        span = [time.monotonic(), float("inf")]
        self.unloaded.append(span)
        self.ask("POST", f"/v2/repository/models/{NAME}/unload", json={})
        # Its process ends with the last stream.
        wait_until(lambda: language_workers(self.running) == [], seconds=120)
        self.memory.append(resident_bytes(self.running.process.pid))
        assert not is_ready(self.running)
        try:
            chat(client_of(self.running), CAPITAL)
            raise AssertionError("a model that is unloaded answered")
        except openai.InternalServerError as error:
            assert error.status_code == 503 and "not loaded" in str(error), error
        self.ask("POST", f"/v2/repository/models/{NAME}/load", json={})
        assert is_ready(self.running)
        span[1] = time.monotonic()

    def may_fail(self, begun, ended, version, error):
        """Whether a request was refused because the model was unloaded; what has begun is finished."""
        is_refusal = version is None and isinstance(error, openai.APIStatusError) and error.status_code == 503
        return is_refusal and any(start <= ended and begun <= end for start, end in self.unloaded)


def streams_are_finished_by_the_version_that_began_them():
    with server() as running:
        pushed = running.run("push", NAME, str(MODEL_FILE), "--quantize", "q4_0")
        assert (pushed["version"], pushed["quantized"]["version"]) == VERSIONS, pushed
        client = client_of(running)
        expected = {
            (question, version): said(chat(client, question, model=f"{NAME}:{version}"))
            for question in QUESTIONS
            for version in VERSIONS
        }
        assert "Paris" in expected[CAPITAL, 1] and "Paris" in expected[CAPITAL, 2], expected

        talkers, manager, draw = Talkers(running, expected), Manager(running), random.Random(20261122)
        end = time.monotonic() + SECONDS
        try:
            for turn in itertools.count():
                if turn >= LEAST_TURNS and time.monotonic() > end:
                    break
                manager.promote(VERSIONS[(turn + 1) % 2])
                # Moments at random: what is tried is a move while streams are anywhere between beginning and end.
                time.sleep(draw.uniform(0.1, 1.5))
                if turn % UNLOADED_EVERY == UNLOADED_EVERY - 1:
                    manager.unload_and_load()
                    time.sleep(draw.uniform(0.5, 1.5))
        finally:
            talkers.join()

        assert not talkers.wrong, f"{len(talkers.wrong)} wrong: {talkers.wrong[:3]}"
        bad = [failure for failure in talkers.failed if not manager.may_fail(*failure)]
        assert not bad, f"{len(bad)} of {len(talkers.failed)} failures were none of the unloading: {bad[:3]!r}"
        answered = collections.Counter(talkers.answered)
        assert set(answered) == set(VERSIONS) and min(answered.values()) >= CLIENTS, answered
        # Of the versions that were replaced no process is left, and the server is no larger for having had them.
        wait_until(lambda: len(language_workers(running)) == 1, seconds=60)
        most = manager.memory[0] * 1.2 + 64 * MEBIBYTE
        assert len(manager.memory) >= 2 and max(manager.memory) <= most, manager.memory
        print(
            f"{manager.promotes} promotes, {len(manager.unloaded)} times unloaded, {answered.total()} streams, "
            f"{len(talkers.failed)} refused meanwhile"
        )


def a_model_whose_process_is_started_again_is_not_ready():
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        assert is_ready(running)
        (worker,) = language_workers(running)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not is_ready(running), seconds=10)
        assert requests.get(f"{running.url}/health/ready", timeout=30).status_code == 200, "others may be fine"
        (entry,) = index(running)
        # Unless it is back already.
        assert is_ready(running) or (entry["state"], "process" in entry["reason"]) == ("UNAVAILABLE", True), entry
        wait_until(lambda: is_ready(running), seconds=60)
        (again,) = language_workers(running)
        assert again != worker and "Paris" in said(chat(client_of(running), CAPITAL))


def of_two_models_the_idle_one_makes_room():
    with tempfile.TemporaryDirectory() as directory:
        running = Server(pathlib.Path(directory) / "data", "--set", "language.positions=4096")
        try:
            for name in ("one", "two"):
                running.run("push", name, str(MODEL_FILE))
            budget = int(0.75 * metric(running, "modelyard_memory_charged_bytes"))
            assert running.stop() == 0
            running.flags = (*running.flags, "--set", f"serving.memory_bytes={budget}")
            running.start()
            two_models_in_turn(running, budget)
            a_model_that_answers_stays(running)
            assert metric(running, "modelyard_memory_charged_bytes") <= budget
            assert running.stop() == 0
        finally:
            running.kill()


def two_models_in_turn(running, budget):
    client, evicted = client_of(running), metric(running, "modelyard_evictions_total")
    assert metric(running, "modelyard_memory_budget_bytes") == budget
    for name, other in [("one", "two"), ("two", "one")] * 2:
        assert "Paris" in said(chat(client, CAPITAL, model=name))
        wait_until(lambda: len(language_workers(running)) == 1)
        assert metric(running, "modelyard_memory_charged_bytes") <= budget
        # Both take requests, and one of them is in memory.
        assert is_ready(running, name) and is_ready(running, other), (name, other)
        states = {entry["name"]: entry["state"] for entry in index(running)}
        assert states == {name: "READY", other: "UNAVAILABLE"}, states
    # At the start either may have been loaded.
    assert metric(running, "modelyard_evictions_total") >= evicted + 3


def a_model_that_answers_stays(running):
    client = client_of(running)
    assert "Paris" in said(chat(client, CAPITAL, model="one"))
    wait_until(lambda: len(language_workers(running)) == 1)
    (worker,) = language_workers(running)
    stream = chat(client, "Write a very long story about a ship.", model="one", max_tokens=300, stream=True)
    next(stream)
    became = []

    def ask_the_other():
        try:
            became.append(said(chat(client_of(running), CAPITAL, model="two")))
        except openai.APIStatusError as error:
            became.append(error)

    asking = threading.Thread(target=ask_the_other)
    asking.start()
    count, end = 0, None
    for chunk in stream:
        count, end = count + 1, chunk.choices[0].finish_reason
        if count in (10, 20, 30):
            assert language_workers(running) == [worker], "the model that answers alone is there"
            assert not became or isinstance(became[0], openai.APIStatusError), became
    assert end in ("stop", "length") and count > 30, (count, end)
    asking.join(timeout=300)
    # Either it waited for the story's end, or it was told why there is no room.
    (outcome,) = became
    if isinstance(outcome, openai.APIStatusError):
        assert outcome.status_code == 503 and "memory" in str(outcome), outcome
    else:
        assert "Paris" in outcome, outcome
    assert "Paris" in said(chat(client, CAPITAL, model="two"))


if __name__ == "__main__":
    run_all(
        streams_are_finished_by_the_version_that_began_them,
        a_model_whose_process_is_started_again_is_not_ready,
        of_two_models_the_idle_one_makes_room,
    )
