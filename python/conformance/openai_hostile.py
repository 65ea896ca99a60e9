"""What does harm to servers of language models: templates without an end, schemas and patterns that explode, prompts at every
border, messages that are none. Each is answered soon, with what is wrong, and harms nobody else."""

import json
import pathlib
import tempfile
import threading
import time

import requests

from _gguf import with_text
from _server import ASSETS, language_workers, run_all, server

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME, HOSTILE = "smollm", "hostile"
# The longest sequence here: short, so that the borders can be tried with real answers.
LIMIT = 1024
FLAGS = ("--set", f"language.positions={LIMIT}", "--set", "language.memory_bytes=2_147_483_648")
QUESTION = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]

# Longest waits, in seconds, on a machine with other work.
TEMPLATE_ANSWER, SCHEMA_ANSWER, ANY_ANSWER = 10, 15, 120

# A template may be refused when it is pushed or when it is first used. Those that take memory end their process.
TEMPLATES = {
    "loops without an end": "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
    "{% set x = a %}{% endfor %}{% endfor %}{% endfor %}",
    "writes without an end": "{% for a in range(99999) %}" + "word " * 2_000 + "{% endfor %}",
    "calls itself": "{% macro dig(n) %}{{ dig(n + 1) }}{% endmacro %}{{ dig(0) }}",
    "calls itself in a loop": "{% macro dig(n) %}{% for a in range(99999) %}{{ dig(n + 1) }}{% endfor %}{% endmacro %}"
    "{{ dig(0) }}",
    "brackets within brackets": "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
    "blocks within blocks": "{% if true %}" * 5_000 + "x" + "{% endif %}" * 5_000,
    "a chain of filters": "{{ 'x'" + "|upper" * 40_000 + " }}",
    "is too long": "x" * 300_000,
    "is cut": "{% for message in messages %}{{ message",
    "includes a file": "{% include '/etc/passwd' %}",
    "reaches for what is within": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "fails": "{{ 1 // 0 }}",
    "refuses": "{{ raise_exception('no chats today') }}",
    "doubles a text": "{% set kept = namespace(text='x' * 1000) %}{% for a in range(60) %}"
    "{% set kept.text = kept.text ~ kept.text %}{% endfor %}",
}
TAKES_MEMORY = "doubles a text"
# It asks for little; only whoever reads it with recursion fails at it.
MAY_WORK = "a chain of filters"


def nested(depth):
    return '{"type":"object","properties":{"a":' * depth + '{"type":"null"}' + "}}" * depth


def of_type(text, **more):
    return json.dumps({"type": text, **more})


