"""What keys that use one language model have from each other: a share by their weight, and nothing that was computed for another
unless the model's options say so."""

import openai

from _server import ASSETS, run_all, server

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
# What was computed is kept in whole pages of so many tokens.
PAGE = 16


class Checks:
    def __init__(self, running):
        self.running = running

    def key(self, name, *more):
        made = self.running.run("keys", "create", name, "--role", "consumer", *more)
        client = openai.OpenAI(
            api_key=made["secret"], base_url=f"{self.running.url}/v1", max_retries=0, timeout=120
        )
        return made["key"], client

    def cached(self, client):
        """How much of a long prompt was known, of how much."""
        instructions = "You are a helpful assistant who answers every question about the sea in one short sentence. " * 4
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": "How deep is it?"}]
        answer = client.chat.completions.create(model=NAME, messages=messages, max_tokens=1, temperature=0)
        return answer.usage.prompt_tokens_details.cached_tokens, answer.usage.prompt_tokens

    def what_was_computed_is_shared_only_if_the_model_says_so(self):
        (_, one), (_, two), (_, three) = self.key("one"), self.key("two"), self.key("three")
        known, length = self.cached(one)
        assert known == 0 and length > 64, (known, length)
        # The last token of a prompt is always computed: the answer comes of it.
        kept = (length - 1) // PAGE * PAGE
        assert self.cached(one) == (kept, length), "a key has what was computed for itself"
        assert self.cached(two) == (0, length), "and nothing of another's"

        shown = self.running.run("options", NAME, "--share-prefixes", "true")
        assert shown == {"share_prefixes": True}, shown
        assert self.cached(one) == (0, length), "what was not shared when it was computed is not shared later"
        assert self.cached(two) == (kept, length), "what one key had computed serves another"
        assert self.cached(three) == (kept, length)

        shown = self.running.run("options", NAME, "--share-prefixes", "false")
        assert shown == {}, shown
        assert self.cached(three) == (0, length), "shared no more"
        assert self.running.run("options", NAME) == {}

    def a_key_keeps_its_weight(self):
        made, client = self.key("heavy", "--weight", "3")
        assert made["weight"] == 3, made
        assert self.cached(client)[0] == 0
        rotated = self.running.run("keys", "rotate", made["id"])["key"]
        assert rotated["weight"] == 3, rotated
        listed = {key["name"]: key["weight"] for key in self.running.run("keys", "list")["keys"]}
        assert listed["heavy"] == 3 and listed["admin"] == 1, listed
        for weight in ("0", "1001"):
            refused = self.running.run("keys", "create", "no", "--weight", weight, check=False)
            assert refused.returncode == 6 and "1 to 1000" in refused.stderr, refused


def main():
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        checks = Checks(running)
        run_all(
            checks.what_was_computed_is_shared_only_if_the_model_says_so,
            checks.a_key_keeps_its_weight,
        )


if __name__ == "__main__":
    main()
