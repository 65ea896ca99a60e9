"""A real language model continues texts through the real command line: SmolLM2-135M-Instruct in Q4_1."""

import json
import pathlib
import subprocess
import tempfile

from _server import ASSETS, BINARY, run_all

MODEL = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
CHAT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


def run(*arguments, model=MODEL):
    command = [BINARY, "--json", "generate", "--model", str(model), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def generate(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def it_knows_capitals():
    for country, capital in (("France", "Paris"), ("Germany", "Berlin"), ("Italy", "Rome")):
        answer = generate("--prompt", f"The capital of {country} is", "--max-tokens", "2")
        assert answer["text"] == f" {capital}.", answer
        assert (answer["prompt_tokens"], answer["tokens"], answer["end"]) == (5, 2, "length"), answer


def a_chat_ends_by_itself():
    answer = generate("--prompt", CHAT, "--control-tokens", "--max-tokens", "200")
    assert "Paris" in answer["text"] and answer["end"] == "stop", answer
    # Without leave the names of control tokens are plain text: a user cannot speak for the system.
    plain = generate("--prompt", CHAT, "--max-tokens", "1")
    assert plain["prompt_tokens"] > answer["prompt_tokens"], (plain, answer)


def equal_requests_give_equal_texts_on_any_number_of_threads():
    request = ("--prompt", "Once upon a time", "--max-tokens", "48", "--temperature", "0.9", "--seed", "5")
    texts = {generate(*request, "--threads", threads)["text"] for threads in ("1", "2", "1")}
    assert len(texts) == 1, texts
    (text,) = texts
    other = generate(*request[:-1], "6")["text"]
    assert other != text, "another seed draws otherwise"


def the_stream_is_the_text():
    command = [BINARY, "generate", "--model", str(MODEL), "--prompt", "The sea is", "--max-tokens", "24"]
    streamed = subprocess.run(command, capture_output=True, text=True, timeout=120)
    whole = generate("--prompt", "The sea is", "--max-tokens", "24")
    assert streamed.stdout == whole["text"], (streamed.stdout, whole)
    assert "tokens read in" in streamed.stderr, streamed.stderr


def a_chat_is_written_as_the_model_was_trained_on_it():
    said = "What is the capital of France?"

    def by_hand(system):
        text = f"<|im_start|>system\n{system}<|im_end|>\n{CHAT}"
        return generate("--prompt", text, "--control-tokens", "--max-tokens", "16")

    def same(one, other):
        return all(one[key] == other[key] for key in ("text", "prompt_tokens", "tokens", "end"))

    assert said in CHAT, CHAT
    # Its template puts this before a chat that has no words of a system.
    trained = by_hand("You are a helpful AI assistant named SmolLM, trained by Hugging Face")
    asked = generate("--prompt", said, "--chat", "--max-tokens", "16")
    assert same(asked, trained), (asked, trained)
    told = generate("--prompt", said, "--chat", "--system", "Answer in one word.", "--max-tokens", "16")
    assert same(told, by_hand("Answer in one word.")) and not same(told, asked), told


def an_answer_keeps_to_a_schema():
    schema = {
        "type": "object",
        "properties": {"capital": {"type": "string", "maxLength": 12}, "large": {"type": "boolean"}},
        "required": ["capital", "large"],
        "additionalProperties": False,
    }
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "schema.json"
        file.write_text(json.dumps(schema))
        answer = generate("--prompt", CHAT, "--control-tokens", "--schema", str(file), "--max-tokens", "60")
        told = json.loads(answer["text"])
        assert set(told) == {"capital", "large"} and isinstance(told["large"], bool), answer
        assert told["capital"] and answer["end"] == "stop", answer
        file.write_text('{"type": "tuple"}')
        refused = run("--prompt", "x", "--schema", str(file))
        assert refused.returncode == 6 and "cannot keep to the schema" in refused.stderr, refused
        file.unlink()
        missing = run("--prompt", "x", "--schema", str(file))
        assert missing.returncode == 5 and "schema.json" in missing.stderr, missing


def what_is_no_model_or_no_request_is_refused():
    def refused(done, status, part):
        assert done.returncode == status and part in done.stderr and not done.stdout, (status, part, done)

    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        refused(run("--prompt", "x", model=directory / "none.gguf"), 5, "none.gguf")
        (directory / "text.gguf").write_text("a text")
        refused(run("--prompt", "x", model=directory / "text.gguf"), 6, "it is not a GGUF file")
        whole = MODEL.read_bytes()
        (directory / "cut.gguf").write_bytes(whole[: len(whole) // 2])
        refused(run("--prompt", "x", model=directory / "cut.gguf"), 6, "beyond the end of the file")
        (directory / "other.gguf").write_bytes(whole.replace(b"llama", b"mamba", 1))
        refused(run("--prompt", "x", model=directory / "other.gguf"), 6, "'mamba'")
    refused(run("--prompt", ""), 6, "the prompt has no tokens")
    refused(run("--prompt", "x", "--temperature", "-1"), 6, "temperature is -1")
    refused(run("--prompt", "x", "--max-tokens", "0"), 2, "--max-tokens")
    refused(run("--prompt", "word " * 9000), 6, "the model's context of 8192")


if __name__ == "__main__":
    run_all(
        it_knows_capitals,
        a_chat_ends_by_itself,
        equal_requests_give_equal_texts_on_any_number_of_threads,
        the_stream_is_the_text,
        a_chat_is_written_as_the_model_was_trained_on_it,
        an_answer_keeps_to_a_schema,
        what_is_no_model_or_no_request_is_refused,
    )
