"""Budgets of tokens when the server is killed with answers under way: what was answered is counted and nothing twice, what
was under way costs no more than was held for it, and no day's budget is ever passed. With SmolLM2-135M-Instruct in Q4_1."""

import threading
import time

import openai

import _server
from _server import ASSETS, server, wait_until

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
QUESTION = "What is the capital of France? Answer with one word."
MOST_TOKENS = 24
DAY = 40_000
SMALL_DAY = 1_500
KILLS = 3
CLIENTS = 12
# Of each client between two kills, so that the budget outlasts them on a fast machine too.
MOST_ASKED = 20
CROWD = 100
# Usage is written a moment after its answer was sent: a kill in between loses it, and nothing that is older.
WRITTEN_WITHIN = 0.5


class Clients:
    """Clients of one key, every other one with streams. Each asks some times, unless it is refused or the server is gone."""

    def __init__(self, running, secret, count, times=MOST_ASKED):
        self.client = openai.OpenAI(api_key=secret, base_url=f"{running.url}/v1", max_retries=0, timeout=300)
        self.times = times
        # When each answer was received in full and its tokens; the refusals; and when what failed was begun, and failed.
        self.received, self.told, self.lost = [], [], []
        self.threads = [threading.Thread(target=self.ask_on, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def ask_on(self, number):
        ask = self.ask_for_a_stream if number % 2 else self.ask
        for _ in range(self.times):
            begun = time.monotonic()
            try:
                tokens = ask()
            except openai.RateLimitError as error:
                self.told.append(error)
                return
            except Exception as error:  # noqa: BLE001 - how a connection breaks is up to the library under the client
                self.lost.append((begun, time.monotonic(), error))
                return
            self.received.append((time.monotonic(), tokens))

    def ask(self):
        return self.chat(QUESTION).usage.total_tokens

    def ask_for_a_stream(self):
        usage = None
        for chunk in self.chat(QUESTION, stream=True, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
        return usage.total_tokens

    def chat(self, question, **more):
        messages = [{"role": "user", "content": question}]
        return self.client.chat.completions.create(
            model=NAME, messages=messages, max_tokens=MOST_TOKENS, temperature=0, **more
        )

    def join(self):
        for thread in self.threads:
            thread.join(timeout=300)
            assert not thread.is_alive(), "a client hangs"

    def written(self, now):
        """Tokens of each answer that is old enough for its usage to be written."""
        return [tokens for received, tokens in list(self.received) if received < now - WRITTEN_WITHIN]

    def all_received(self):
        return [tokens for _, tokens in self.received]


class Checks:
    def __init__(self, running):
        self.running = running
        with_one = Clients(running, running.key, 0).chat(QUESTION).usage
        # What one request may need, and therefore holds.
        self.held = with_one.prompt_tokens + MOST_TOKENS

    def key(self, name, tokens_per_day):
        made = self.running.run("keys", "create", name, "--role", "consumer", "--tokens-per-day", str(tokens_per_day))
        return made["secret"], made["key"]["id"]

    def used(self, key):
        """Requests and tokens of a key, as the server tells them."""
        listed = self.running.run("usage")
        assert listed["truncated"] is False, listed
        rows = [row for row in listed["usage"] if row["key"] == key]
        tokens = sum(row["prompt_tokens"] + row["answer_tokens"] for row in rows)
        return sum(row["requests"] for row in rows), tokens

    def kill(self, clients):
        """Kills the server under its clients and starts it again on the same data; gives the moment of the kill and how
        many requests were under way."""
        killed = time.monotonic()
        self.running.kill()
        clients.join()
        early = [error for _, failed, error in clients.lost if failed < killed]
        assert not early, f"failed before the kill: {early[:3]!r}"
        self.running.start()
        return killed, sum(begun < killed for begun, _, _ in clients.lost)

    def told_of_the_budget(self, errors, budget, held):
        for error in errors:
            headers = error.response.headers
            assert error.status_code == 429 and headers["x-ratelimit-limit-tokens"] == str(budget), (error, headers)
            assert 0 <= int(headers["x-ratelimit-remaining-tokens"]) < held, (error, headers)
            assert 0 < int(headers["retry-after"]) <= 24 * 3600, (error, headers)
            assert headers["x-ratelimit-reset-tokens"] == headers["retry-after"], (error, headers)

    def a_budget_goes_on_after_each_kill_and_is_never_passed(self):
        secret, key = self.key("killed", DAY)
        requests, tokens = 0, 0
        for _ in range(KILLS):
            clients = Clients(self.running, secret, CLIENTS)
            wait_until(lambda: len(clients.written(time.monotonic())) >= 8, seconds=300)
            killed, under_way = self.kill(clients)
            written, received = clients.written(killed), clients.all_received()
            requests_now, tokens_now = self.used(key)
            seen = f"{len(written)} of {len(received)} answers old, {under_way} under way, {requests_now - requests} counted"
            assert len(written) <= requests_now - requests <= len(received) + under_way, seen
            assert sum(written) <= tokens_now - tokens <= sum(received) + under_way * self.held, (seen, tokens, tokens_now)
            assert tokens_now <= DAY, tokens_now
            requests, tokens = requests_now, tokens_now

        # Until there is no more; longer prompts get there sooner, and the server knows all but the first by heart.
        alone, refusal = Clients(self.running, secret, 0), None
        long_question = "word " * 400 + QUESTION
        for _ in range(DAY // 400 + 1):
            try:
                usage = alone.chat(long_question).usage
            except openai.RateLimitError as error:
                refusal = error
                break
            requests, tokens = requests + 1, tokens + usage.total_tokens
            assert self.used(key) == (requests, tokens), (self.used(key), requests, tokens)
        assert refusal is not None and tokens <= DAY, tokens
        held = usage.prompt_tokens + MOST_TOKENS
        self.told_of_the_budget([refusal], DAY, held)
        assert int(refusal.response.headers["x-ratelimit-remaining-tokens"]) == DAY - tokens < held, refusal.response.headers

        self.kill(alone)
        again = Clients(self.running, secret, 0)
        try:
            again.chat(long_question)
            raise AssertionError("a kill renewed the budget")
        except openai.RateLimitError as error:
            self.told_of_the_budget([error], DAY, held)
        assert self.used(key) == (requests, tokens), (self.used(key), requests, tokens)

    def a_crowd_before_and_after_a_kill_keeps_to_the_budget(self):
        secret, key = self.key("crowd", SMALL_DAY)
        before = Clients(self.running, secret, CROWD, times=1)
        wait_until(lambda: len(before.received) >= 3, seconds=300)
        killed, under_way = self.kill(before)
        requests, tokens = self.used(key)
        assert sum(before.written(killed)) <= tokens <= sum(before.all_received()) + under_way * self.held, tokens
        self.told_of_the_budget(before.told, SMALL_DAY, self.held)

        after = Clients(self.running, secret, CROWD, times=1)
        after.join()
        assert not after.lost, f"{len(after.lost)} failed: {after.lost[0][2]!r}"
        assert after.told and len(after.told) + len(after.received) == CROWD, (len(after.told), len(after.received))
        self.told_of_the_budget(after.told, SMALL_DAY, self.held)
        expected = (requests + len(after.received), tokens + sum(after.all_received()))
        # A stream's tokens are booked when it is closed, a moment after its last event.
        wait_until(lambda: self.used(key) == expected, seconds=30)
        assert expected[1] <= SMALL_DAY, expected


def main():
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        checks = Checks(running)
        _server.run_all(
            checks.a_budget_goes_on_after_each_kill_and_is_never_passed,
            checks.a_crowd_before_and_after_a_kill_keeps_to_the_budget,
        )


if __name__ == "__main__":
    main()
