"""What `cargo xtask soak` runs: many samples by schema, then a mixed load for as long as it is told, while memory and pages are
watched.

Ends with one line that begins with `soak:`, and with 1 if a sample was invalid, an answer failed, a page stayed in use or a
process grew by more than a tenth between the first quarter and the end of either part.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time

import jsonschema
import openai

from _language import SETTLES_WITHIN, is_at_rest, metrics, private_memory
from _server import language_workers, server, wait_until
from openai_schemas import MODEL_FILE, NAME, SCHEMAS, is_whole

CLIENTS = 24
WATCHED_EVERY = 1.0
# Fewer readings than that tell of no growth.
LEAST_READINGS = 40
MOST_GROWTH = 1.1
SHOWN = 5
WORDS = "sea ship wind north harbour night storm captain whale island rope star lantern gull anchor tide".split()


class Watched:
    """The memory of the server and of its model's process, and the pages in use, while a part runs."""

    def __init__(self, soak, part):
        self.soak, self.part = soak, part
        self.readings = []

    async def __aenter__(self):
        self.began = time.monotonic()
        self.task = asyncio.ensure_future(self.watch())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled() and self.task.exception():
            self.soak.fail(f"the watch ended: {self.task.exception()!r}")
        self.judge()

    async def watch(self):
        while True:
            told = await asyncio.to_thread(metrics, self.soak.running, NAME)
            used = told.get(("kv_pages", "used"), 0)
            reading = (private_memory(self.soak.running.process.pid), private_memory(self.soak.worker), used)
            self.readings.append((time.monotonic() - self.began, *reading))
            if len(self.readings) % 60 == 0:
                server_bytes, model_bytes, used = reading
                memory = f"{server_bytes / 1e6:.0f} and {model_bytes / 1e6:.0f} MB, {used:.0f} pages"
                print(f"{self.part}: {self.soak.so_far()}; {memory}", flush=True)
            await asyncio.sleep(WATCHED_EVERY)

    def judge(self):
        if len(self.readings) < LEAST_READINGS:
            print(f"{self.part}: too short to tell whether memory grows", flush=True)
            return
        end = self.readings[-1][0]

        def middle(place, least, most):
            return statistics.median(reading[place] for reading in self.readings if least * end <= reading[0] <= most * end)

        for place, who in ((1, "the server"), (2, "the model's process")):
            early, late = middle(place, 0.2, 0.3), middle(place, 0.9, 1)
            self.soak.memory.append(f"{who} {early / 1e6:.1f} -> {late / 1e6:.1f} MB in {self.part}")
            if late > MOST_GROWTH * early:
                self.soak.fail(f"{who} grew from {early / 1e6:.1f} to {late / 1e6:.1f} MB in {self.part}")


class Soak:
    def __init__(self, running):
        self.running = running
        base = f"{running.url}/v1"
        self.asking = openai.AsyncOpenAI(api_key=running.key, base_url=base, max_retries=0, timeout=600)
        self.worker = None
        self.valid = self.cut = self.invalid = self.server_errors = 0
        self.mixed = dict.fromkeys(("streams", "left", "embeddings", "schemas"), 0)
        self.memory, self.failures = [], []

    def fail(self, what):
        self.failures.append(what)
        if len(self.failures) <= SHOWN:
            print(f"FAIL {what}", flush=True)

    def so_far(self):
        mixed = ", ".join(f"{count} {kind}" for kind, count in self.mixed.items())
        return f"{self.valid} valid, {self.cut} cut, {self.invalid} invalid; {mixed}"

    async def guarded(self, what, work):
        """Counts what goes wrong, and goes on."""
        try:
            return await work
        except (jsonschema.ValidationError, json.JSONDecodeError, AssertionError) as error:
            self.invalid += 1
            self.fail(f"{what}: {error}")
        except openai.APIError as error:
            self.server_errors += getattr(error, "status_code", 500) >= 500
            self.fail(f"{what}: {error!r}")
        except Exception as error:  # noqa: BLE001 - a connection that breaks is a failure, and no end of the run
            self.fail(f"{what}: {error!r}")

    async def sample(self, number):
        match await self.guarded(f"sample {number}", is_whole(self.asking, number)):
            case True:
                self.valid += 1
            case False:
                self.cut += 1

    async def by_clients(self, client):
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))

    # === the two parts ===

    async def samples(self, count):
        numbers = iter(range(count))

        async def client(_):
            for number in numbers:
                await self.sample(number)

        async with Watched(self, "samples"):
            await self.by_clients(client)

    async def mixed_load(self, minutes):
        until = time.monotonic() + 60 * minutes

        async def client(number):
            draw = random.Random(number)
            while time.monotonic() < until:
                await self.one_of_many(draw)

        async with Watched(self, "the mixed load"):
            await self.by_clients(client)

    async def one_of_many(self, draw):
        (kind,) = draw.choices(("streams", "left", "embeddings", "schemas"), (50, 25, 10, 15))
        words = " ".join(draw.choices(WORDS, k=draw.randint(1, 60)))
        match kind:
            case "schemas":
                # None of those that were asked for before.
                await self.sample(draw.randrange(1_000_000, 2_000_000))
            case "embeddings":
                work = self.asking.embeddings.create(model=NAME, input=[words] * draw.randint(1, 3))
                await self.guarded(kind, work)
            case _:
                most = draw.randint(1, 96)
                leaves_after = draw.randint(1, most) if kind == "left" else None
                await self.guarded(kind, self.stream(words, most, draw.randrange(1 << 30), leaves_after))
        self.mixed[kind] += 1

    async def stream(self, words, most, seed, leaves_after):
        stream = await self.asking.chat.completions.create(
            model=NAME,
            messages=[{"role": "user", "content": f"Tell me of {words}."}],
            max_tokens=most,
            temperature=1.0,
            seed=seed,
            stream=True,
        )
        end, seen = None, 0
        async for chunk in stream:
            seen += 1
            if seen == leaves_after:
                await stream.close()
                return
            end = chunk.choices[0].finish_reason
        assert end in ("stop", "length"), end

    # === all of it ===

    async def run(self, samples, minutes):
        await self.guarded("the first answer", self.stream("nothing", 4, 1, None))
        (self.worker,) = language_workers(self.running)
        await self.samples(samples)
        if minutes:
            await self.mixed_load(minutes)
        await self.asking.close()

    def settle(self):
        try:
            wait_until(lambda: is_at_rest(self.running, NAME), SETTLES_WITHIN)
        except TimeoutError:
            self.fail("something stays in use")
        told = metrics(self.running, NAME)
        if told.get(("restarts_total", None)) != 0 or language_workers(self.running) != [self.worker]:
            self.fail("the model's process was started again")
        return int(told.get(("kv_pages", "used"), -1))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--samples", type=int, default=10_000)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments = arguments.parse_args()
    # So few positions that every page is used early: what grows later is no page that is used for the first time.
    with server("--set", "language.positions=8192") as running:
        running.run("push", NAME, str(MODEL_FILE))
        soak = Soak(running)
        asyncio.run(soak.run(arguments.samples, arguments.minutes))
        used = soak.settle()
    print(
        f"soak: {soak.so_far()}, over {len(SCHEMAS)} schemas, in {arguments.minutes:g} minutes of mixed load; "
        f"{soak.server_errors} answers with 5xx, {len(soak.failures)} failures; {used} pages in use; "
        f"{'; '.join(soak.memory) or 'memory not judged'}",
        flush=True,
    )
    sys.exit(1 if soak.failures else 0)


if __name__ == "__main__":
    main()
