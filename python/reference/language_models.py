"""How right two engines compute language models, measured against a plain forward pass in float32.

    language_models.py --ours PROGRAM --peer PROGRAM --models FOLDER [--only TEXT] [--write FILE]

`cargo xtask bench llm-quality` runs this. Both programs answer the questions that stand in
bench/peers/llama_cpp/peer.cpp; the folder has the models and text.txt. The forward pass is written from the papers and
the published names of tensors, in numpy, on weights that the `gguf` package dequantizes: it shares nothing with either.

For each model: the tokens of the prompts below by both tokenizers; the peer's greedy continuations; how often ours takes
the same token behind the same tokens, and how near to a tie the others are; the divergence of both from the reference;
the perplexity of both on the text; the same far into a long text. A line of JSON a model goes to standard output.

--write writes what is committed as crates/yard-llm/tests/reference/continuations.txt, which the tests of yard-llm read, and
leaves out the text.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy

from language import forward

STEPS = 64
NEAR_TIE = 0.5
# Logits that are written down for each prompt, so that the tests can hold their own reference to this one.
TOLD_LOGITS = 4
PERPLEXITY_WINDOW = 2048
# Tokens of the text over which divergences are compared, beside the steps of the continuations.
DIVERGENCE_TOKENS = 1024
# Tokens that the peer continues a long text with, which are compared: behind them all positions of the text count.
LONG_TAIL = 256

# In languages that small models have seen: what SmolLM2 makes of a Russian sentence is chance, and where chance decides,
# engines that are equally right differ (7 of 64 tokens with Q4_1, and 2 with the Spanish sentence in its place).
PROMPTS = [
    "The history of the lighthouse begins with fires that were built on hilltops. Later,",
    "Q: A train leaves at 9:40 and arrives at 13:05. How long does the journey take?\nA:",
    "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
    "#include <stdio.h>\n\nint main(int argc, char **argv) {\n    for (int i = 0; i < 10; i++) {\n",
    "La capitale de la France est Paris. La capitale de l'Espagne est",
    "Der Regen fiel den ganzen Tag, und am Abend standen die Straßen unter Wasser. Die Menschen",
    "El perro es un animal doméstico. El gato es",
    "今日はとても良い天気です。私は",
]

# Models with real weights, and the longest text each is compared on: half of what SmolLM2's files say, and eight windows of
# Gemma's. The reference takes many minutes beyond.
MODELS = [
    ("smollm2-135m-q4_0", 4096),
    ("smollm2-135m-q8_0", 4096),
    ("smollm2-135m-q4_1", 4096),
    ("gemma3-270m-q4_k_m", 4096),
]


class Engine:
    """A program that answers questions about one model."""

    def __init__(self, program, file):
        # One thread: the peer spins while it waits for others, which a busy machine punishes.
        command = [program, str(file), "1"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.greeting = self.next()

    def next(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return self.next()

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def score(self, tokens, folder, first=None):
        """Log-probabilities of all tokens but the first, and the logits from the token `first` on, if it is given."""
        (folder / "tokens").write_bytes(numpy.asarray(tokens, dtype="<u4").tobytes())
        if first is None:
            return self.ask("score", folder / "tokens", "-")["log_probabilities"], None
        told = self.ask("score", folder / "tokens", folder / "logits", first)["log_probabilities"]
        logits = numpy.fromfile(folder / "logits", dtype="<f4").reshape(len(tokens) - first, -1)
        return told, logits


def log_softmax(logits):
    logits = logits.astype(numpy.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))


def divergences(reference, logits):
    """Of each row: the expected difference of log-probabilities, under the reference."""
    found = []
    for start in range(0, len(reference), 64):
        expected = log_softmax(reference[start : start + 64])
        actual = log_softmax(logits[start : start + 64])
        found.append((numpy.exp(expected) * (expected - actual)).sum(axis=1))
    return numpy.concatenate(found)


class Tally:
    """Steps at which ours has chosen behind the tokens that the peer has chosen."""

    def __init__(self):
        self.steps = 0
        self.apart = []

    def add(self, reference, ours, chosen):
        for row, token in enumerate(chosen):
            own = int(ours[row].argmax())
            self.steps += 1
            if own != token:
                gap = float(abs(reference[row, own] - reference[row, token]))
                self.apart.append((gap, own == reference[row].argmax()))

    def told(self):
        far = [ours_is_best for gap, ours_is_best in self.apart if gap >= NEAR_TIE]
        return {
            "steps": self.steps,
            "agreement": 1 - len(self.apart) / self.steps,
            "widest_gap": max((gap for gap, _ in self.apart), default=0.0),
            # Far apart; where ours is the reference's own choice it is the peer that is off.
            "peer_off": sum(far),
            "ours_off": len(far) - sum(far),
        }


def measure(name, longest, arguments, folder):
    file = arguments.models / f"{name}.gguf"
    ours, peer = Engine(arguments.ours, file), Engine(arguments.peer, file)
    model = forward.Model(file)
    text = arguments.models / "text.txt"

    def tokens_of(content):
        path = folder / "text"
        path.write_text(content, encoding="utf-8")
        tokens = ours.ask("tokenize", path)["tokens"]
        assert tokens == peer.ask("tokenize", path)["tokens"], f"{name}: the tokenizers differ on {content[:60]!r}"
        return tokens

    tally, kept = Tally(), []
    own_divergence, peer_divergence = [], []
    for prompt in PROMPTS:
        prompt = tokens_of(prompt)
        continuation = peer.ask("greedy", STEPS, *prompt)["tokens"]
        tokens, first = prompt + continuation[:-1], len(prompt) - 1
        reference = model.logits(tokens, first)
        (_, own), (_, other) = ours.score(tokens, folder, first), peer.score(tokens, folder, first)
        tally.add(reference, own, continuation)
        own_divergence.append(divergences(reference, own))
        peer_divergence.append(divergences(reference, other))
        best = numpy.argsort(-reference[0])[:TOLD_LOGITS]
        kept.append((prompt, continuation, [(int(token), float(reference[0, token])) for token in best]))
    divergence = float(numpy.concatenate(own_divergence).mean())
    divergence_of_peer = float(numpy.concatenate(peer_divergence).mean())
    print(f"{name}: {tally.told()}, divergence {divergence:.6f}, peer {divergence_of_peer:.6f}", file=sys.stderr)

    if arguments.write:
        ours.close()
        peer.close()
        return None, (divergence_of_peer, kept)

    all_tokens = tokens_of(text.read_text(encoding="utf-8"))
    perplexity = {}
    for engine_name, engine in (("ours", ours), ("peer", peer)):
        scores = []
        for start in range(0, len(all_tokens), PERPLEXITY_WINDOW):
            window = all_tokens[start : start + PERPLEXITY_WINDOW]
            if len(window) > 1:
                scores += engine.score(window, folder)[0]
        perplexity[engine_name] = math.exp(-sum(scores) / len(scores))
    print(f"{name}: perplexity {perplexity}", file=sys.stderr)

    tokens = all_tokens[:DIVERGENCE_TOKENS]
    reference = model.logits(tokens, 0)
    own_divergence.append(divergences(reference, ours.score(tokens, folder, 0)[1]))
    peer_divergence.append(divergences(reference, peer.score(tokens, folder, 0)[1]))

    prompt = all_tokens[: longest - LONG_TAIL]
    continuation = peer.ask("greedy", LONG_TAIL, *prompt)["tokens"]
    tokens, first = prompt + continuation[:-1], len(prompt) - 1
    reference = model.logits(tokens, first)
    (_, own), (_, other) = ours.score(tokens, folder, first), peer.score(tokens, folder, first)
    long = Tally()
    long.add(reference, own, continuation)
    ours.close()
    peer.close()
    told = {
        "model": name,
        "continuations": tally.told(),
        "divergence": {
            "ours": float(numpy.concatenate(own_divergence).mean()),
            "peer": float(numpy.concatenate(peer_divergence).mean()),
        },
        "perplexity": {"tokens": len(all_tokens), **perplexity},
        "long": {
            "tokens": len(tokens),
            "divergence": {
                "ours": float(divergences(reference, own).mean()),
                "peer": float(divergences(reference, other).mean()),
            },
            **long.told(),
        },
    }
    return told, (divergence_of_peer, kept)


def write(path, models):
    """What the tests read: for each model the peer's divergence, and for each prompt tokens and a few logits."""
    lines = []
    for name, (divergence, prompts) in models:
        lines.append(f"model {name} {divergence:.6f}")
        for prompt, continuation, logits in prompts:
            lines.append("prompt " + " ".join(map(str, prompt)))
            lines.append("logits " + " ".join(f"{token}:{value:.4f}" for token, value in logits))
            lines.append("tokens " + " ".join(map(str, continuation)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--ours", type=pathlib.Path, required=True)
    arguments.add_argument("--peer", type=pathlib.Path, required=True)
    arguments.add_argument("--models", type=pathlib.Path, required=True)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--write", type=pathlib.Path)
    arguments = arguments.parse_args()
    written = []
    with tempfile.TemporaryDirectory() as folder:
        for name, longest in MODELS:
            if arguments.only in name:
                told, kept = measure(name, longest, arguments, pathlib.Path(folder))
                written.append((name, kept))
                if told:
                    print(json.dumps(told), flush=True)
    if arguments.write:
        write(arguments.write, written)


if __name__ == "__main__":
    main()
