"""OpenAI's `responses` through the `openai` package: whole, as events, by schema, with functions; nothing is kept."""

import asyncio
import json
import math
import os
import signal
import threading

import openai
import pydantic
import requests
from openai.types.responses import Response, ResponseStreamEvent

from _server import ASSETS, DIGITS_MODEL, language_workers, run_all, server, wait_until

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
QUESTION = "What is the capital of France? Answer with one word."
ANY_EVENT = pydantic.TypeAdapter(ResponseStreamEvent)

# What a stream of one message says, each kind once and in this order.
KINDS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


class City(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    inhabitants: int
    is_capital: bool


def function(name, **properties):
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "function", "name": name, "description": name, "parameters": schema, "strict": True}


CITY = {"type": "string", "maxLength": 24, "pattern": "^[A-Z][a-z]+$"}
UNIT = {"type": "string", "enum": ["celsius", "fahrenheit"]}
TOOLS = [function("get_weather", city=CITY, unit=UNIT), function("get_time", city=CITY)]


def refused(kind, ask, part, param=None, code=None):
    """What `ask` raises, which is of this kind and says this."""
    try:
        answer = ask()
    except kind as error:
        assert part in str(error), (part, str(error))
        assert param is None or error.param == param, (param, error.param, str(error))
        assert code is None or error.code == code, (code, error.code, str(error))
        return error
    raise AssertionError(f"not refused: {answer}")


def in_order(kinds):
    """The kinds with neighbours that are the same told once."""
    return [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]