def an_object(**properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


PATTERNS = {
    "nested repeats": "^(a+)+$",
    "nested choices": "^(a|aa)+$",
    "nested stars": "^((a*)*)*$",
    "a thousand thousand": "^a{1000}{1000}$",
    "repeats of repeats": "^(((a{100}){100}){100}){100}$",
    "a billion": "^a{1,1000000000}$",
    "letters of all scripts": r"^\p{L}{5000}$",
    "many unknown parts": "^(.*a){40}$",
    "far behind": "^.*a.{500}$",
    "many choices": "^(" + "|".join(f"word{number}" for number in range(400)) + ")*$",
    "looks ahead": "^(?=a)(?!b)a$",
    "refers back": r"^(a+)\1$",
    "brackets within brackets": "(" * 3_000 + "a" + ")" * 3_000,
    "is cut": "^(a",
    "is long": "a?" * 40_000,
}

# Those that are marked cannot be kept to, or are over a limit; what becomes of the others is the server's choice.
REFUSED = True
SCHEMAS = {
    "10,000 deep": (nested(10_000), REFUSED),
    "100 deep": (nested(100), False),
    "one MB of keys": (json.dumps(an_object(**{f"key{number:06}": {"type": "null"} for number in range(25_000)})), REFUSED),
    "one MB of description": (of_type("object", description="x" * 1_000_000), REFUSED),
    "100,000 values": (json.dumps({"enum": [f"value {number}" for number in range(100_000)]}), REFUSED),
    "5,000 values": (json.dumps({"enum": [f"value {number}" for number in range(5_000)]}), False),
    "itself": (json.dumps({"$ref": "#"}), False),
    "a circle": (json.dumps({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}), False),
    "a list of itself": (json.dumps({"type": "array", "items": {"$ref": "#"}}), False),
    "an object in itself": (json.dumps(an_object(next={"$ref": "#"})), False),
    "both of itself": (json.dumps({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}), False),
    "any of itself": (json.dumps({"anyOf": [{"$ref": "#"}, {"type": "null"}]}), False),
    "references from elsewhere": (json.dumps({"$ref": "https://example.com/schema.json"}), REFUSED),
    "references to nothing": (json.dumps({"$ref": "#/$defs/absent"}), REFUSED),
    "a chain of references": (
        json.dumps({"$ref": "#/$defs/d0", "$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(2_000)} | {"d2000": {"type": "null"}}}),
        False,
    ),
    "doubles with each reference": (
        json.dumps(
            {
                "$ref": "#/$defs/d0",
                "$defs": {f"d{n}": an_object(a={"$ref": f"#/$defs/d{n + 1}"}, b={"$ref": f"#/$defs/d{n + 1}"}) for n in range(40)}
                | {"d40": {"type": "null"}},
            }
        ),
        False,
    ),
    "choices of choices": (
        json.dumps({"allOf": [{"anyOf": [{"type": "string", "minLength": a, "maxLength": a + b} for a in range(6)]} for b in range(12)]}),
        False,
    ),
    "no answer at all": (json.dumps({"type": "string", "minLength": 9, "maxLength": 3}), False),
    "an endless list": (of_type("array", items={"type": "null"}, minItems=1_000_000_000), False),
    "an endless text": (of_type("string", minLength=1_000_000_000), False),
    "tiny steps": (of_type("number", multipleOf=1e-300), False),
    "wide bounds": (of_type("integer", minimum=-(10**300), maximum=10**300), False),
    "a list for a schema": ("[]", REFUSED),
    "a wrong type": (of_type("tuple"), REFUSED),
}

GRAMMARS = {
    "itself": "start: start",
    "itself twice": 'start: start start | "a"',
    "a circle": "start: a\na: b\nb: a",
    "nothing for ever": 'start: (""*)*',
    "a thousand thousand": 'start: ("a"{1000}){1000}',
    "many names": "start: r0\n" + "\n".join(f"r{number}: r{number + 1}" for number in range(3_000)) + '\nr3000: "a"',
    "no start": 'begin: "a"',
    "is cut": 'start: "a',
    "brackets within brackets": "start: " + "(" * 5_000 + '"a"' + ")" * 5_000,
    "is long": 'start: "' + "a" * 1_000_000 + '"',
}


def message(**members):
    return {"messages": [{"role": "user", "content": "Hi"}, members]}


def part(**members):
    return message(role="user", content=[{"type": "text", "text": "Hi"}, members])


def called(**function):
    return message(role="assistant", tool_calls=[{"id": "c", "type": "function", "function": function}])


# What stands in the request, and the field that the refusal names.
WRONG = [
    ({}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": QUESTION * 5_000}, "messages"),
    ({"messages": QUESTION * 1_000}, "messages"),
    ({"messages": [7]}, "messages[0]"),
    ({"messages": [[]]}, "messages[0]"),
    (message(role="robot", content="Hi"), "messages[1].role"),
    (message(role="User", content="Hi"), "messages[1].role"),
    (message(role=7, content="Hi"), "messages[1].role"),
    (message(role=["user"], content="Hi"), "messages[1].role"),
    (message(content="Hi"), "messages[1].role"),
    (message(role="user"), "messages[1].content"),
    (message(role="user", content=None), "messages[1].content"),
    (message(role="user", content=7), "messages[1].content"),
    (message(role="user", content={"text": "Hi"}), "messages[1].content"),
    (message(role="user", content=[]), "messages[1].content"),
    (message(role="user", content="Hi", mood="good"), "messages[1].mood"),
    (message(role="user", content="Hi", tool_call_id="c"), "messages[1].tool_call_id"),
    (message(role="user", content="Hi", tool_calls=[]), "messages[1].tool_calls"),
    (message(role="user", content=[{"type": "text", "text": "Hi"}] * 5_000), "messages[1].content"),
    (part(type="image_url", image_url={"url": "data:,"}), "messages[1].content[1]"),
    (part(type="input_audio", input_audio={"data": "", "format": "wav"}), "messages[1].content[1]"),
    (part(type="poem", text="Hi"), "messages[1].content[1].type"),
    (part(type="text"), "messages[1].content[1].text"),
    (part(type="text", text=7), "messages[1].content[1].text"),
    (part(text="Hi"), "messages[1].content[1].type"),
    (message(role="user", content=["Hi"]), "messages[1].content[0]"),
    (message(role="tool", content="21"), "messages[1].tool_call_id"),
    (message(role="tool", content="21", tool_call_id=""), "messages[1].tool_call_id"),
    (message(role="tool", tool_call_id="c"), "messages[1].content"),
    (message(role="assistant"), "messages[1].content"),
    (message(role="assistant", content="Hi", function_call={}), "messages[1].function_call"),
    (message(role="assistant", tool_calls=[{}]), "messages[1].tool_calls[0].id"),
    (called(arguments="{}"), "messages[1].tool_calls[0].function.name"),
    (called(name="f", arguments="{"), "messages[1].tool_calls[0].function.arguments"),
    (called(name="f", arguments="[]"), "messages[1].tool_calls[0].function.arguments"),
    (called(name="f", arguments={}), "messages[1].tool_calls[0].function.arguments"),
    ({"messages": QUESTION, "max_tokens": -1}, "max_tokens"),
    ({"messages": QUESTION, "max_tokens": 1.5}, "max_tokens"),
    ({"messages": QUESTION, "max_tokens": "10"}, "max_tokens"),
    ({"messages": QUESTION, "max_tokens": 1e30}, "max_tokens"),
    ({"messages": QUESTION, "max_tokens": LIMIT}, "max_tokens"),
    ({"messages": QUESTION, "n": 0}, "n"),
    ({"messages": QUESTION, "n": 1_000_000}, "n"),
    ({"messages": QUESTION, "temperature": "hot"}, "temperature"),
    ({"messages": QUESTION, "stop": "x" * 5_000}, "stop"),
    ({"messages": QUESTION, "stop": [""]}, "stop"),
    ({"messages": QUESTION, "stream": "yes"}, "stream"),
    ({"messages": QUESTION, "seed": "x"}, "seed"),
]

NO_JSON = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"model": "smollm", "messages": [{"role": "user", "content": "\\ud800"}]}',
    b'{"model": "smollm", "messages": [{"role": "user", "content": "Hi"}], "temperature": NaN}',
    b'{"model": "smollm", "model": "smollm", "messages": [{"role": "user", "content": "Hi"}]}',
]


class Steady(threading.Thread):
    """Asks the other model all the time, and keeps what was not a right answer."""

    def __init__(self, checks):
        super().__init__(daemon=True)
        self.checks, self.stopped, self.answers, self.wrong = checks, threading.Event(), 0, []

    def run(self):
        while not self.stopped.is_set():
            try:
                answer = self.checks.complete("The capital of France is", max_tokens=2)
                if answer.status_code != 200 or answer.json()["choices"][0]["text"] != " Paris.":
                    self.wrong.append(answer.text)
            except (requests.RequestException, KeyError, ValueError) as error:
                self.wrong.append(repr(error))
            self.answers += 1
            time.sleep(0.05)


class Checks:
    def __init__(self, running):
        self.running = running

    # === asking ===

    def post(self, route, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**self.running.headers, "content-type": "application/json"}
        return requests.post(f"{self.running.url}/v1/{route}", headers=headers, data=data, timeout=ANY_ANSWER)

    def chat(self, **more):
        return self.post("chat/completions", {"model": NAME, "messages": QUESTION, "max_tokens": 4, "temperature": 0, **more})

    def complete(self, prompt, **more):
        return self.post("completions", {"model": NAME, "prompt": prompt, "max_tokens": 1, "temperature": 0, **more})

    def timed(self, what, seconds, ask):
        began = time.monotonic()
        answer = ask()
        took = time.monotonic() - began
        assert took < seconds, f"{what}: answered after {took:.1f} s"
        return answer

    def refused(self, what, answer, status=400):
        assert answer.status_code == status, (what, answer.status_code, answer.text[:500])
        error = answer.json()["error"]
        assert error["message"] and len(error["message"]) < 2_000, (what, error)
        return error

    def still_answers(self):
        answer = self.chat(max_tokens=24)
        assert answer.status_code == 200 and "Paris" in answer.json()["choices"][0]["message"]["content"], answer.text

    # === templates ===

    def templates_without_an_end_are_refused_and_harm_nobody(self):
        steady = Steady(self)
        steady.start()
        with tempfile.TemporaryDirectory() as directory:
            for name, template in TEMPLATES.items():
                file = pathlib.Path(directory) / "model.gguf"
                with_text(MODEL_FILE, file, "tokenizer.chat_template", template)
                self.one_template(name, file)
        steady.stopped.set()
        steady.join(timeout=ANY_ANSWER)
        assert not steady.wrong and steady.answers > 20, (steady.answers, steady.wrong[:3])
        self.still_answers()

    def one_template(self, name, file):
        done = self.running.run("push", HOSTILE, str(file), check=False)
        if done.returncode != 0:
            assert done.returncode == 6 and done.stderr.strip(), (name, done)
            print(f"     {name}: refused at the push", flush=True)
            return
        pushed = json.loads(done.stdout)
        if "production" not in pushed["aliases"]:
            self.running.run("promote", HOSTILE, str(pushed["version"]))
        answer = self.timed(name, TEMPLATE_ANSWER, lambda: self.chat(model=HOSTILE))
        if name == MAY_WORK and answer.status_code == 200:
            return
        if name == TAKES_MEMORY and answer.status_code == 503:
            error = self.refused(name, answer, 503)
        else:
            error = self.refused(name, answer)
            assert "template" in error["message"] and error["param"] == "messages", (name, error)
        print(f"     {name}: {error['message'][:100]}", flush=True)

    # === forms of answers ===

    def in_form(self, name, field, value, must_be_refused):
        """`value` is JSON, which may be deeper than Python writes."""
        start = json.dumps({"model": NAME, "messages": QUESTION, "max_tokens": 4, "temperature": 0})
        body = f'{start[:-1]}, "{field}": {value}}}'.encode()
        answer = self.timed(name, SCHEMA_ANSWER, lambda: self.post("chat/completions", body))
        if answer.status_code == 200 and not must_be_refused:
            return
        error = self.refused(name, answer)
        print(f"     {name}: {error['message'][:100]}", flush=True)

    def schemas_that_explode_are_answered_soon(self):
        (worker,) = self.workers()
        for name, (schema, must_be_refused) in SCHEMAS.items():
            form = f'{{"type": "json_schema", "json_schema": {{"name": "hostile", "schema": {schema}}}}}'
            self.in_form(f"schema, {name}", "response_format", form, must_be_refused)
        for name, pattern in PATTERNS.items():
            schema = json.dumps(an_object(a={"type": "string", "pattern": pattern}))
            form = f'{{"type": "json_schema", "json_schema": {{"name": "hostile", "schema": {schema}}}}}'
            self.in_form(f"pattern in a schema, {name}", "response_format", form, False)
            self.in_form(f"pattern, {name}", "structured_outputs", json.dumps({"regex": pattern}), False)
        for name, grammar in GRAMMARS.items():
            self.in_form(f"grammar, {name}", "structured_outputs", json.dumps({"grammar": grammar}), False)
        assert self.workers() == [worker], "a process was lost"
        self.still_answers()

    def workers(self):
        return language_workers(self.running)

    # === lengths ===

    def prompts_of_every_length_are_answered_or_told_both_lengths(self):
        def prompt(length):
            return [100 + (length * 31 + place * 7) % 40_000 for place in range(length)]

        borders = (1, 2, 15, 16, 17, 31, 32, 33, 511, 512, 513, LIMIT - 2, LIMIT - 1)
        for length in borders:
            texts = set()
            for _ in range(2):
                answer = self.complete(prompt(length))
                assert answer.status_code == 200, (length, answer.text)
                body = answer.json()
                usage = body["usage"]
                assert (usage["prompt_tokens"], usage["completion_tokens"]) == (length, 1), (length, usage)
                texts.add(body["choices"][0]["text"])
            assert len(texts) == 1, (length, texts)
        assert self.refused("no prompt", self.complete([]))["param"] == "prompt"
        for length in (LIMIT, LIMIT + 1, 4 * LIMIT, 100 * LIMIT):
            error = self.refused(length, self.complete(prompt(length)))
            assert str(length) in error["message"] and str(LIMIT) in error["message"], error
            assert (error["param"], error["code"]) == ("prompt", "context_length_exceeded"), error
        error = self.refused("no room", self.complete(prompt(LIMIT - 1), max_tokens=2))
        assert error["param"] == "max_tokens", error
        assert all(str(number) in error["message"] for number in (LIMIT - 1, 2, LIMIT + 1, LIMIT)), error

    def prompts_that_each_take_all_room_are_all_answered(self):
        statuses = []

        def one(number):
            tokens = [100 + (number * 1_000 + place * 3) % 40_000 for place in range(LIMIT - 1)]
            statuses.append(self.complete(tokens).status_code)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 4, statuses

    # === what is no request ===

    def messages_that_are_none_are_refused_by_their_place(self):
        for fields, param in WRONG:
            asked = {"model": NAME, **fields}
            error = self.refused(str(fields)[:200], self.post("chat/completions", asked))
            assert error["param"] == param, (param, error, str(fields)[:200])
        for body in NO_JSON:
            error = self.refused(body[:60], self.post("chat/completions", body))
            assert error["type"] == "invalid_request_error", (body[:60], error)
        self.still_answers()


def main():
    with server(*FLAGS) as running:
        running.run("push", NAME, str(MODEL_FILE))
        checks = Checks(running)
        run_all(
            checks.messages_that_are_none_are_refused_by_their_place,
            checks.prompts_of_every_length_are_answered_or_told_both_lengths,
            checks.prompts_that_each_take_all_room_are_all_answered,
            checks.schemas_that_explode_are_answered_soon,
            checks.templates_without_an_end_are_refused_and_harm_nobody,
        )


if __name__ == "__main__":
    main()
