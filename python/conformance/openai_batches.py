"""The `openai` package's files and batches: SmolLM2-135M-Instruct answers in the background, also after a kill."""

import io
import json
import time

import openai
import requests

from _server import ASSETS, run_all, server, wait_until

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
CHAT = "/v1/chat/completions"
ENDS = ("completed", "failed", "expired", "cancelled")
QUESTION = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]


def client_of(running, key=None):
    key = key or running.key
    return openai.OpenAI(api_key=key, base_url=f"{running.url}/v1", max_retries=0, timeout=120)


def line(name, body, url=CHAT):
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def asking(number, tokens=8):
    """A short chat that is another for each number."""
    messages = [{"role": "user", "content": f"Write something about the number {number}."}]
    return {"model": NAME, "messages": messages, "max_tokens": tokens, "temperature": 0}


def refused(kind, ask, part=""):
    try:
        answer = ask()
    except kind as error:
        assert part in str(error), (part, str(error))
        return error
    raise AssertionError(f"not refused: {answer}")


class Checks:
    def __init__(self, running):
        self.running = running
        self.client = client_of(running)

    def upload(self, lines, name="in.jsonl"):
        text = "".join(entry if isinstance(entry, str) else json.dumps(entry) + "\n" for entry in lines)
        return self.client.files.create(file=(name, io.BytesIO(text.encode())), purpose="batch")

    def make(self, lines, endpoint=CHAT, **more):
        file = self.upload(lines)
        return self.client.batches.create(
            input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more
        )

    def ended(self, batch, seconds=240):
        end = time.monotonic() + seconds
        while True:
            now = self.client.batches.retrieve(batch.id)
            if now.status in ENDS:
                return now
            assert time.monotonic() < end, f"the batch does not end: {now}"
            time.sleep(0.1)

    def lines(self, file):
        return [json.loads(text) for text in self.client.files.content(file).text.splitlines()]

    def done(self, batch):
        counts = self.client.batches.retrieve(batch.id).request_counts
        return counts.completed + counts.failed

    # === files ===

    def files_are_kept_listed_and_deleted(self):
        content = b'{"a": "\xc3\xa9"}\r\n--not a boundary\r\n' * 20_000
        file = self.client.files.create(file=("day 1.jsonl", io.BytesIO(content)), purpose="batch")
        assert (file.object, file.bytes, file.filename, file.purpose) == ("file", len(content), "day 1.jsonl", "batch")
        assert file.id.startswith("file-") and abs(file.created_at - time.time()) < 60, file
        assert self.client.files.retrieve(file.id) == file
        assert self.client.files.content(file.id).read() == content
        again = self.client.files.create(
            file=("again.jsonl", io.BytesIO(content)),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert again.expires_at == again.created_at + 3600, again
        listed = [listed.id for listed in self.client.files.list(limit=1)]
        assert listed[:2] == [again.id, file.id], "newest first, page after page"
        oldest = [listed.id for listed in self.client.files.list(order="asc", purpose="batch")]
        assert oldest == listed[::-1], (oldest, listed)
        deleted = self.client.files.delete(file.id)
        assert deleted.deleted and deleted.id == file.id, deleted
        refused(openai.NotFoundError, lambda: self.client.files.retrieve(file.id), file.id)
        refused(openai.NotFoundError, lambda: self.client.files.content(file.id), file.id)
        refused(openai.NotFoundError, lambda: self.client.files.delete(file.id), file.id)
        assert self.client.files.content(again.id).read() == content, "the same bytes are another file's as well"
        self.client.files.delete(again.id)

    def bad_uploads_are_refused(self):
        one = ("in.jsonl", io.BytesIO(b"{}"))
        refused(openai.BadRequestError, lambda: self.client.files.create(file=one, purpose="fine-tune"), "purpose")
        url, headers = f"{self.running.url}/v1/files", self.running.headers
        answer = requests.post(url, headers=headers, json={}, timeout=30)
        assert answer.status_code == 400 and "multipart" in answer.json()["error"]["message"], answer.text
        answer = requests.post(url, headers=headers, files={"file": b"{}"}, timeout=30)
        assert answer.status_code == 400 and answer.json()["error"]["param"] == "purpose", answer.text
        form = {"purpose": "batch", "colour": "red"}
        answer = requests.post(url, headers=headers, data=form, files={"file": b"{}"}, timeout=30)
        assert answer.status_code == 400 and answer.json()["error"]["param"] == "colour", answer.text
        broken = {**headers, "content-type": "multipart/form-data; boundary=x"}
        answer = requests.post(url, headers=broken, data=b"--x\r\nno end", timeout=30)
        assert answer.status_code == 400, answer.text

    # === batches ===

    def sixty_chats_are_answered(self):
        names = [f"question {number}" for number in range(60)]
        made = self.make([line(name, asking(name)) for name in names], metadata={"day": "1"})
        assert made.id.startswith("batch_") and made.object == "batch" and made.endpoint == CHAT, made
        assert made.expires_at == made.created_at + 24 * 3600 and made.metadata == {"day": "1"}, made
        ended = self.ended(made)
        assert ended.status == "completed" and ended.completed_at >= ended.in_progress_at >= ended.created_at, ended
        counts = ended.request_counts
        assert (counts.total, counts.completed, counts.failed) == (60, 60, 0), counts
        assert ended.error_file_id is None and ended.errors is None, ended
        output = self.lines(ended.output_file_id)
        assert [entry["custom_id"] for entry in output] == names, "in the order of the input"
        assert len({entry["id"] for entry in output}) == 60
        for entry in output:
            response = entry["response"]
            assert entry["error"] is None and response["status_code"] == 200 and response["request_id"], entry
            assert response["body"]["object"] == "chat.completion", entry
        # The very answer that a request gets.
        direct = self.client.chat.completions.create(**asking(names[7]))
        assert output[7]["response"]["body"]["choices"][0]["message"]["content"] == direct.choices[0].message.content
        listed = self.client.batches.list(limit=1).data
        assert [batch.id for batch in listed] == [made.id], listed
        stored = self.client.files.retrieve(ended.output_file_id)
        assert stored.purpose == "batch_output" and stored.filename.endswith("_output.jsonl"), stored

    def other_endpoints_are_answered(self):
        texts = {"model": NAME, "prompt": "The capital of France is", "max_tokens": 4, "temperature": 0}
        rows = {"model": NAME, "input": ["one", "two"]}
        items = {"model": NAME, "input": "Say hello.", "max_output_tokens": 4}
        for endpoint, body, kind in (
            ("/v1/completions", texts, "text_completion"),
            ("/v1/embeddings", rows, "list"),
            ("/v1/responses", items, "response"),
        ):
            ended = self.ended(self.make([line("only", body, endpoint)], endpoint))
            assert ended.status == "completed", ended
            (entry,) = self.lines(ended.output_file_id)
            assert entry["response"]["body"]["object"] == kind, entry

    def lines_that_fail_stand_in_the_error_file(self):
        bad = {**asking(1), "temperature": 9}
        absent = {**asking(1), "model": "absent"}
        ended = self.ended(self.make([line("a", asking(1)), line("b", bad), line("c", absent), line("d", asking(2))]))
        assert ended.status == "completed", ended
        counts = ended.request_counts
        assert (counts.total, counts.completed, counts.failed) == (4, 2, 2), counts
        assert [entry["custom_id"] for entry in self.lines(ended.output_file_id)] == ["a", "d"]
        errors = self.lines(ended.error_file_id)
        assert [(entry["custom_id"], entry["response"]["status_code"]) for entry in errors] == [("b", 400), ("c", 404)]
        assert errors[0]["response"]["body"]["error"]["param"] == "temperature", errors

    def bad_lines_fail_the_batch(self):
        good = json.dumps(line("good", asking(1))) + "\n"
        ended = self.ended(
            self.make(
                [
                    good,
                    "no json\n",
                    line("other", asking(1), "/v1/embeddings"),
                    good,
                    line("streamed", {**asking(1), "stream": True}),
                ]
            )
        )
        assert ended.status == "failed" and ended.failed_at and ended.output_file_id is None, ended
        found = [(problem.line, problem.code, problem.param) for problem in ended.errors.data]
        assert found == [
            (2, "invalid_json_line", None),
            (3, "mismatched_url", "url"),
            (4, "duplicate_custom_id", "custom_id"),
            (5, "invalid_parameter", "body.stream"),
        ], found
        empty = self.ended(self.make(["\n"]))
        assert [problem.code for problem in empty.errors.data] == ["empty_file"], empty

    def bad_batches_are_refused(self):
        file = self.upload([line("a", asking(1))]).id
        create = self.client.batches.create
        good = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}
        for wrong, kind in (
            ({"endpoint": "/v1/models"}, openai.BadRequestError),
            ({"completion_window": "30m"}, openai.BadRequestError),
            ({"input_file_id": "nonsense"}, openai.BadRequestError),
            ({"input_file_id": "file-" + "0" * 24}, openai.NotFoundError),
            ({"extra_body": {"colour": "red"}}, openai.BadRequestError),
        ):
            refused(kind, lambda wrong=wrong: create(**{**good, **wrong}))
        absent = "batch_" + "0" * 24
        refused(openai.NotFoundError, lambda: self.client.batches.retrieve(absent))
        refused(openai.NotFoundError, lambda: self.client.batches.cancel(absent))

    def a_batch_is_cancelled(self):
        made = self.make([line(f"{number}", asking(number, 40)) for number in range(200)])
        wait_until(lambda: self.done(made) >= 3, seconds=120)
        cancelling = self.client.batches.cancel(made.id)
        assert cancelling.status in ("cancelling", "cancelled"), cancelling
        ended = self.ended(made, seconds=30)
        assert ended.status == "cancelled" and ended.cancelled_at >= ended.cancelling_at, ended
        output = self.lines(ended.output_file_id)
        errors = self.lines(ended.error_file_id)
        assert 3 <= len(output) == ended.request_counts.completed < 200, ended
        assert {entry["error"]["code"] for entry in errors} == {"batch_cancelled"}
        names = [entry["custom_id"] for entry in output + errors]
        assert sorted(names, key=int) == [f"{number}" for number in range(200)], "every line once"
        refused(openai.APIStatusError, lambda: self.client.batches.cancel(made.id), "cancelled")

    def a_batch_that_waits_for_another_is_cancelled_at_once(self):
        first = self.make([line(f"{number}", asking(number, 64)) for number in range(200)])
        wait_until(lambda: self.done(first) >= 1, seconds=120)
        waiting = self.make([line("a", asking(1))])
        cancelled = self.client.batches.cancel(waiting.id)
        assert cancelled.status == "cancelled" and cancelled.cancelled_at, cancelled
        assert cancelled.output_file_id is None and cancelled.error_file_id is None, cancelled
        assert self.client.batches.retrieve(first.id).status == "in_progress", "the other goes on"
        self.client.batches.cancel(first.id)
        self.ended(first, seconds=30)

    def a_long_line_is_told_in_short(self):
        ended = self.ended(self.make([json.dumps("x" * 1_000_000) + "\n"]))
        assert ended.status == "failed", ended
        (problem,) = ended.errors.data
        assert problem.code == "invalid_json_line" and len(problem.message) <= 200, problem

    def batches_are_counted(self):
        text = requests.get(f"{self.running.url}/metrics", headers=self.running.headers, timeout=30).text
        counts = dict(entry.rsplit(" ", 1) for entry in text.splitlines() if not entry.startswith("#"))
        assert int(counts["modelyard_batches_open"]) >= 0, counts
        assert int(counts['modelyard_batch_lines_total{outcome="answered"}']) >= 60, counts
        assert int(counts['modelyard_batch_lines_total{outcome="failed"}']) >= 2, counts

    def who_waits_is_answered_first(self):
        made = self.make([line(f"{number}", asking(number, 64)) for number in range(200)])
        wait_until(lambda: self.done(made) >= 1, seconds=120)
        longest = 0
        for _ in range(5):
            began = time.monotonic()
            answer = self.client.chat.completions.create(model=NAME, messages=QUESTION, max_tokens=8, temperature=0)
            longest = max(longest, time.monotonic() - began)
            assert "Paris" in answer.choices[0].message.content, answer
        assert self.client.batches.retrieve(made.id).status == "in_progress", "the batch runs all the while"
        assert longest < 20, longest
        self.client.batches.cancel(made.id)
        self.ended(made, seconds=30)

    def another_key_sees_nothing(self):
        made = self.make([line("a", asking(1))])
        file = self.upload([line("a", asking(1))]).id
        other = client_of(self.running, self.running.run("keys", "create", "other", "--role", "consumer")["secret"])
        assert other.files.list().data == [] and other.batches.list().data == []
        for ask in (
            lambda: other.files.retrieve(file),
            lambda: other.files.content(file),
            lambda: other.files.delete(file),
            lambda: other.batches.retrieve(made.id),
            lambda: other.batches.cancel(made.id),
            lambda: other.batches.create(input_file_id=file, endpoint=CHAT, completion_window="24h"),
        ):
            refused(openai.NotFoundError, ask)
        assert self.ended(made).status == "completed"

    def a_batch_goes_on_after_a_kill(self):
        names = [f"{number}" for number in range(60)]
        made = self.make([line(name, asking(name, 24)) for name in names])
        # Its file is needed no more once it is made, also when garbage is collected.
        self.client.files.delete(made.input_file_id)
        self.running.run("gc")
        for least in (5, 25):
            wait_until(lambda least=least: self.done(made) >= least, seconds=180)
            before = self.done(made)
            self.running.kill()
            self.running.start()
            self.client = client_of(self.running)
            assert self.done(made) >= before, "what was done stays done"
        ended = self.ended(made)
        assert ended.status == "completed", ended
        counts = ended.request_counts
        assert (counts.total, counts.completed, counts.failed) == (60, 60, 0), counts
        assert [entry["custom_id"] for entry in self.lines(ended.output_file_id)] == names, "each once, in order"

    def a_batch_goes_on_after_a_stop(self):
        names = [f"{number}" for number in range(40)]
        made = self.make([line(name, asking(name, 24)) for name in names])
        wait_until(lambda: self.done(made) >= 5, seconds=180)
        began = time.monotonic()
        assert self.running.stop() == 0
        assert time.monotonic() - began < 20, "nobody waits for a batch"
        self.running.start()
        self.client = client_of(self.running)
        ended = self.ended(made)
        assert ended.status == "completed" and ended.request_counts.completed == 40, ended
        assert [entry["custom_id"] for entry in self.lines(ended.output_file_id)] == names

    def both_places_have_the_routes(self):
        under = openai.OpenAI(
            api_key=self.running.key, base_url=f"{self.running.url}/openai/v1", max_retries=0, timeout=120
        )
        made = under.batches.list(limit=1).data[0]
        assert made == self.client.batches.retrieve(made.id)
        assert under.files.list(limit=1).data == self.client.files.list(limit=1).data


def main():
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        checks = Checks(running)
        run_all(
            checks.files_are_kept_listed_and_deleted,
            checks.bad_uploads_are_refused,
            checks.sixty_chats_are_answered,
            checks.other_endpoints_are_answered,
            checks.lines_that_fail_stand_in_the_error_file,
            checks.bad_lines_fail_the_batch,
            checks.bad_batches_are_refused,
            checks.a_batch_is_cancelled,
            checks.a_batch_that_waits_for_another_is_cancelled_at_once,
            checks.a_long_line_is_told_in_short,
            checks.batches_are_counted,
            checks.who_waits_is_answered_first,
            checks.another_key_sees_nothing,
            checks.a_batch_goes_on_after_a_kill,
            checks.a_batch_goes_on_after_a_stop,
            checks.both_places_have_the_routes,
        )


if __name__ == "__main__":
    main()