class Checks:
    def __init__(self, running):
        self.running = running
        self.client = self.client_at("/v1")

    def client_at(self, base, kind=openai.OpenAI):
        url = self.running.url + base
        return kind(api_key=self.running.key, base_url=url, max_retries=0, timeout=120)

    def respond(self, input=QUESTION, **more):
        more = {"model": NAME, "max_output_tokens": 24, "temperature": 0, **more}
        return self.client.responses.create(input=input, **more)

    def chat(self, messages, **more):
        more = {"model": NAME, "max_tokens": 24, "temperature": 0, **more}
        return self.client.chat.completions.create(messages=messages, **more)

    def raw(self, **body):
        body = {"model": NAME, "input": QUESTION, "max_output_tokens": 24, "temperature": 0, **body}
        return requests.post(
            f"{self.running.url}/v1/responses", headers=self.running.headers, json=body, timeout=120
        )

    # === whole ===

    def a_question_is_answered(self):
        answer = self.respond(metadata={"asked": "by a test"})
        assert "Paris" in answer.output_text and answer.status == "completed", answer
        (message,) = answer.output
        (part,) = message.content
        assert (message.type, message.role, message.status) == ("message", "assistant", "completed"), message
        assert (part.type, part.text, part.annotations) == ("output_text", answer.output_text, []), part
        assert answer.id.startswith("resp_") and message.id.startswith("msg_") and answer.object == "response"
        assert answer.model == NAME and answer.metadata == {"asked": "by a test"} and answer.store is False, answer
        assert answer.error is None and answer.incomplete_details is None and answer.previous_response_id is None
        assert answer.completed_at >= answer.created_at > 1_600_000_000, answer
        assert (answer.temperature, answer.top_p, answer.max_output_tokens) == (0, 1, 24), answer
        assert (answer.tool_choice, answer.tools, answer.parallel_tool_calls) == ("auto", [], True), answer
        chat = self.chat([{"role": "user", "content": QUESTION}])
        assert chat.choices[0].message.content == answer.output_text, chat
        usage = answer.usage
        counted = (usage.input_tokens, usage.output_tokens, usage.total_tokens)
        assert counted == (chat.usage.prompt_tokens, chat.usage.completion_tokens, chat.usage.total_tokens), usage
        again = self.client_at("/openai/v1").responses.create(
            model=f"{NAME}:1", input=QUESTION, max_output_tokens=24, temperature=0
        )
        assert again.output_text == answer.output_text and again.model == f"{NAME}:1", again
        assert again.usage.input_tokens_details.cached_tokens == usage.input_tokens - 1, again.usage
        raw = self.client.responses.with_raw_response.create(model=NAME, input=QUESTION, max_output_tokens=1)
        assert (raw.headers["x-modelyard-model"], raw.headers["x-modelyard-version"]) == (NAME, "1"), raw.headers

    def an_answer_has_all_that_the_client_knows(self):
        call = {"tools": TOOLS, "tool_choice": "required", "max_output_tokens": 120}
        for more in ({}, {"max_output_tokens": 2}, call):
            answer = self.raw(instructions="Be brief.", **more)
            assert answer.status_code == 200, answer.text
            Response.model_validate_json(answer.content)

    def a_conversation_is_sent_whole(self):
        instructions = "You answer with one word."
        first = self.respond(instructions=instructions)
        said = [
            {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
            *first.output,
            {"type": "message", "role": "user", "content": "And of Italy?"},
        ]
        second = self.respond(said, instructions=instructions)
        chat = self.chat([
            {"role": "system", "content": instructions},
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": first.output_text},
            {"role": "user", "content": "And of Italy?"},
        ])
        assert second.output_text == chat.choices[0].message.content, (second, chat)
        assert second.usage.input_tokens == chat.usage.prompt_tokens and second.instructions == instructions, second
        assert second.usage.input_tokens_details.cached_tokens > first.usage.input_tokens // 2, second.usage

    def what_was_cut_is_incomplete(self):
        cut = self.respond("Tell me a long story.", max_output_tokens=3)
        assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens"), cut
        assert cut.output[0].status == "incomplete" and cut.completed_at is None, cut
        assert cut.usage.output_tokens == 3 and cut.output_text, cut
        *_, last = self.respond("Tell me a long story.", max_output_tokens=3, stream=True)
        assert last.type == "response.incomplete" and last.response.output_text == cut.output_text, last
        assert last.response.incomplete_details.reason == "max_output_tokens", last

    # === as events ===

    def a_stream_is_the_answer(self):
        ask = {"input": "Tell me about the sea 🌊.", "max_output_tokens": 400}
        whole = self.respond(**ask)
        events = list(self.respond(**ask, stream=True))
        kinds = in_order([event.type for event in events])
        assert kinds == KINDS[:-1] + [f"response.{whole.status}"], kinds
        assert [event.sequence_number for event in events] == list(range(len(events))), events
        deltas = [event for event in events if event.type == "response.output_text.delta"]
        assert "".join(event.delta for event in deltas) == whole.output_text, (deltas, whole)
        assert len(deltas) > 10 and all(event.output_index == event.content_index == 0 for event in deltas), deltas
        created, last = events[0].response, events[-1].response
        assert created.status == "in_progress" and created.output == [] and created.usage is None, created
        assert created.id == last.id and last.output_text == whole.output_text and last.status == whole.status, last
        (done,) = [event for event in events if event.type == "response.output_item.done"]
        assert done.item == last.output[0] and {event.item_id for event in deltas} == {done.item.id}, done
        assert (last.usage.input_tokens, last.usage.output_tokens) == (
            whole.usage.input_tokens,
            whole.usage.output_tokens,
        ), (last.usage, whole.usage)

    def events_have_names_and_all_that_the_client_knows(self):
        for more in ({}, {"tools": TOOLS, "tool_choice": "required", "max_output_tokens": 120}):
            answer = self.raw(stream=True, include=["message.output_text.logprobs"], top_logprobs=2, **more)
            assert answer.headers["content-type"].startswith("text/event-stream"), answer.headers
            *written, rest = answer.content.decode().split("\n\n")
            assert not rest and "[DONE]" not in written[-1], rest
            events = [event for event in written if not event.startswith(":")]
            for index, event in enumerate(events):
                name, data = event.split("\n")
                data = json.loads(data.removeprefix("data: "))
                assert name == f"event: {data['type']}" and data["sequence_number"] == index, event
                ANY_EVENT.validate_python(data)

    def the_clients_own_stream_puts_it_together(self):
        whole = self.respond()
        snapshots = []
        with self.client.responses.stream(
            model=NAME, input=QUESTION, max_output_tokens=24, temperature=0
        ) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    snapshots.append(event.snapshot)
            final = stream.get_final_response()
        assert final.output_text == whole.output_text == snapshots[-1], (final, snapshots)

        async def asked():
            client = self.client_at("/v1", openai.AsyncOpenAI)
            stream = await client.responses.create(
                model=NAME, input=QUESTION, max_output_tokens=24, temperature=0, stream=True
            )
            return "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])

        assert asyncio.run(asked()) == whole.output_text

    def log_probabilities_are_those_of_the_tokens(self):
        ask = {"include": ["message.output_text.logprobs"], "top_logprobs": 4, "max_output_tokens": 6}
        answer = self.respond(**ask)
        (part,) = answer.output[0].content
        assert b"".join(bytes(token.bytes) for token in part.logprobs).decode() == part.text, part
        for token in part.logprobs:
            ranked = [other.logprob for other in token.top_logprobs]
            assert len(ranked) == 4 and ranked == sorted(ranked, reverse=True) and token.logprob == ranked[0], token
            assert sum(map(math.exp, ranked)) <= 1 + 1e-5, token
        streamed = []
        for event in self.respond(**ask, stream=True):
            if event.type == "response.output_text.delta":
                streamed += event.logprobs
        assert [token.logprob for token in streamed] == [token.logprob for token in part.logprobs], streamed
        assert not self.respond().output[0].content[0].logprobs

    # === by schema, with functions ===

    def answers_keep_to_a_schema(self):
        ask = {"model": NAME, "input": "Describe Paris as JSON.", "max_output_tokens": 120, "temperature": 0}
        parsed = self.client.responses.parse(text_format=City, **ask)
        assert isinstance(parsed.output_parsed, City), parsed
        assert parsed.text.format.type == "json_schema" and parsed.text.format.name == "City", parsed.text
        with self.client.responses.stream(text_format=City, **ask) as stream:
            (done,) = [event for event in stream if event.type == "response.output_text.done"]
            assert done.parsed == parsed.output_parsed == stream.get_final_response().output_parsed, done
        free = self.respond("Describe Paris as JSON.", text={"format": {"type": "json_object"}}, max_output_tokens=300)
        if free.status == "completed":
            assert isinstance(json.loads(free.output_text), dict), free
        bad = {"format": {"type": "json_schema", "name": "bad", "schema": {"type": "tuple"}}}
        refused(openai.BadRequestError, lambda: self.respond(text=bad), "tuple")

    def functions_are_called(self):
        asked = {"role": "user", "content": "What is the weather in Paris, in celsius?"}
        ask = {"tools": TOOLS, "tool_choice": "required", "max_output_tokens": 120}
        answer = self.respond([asked], **ask)
        (call,) = answer.output
        assert (call.type, call.status, answer.status) == ("function_call", "completed", "completed"), answer
        keys = {"get_weather": {"city", "unit"}, "get_time": {"city"}}[call.name]
        assert set(json.loads(call.arguments)) == keys and call.call_id and call.id != call.call_id, call
        named = self.respond([asked], **{**ask, "tool_choice": {"type": "function", "name": "get_time"}})
        assert [item.name for item in named.output] == ["get_time"], named
        assert named.tool_choice.name == "get_time" and len(named.tools) == 2, named

        events = list(self.respond([asked], stream=True, **ask))
        kinds = in_order([event.type for event in events])
        assert kinds[2:] == [
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ], kinds
        deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        (item,) = events[-1].response.output
        assert "".join(deltas) == item.arguments == call.arguments and item.name == call.name, (item, call)

        result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees and sunny"}
        told = self.respond([asked, call, result], **{**ask, "tool_choice": "none"})
        assert [item.type for item in told.output] == ["message"] and told.output_text, told
        free = self.respond([asked], **{**ask, "tool_choice": "auto"})
        for item in free.output:
            assert item.type == "message" or item.name in ("get_weather", "get_time"), free

    # === refusals, failures ===

    def what_is_wrong_is_named(self):
        bad = openai.BadRequestError
        unsupported = "unsupported_parameter"
        refused(bad, lambda: self.respond(temperature=3), "0 to 2", "temperature")
        refused(bad, lambda: self.respond([]), "1 to 4096", "input")
        refused(bad, lambda: self.respond([{"role": "king", "content": "x"}]), "role", "input[0].role")
        refused(bad, lambda: self.respond(extra_body={"seed": 1}), "seed", "seed", "unknown_parameter")
        picture = [{"type": "input_image", "image_url": "data:,", "detail": "auto"}]
        refused(bad, lambda: self.respond([{"role": "user", "content": picture}]), "reads text", code=unsupported)
        whole = "send the whole conversation"
        refused(bad, lambda: self.respond(previous_response_id="resp_1"), whole, "previous_response_id", unsupported)
        refused(bad, lambda: self.respond(conversation="conv_1"), whole, "conversation", unsupported)
        refused(bad, lambda: self.respond(background=True), "wait", "background", unsupported)
        refused(bad, lambda: self.respond(reasoning={"effort": "low"}), "enable_thinking", "reasoning", unsupported)
        refused(bad, lambda: self.respond(truncation="auto"), "shorten", "truncation", unsupported)
        refused(bad, lambda: self.respond(tools=[{"type": "web_search"}]), "functions", "tools[0].type", unsupported)
        refused(bad, lambda: self.respond("word " * 20_000), "8192", "input", "context_length_exceeded")
        long = "context_length_exceeded"
        refused(bad, lambda: self.respond(max_output_tokens=9_000), "9000", "max_output_tokens", long)
        refused(openai.NotFoundError, lambda: self.respond(model="absent"), "absent", "model", "model_not_found")
        self.running.run("push", "digits", str(DIGITS_MODEL))
        refused(bad, lambda: self.respond(model="digits"), "no language model", "model")
        wrong = openai.OpenAI(api_key="my_wrong", base_url=f"{self.running.url}/v1", max_retries=0)
        refused(openai.AuthenticationError, lambda: wrong.responses.create(model=NAME, input="x"), "key")
        refused(openai.NotFoundError, lambda: self.client.responses.retrieve("resp_1"), "")
        assert self.respond(store=True, truncation="disabled", background=False, user="u").store is False

    def a_killed_process_fails_the_responses_it_had(self):
        (worker,) = language_workers(self.running)
        stream = self.respond("Write a long story.", max_output_tokens=2_000, stream=True)
        seen = [next(stream) for _ in range(8)]
        waiting = []

        def ask():
            try:
                waiting.append(self.respond("Write another long story.", max_output_tokens=300))
            except openai.InternalServerError as error:
                waiting.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        os.kill(worker, signal.SIGKILL)
        seen += stream
        last = seen[-1]
        assert last.type == "response.failed" and last.response.status == "failed", last
        assert last.response.error.code == "server_error" and "process" in last.response.error.message, last
        deltas = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
        assert last.response.output_text == deltas and last.response.output[0].status == "incomplete", last
        thread.join(timeout=60)
        # It may have come when the process was gone, or is there again and writes.
        assert waiting and getattr(waiting[0], "status_code", 503) == 503, waiting
        wait_until(lambda: language_workers(self.running) not in ([], [worker]))

        def answers():
            try:
                return "Paris" in self.respond().output_text
            except openai.InternalServerError:
                return False

        wait_until(answers, seconds=60)


def main():
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        checks = Checks(running)
        run_all(
            checks.a_question_is_answered,
            checks.an_answer_has_all_that_the_client_knows,
            checks.a_conversation_is_sent_whole,
            checks.what_was_cut_is_incomplete,
            checks.a_stream_is_the_answer,
            checks.events_have_names_and_all_that_the_client_knows,
            checks.the_clients_own_stream_puts_it_together,
            checks.log_probabilities_are_those_of_the_tokens,
            checks.answers_keep_to_a_schema,
            checks.functions_are_called,
            checks.what_is_wrong_is_named,
            checks.a_killed_process_fails_the_responses_it_had,
        )


if __name__ == "__main__":
    main()
