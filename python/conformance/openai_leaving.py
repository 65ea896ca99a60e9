"""2,000 streams, 64 at once, of which many are left by their clients at any moment: nothing is lost and nothing stays behind."""

import asyncio
import json
import random

import openai
import requests

from _language import SETTLES_WITHIN, is_at_rest, metrics, private_memory
from _server import ASSETS, language_workers, run_all, server, wait_until

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
STREAMS = 2_000
AT_ONCE = 64
LONGEST = 24
MEMORY_IS_READ_EVERY = 20
COLOURS = ["red", "green", "blue"]
FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "colour",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"colour": {"enum": COLOURS}},
            "required": ["colour"],
            "additionalProperties": False,
        },
    },
}
WORDS = "sea ship wind north harbour night storm captain whale island rope star lantern gull anchor tide".split()


class Checks:
    def __init__(self, running):
        self.running = running
        base = f"{running.url}/v1"
        self.asking = openai.AsyncOpenAI(api_key=running.key, base_url=base, max_retries=0, timeout=300)
        (self.worker,) = language_workers(running)
        self.draw = random.Random(11)
        self.complete = self.held = self.left = self.left_early = 0
        # After how many streams the model's process had how much memory.
        self.memory = []

    # === one stream ===

    async def one(self, number):
        draw = self.draw
        words = " ".join(draw.choices(WORDS, k=draw.randint(1, 24)))
        most, held = draw.randint(1, LONGEST), draw.random() < 0.15
        ask = {"model": NAME, "max_tokens": most, "temperature": 1.0, "seed": number, "stream": True}
        ask["messages"] = [{"role": "user", "content": f"Tell me of {words}, number {number % 50}."}]
        ask["stream_options"] = {"include_usage": True}
        if held:
            ask["response_format"] = FORMAT
        kind = draw.random()
        if kind < 0.05:
            await self.leave_early(ask, draw.uniform(0, 0.5))
        elif kind < 0.40:
            await self.leave_after(ask, draw.randint(1, most))
        else:
            await self.read(ask, most, held)

    async def leave_early(self, ask, seconds):
        """Goes away while it may still wait for the first sign of an answer."""
        asked = asyncio.ensure_future(self.asking.chat.completions.create(**ask))
        done, _ = await asyncio.wait([asked], timeout=seconds)
        if done:
            await (await asked).close()
        else:
            asked.cancel()
            await asyncio.wait([asked])
            if not asked.cancelled():
                await asked.result().close()
        self.left_early += 1

    async def leave_after(self, ask, chunks):
        stream = await self.asking.chat.completions.create(**ask)
        seen = 0
        async for _ in stream:
            seen += 1
            if seen >= chunks:
                await stream.close()
                break
        self.left += 1

    async def read(self, ask, most, held):
        stream = await self.asking.chat.completions.create(**ask)
        text, end, usage = "", None, None
        async for chunk in stream:
            for choice in chunk.choices:
                assert end is None, "nothing comes behind the end"
                text += choice.delta.content or ""
                end = choice.finish_reason
            usage = chunk.usage or usage
        written = usage.completion_tokens
        assert end in ("stop", "length"), (end, text)
        assert written == most if end == "length" else 1 <= written <= most, (end, written, most)
        if held and end == "stop":
            assert json.loads(text)["colour"] in COLOURS, text
            self.held += 1
        self.complete += 1

    # === the checks, in this order ===

    def every_answer_that_is_waited_for_is_complete(self):
        async def all_of_them():
            numbers, ended = iter(range(STREAMS)), 0

            async def client():
                nonlocal ended
                for number in numbers:
                    await self.one(number)
                    ended += 1
                    if ended % MEMORY_IS_READ_EVERY == 0:
                        self.memory.append((ended, private_memory(self.worker)))

            await asyncio.gather(*(client() for _ in range(AT_ONCE)))
            await self.asking.close()

        asyncio.run(all_of_them())
        counted = (self.complete, self.held, self.left, self.left_early)
        assert sum(counted) - self.held == STREAMS, counted
        assert self.complete > 1_000 and self.held > 20 and self.left > 500 and self.left_early > 40, counted

    def no_page_stays_in_use(self):
        wait_until(lambda: is_at_rest(self.running, NAME), SETTLES_WITHIN)
        assert language_workers(self.running) == [self.worker], "no process was lost"
        told = metrics(self.running, NAME)
        assert told["restarts_total", None] == 0, told
        assert told["requests_total", "failed"] == told["requests_total", "refused"] == 0, told
        assert told["requests_total", "deadline"] == 0, told
        # With the first one, of no stream.
        ended = sum(value for (name, _), value in told.items() if name == "requests_total") - 1
        # One that left before it was read never became an answer.
        assert STREAMS - self.left_early <= ended <= STREAMS, told
        assert 0 < told["requests_total", "cancelled"] <= self.left + self.left_early, told

    def memory_does_not_grow(self):
        first = max(memory for ended, memory in self.memory if ended <= 500)
        last = max(memory for ended, memory in self.memory if ended > STREAMS - 500)
        assert last <= 1.1 * first, f"{first / 1e6:.1f} MB in the first 500 streams, {last / 1e6:.1f} MB in the last"


def main():
    # So few positions that the first streams use every page: what grows later is no page that is used for the first time.
    with server("--set", "language.positions=8192") as running:
        running.run("push", NAME, str(MODEL_FILE))
        ask = {"model": NAME, "prompt": "The capital of France is", "max_tokens": 1}
        answer = requests.post(f"{running.url}/v1/completions", headers=running.headers, json=ask, timeout=120)
        assert answer.status_code == 200, answer.text
        checks = Checks(running)
        run_all(
            checks.every_answer_that_is_waited_for_is_complete,
            checks.no_page_stays_in_use,
            checks.memory_does_not_grow,
        )


if __name__ == "__main__":
    main()
