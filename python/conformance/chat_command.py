"""`modelyard chat` against SmolLM2-135M-Instruct in Q4_1: one question, lines through a pipe, and a terminal."""

import codecs
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import tempfile
import threading
import time

import _server
from _server import ASSETS, BINARY, DIGITS_MODEL, server

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
QUESTION = "What is the capital of France? Answer with one word."
LONG_STORY = "Write a very long story about a ship."


class Terminal:
    """The command with a terminal for what is typed and what is told; answers come through a pipe."""

    def __init__(self, running, *arguments):
        self.ours, theirs = pty.openpty()
        command = [BINARY, "--server", running.url, "--api-key", running.key, "chat", *arguments]
        environment = {**os.environ, "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        os.close(theirs)
        self.told, self.answered = "", ""
        threading.Thread(target=self.read, args=(self.ours, "told"), daemon=True).start()
        threading.Thread(target=self.read, args=(self.process.stdout.fileno(), "answered"), daemon=True).start()
        self.wait_for("told", "/help shows what can be typed")
        self.wait_for_prompt()

    def read(self, descriptor, name):
        decoder = codecs.getincrementaldecoder("utf-8")()
        while True:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:  # the other end of a terminal is closed
                return
            if not piece:
                return
            setattr(self, name, getattr(self, name) + decoder.decode(piece))

    def wait_for(self, name, part, seconds=120):
        end = time.monotonic() + seconds
        while part not in getattr(self, name):
            assert time.monotonic() < end, (part, self.told, self.answered)
            assert self.process.poll() is None or part in getattr(self, name), (part, self.told, self.answered)
            time.sleep(0.02)

    def wait_for_prompt(self):
        end = time.monotonic() + 120
        while not self.told.endswith("> "):
            assert time.monotonic() < end, (self.told, self.answered)
            time.sleep(0.02)

    def type(self, line):
        """Types a line and waits until the next one can be typed; gives what was told and answered meanwhile."""
        told, answered = len(self.told), len(self.answered)
        self.begin(line)
        self.wait_for_prompt()
        time.sleep(0.1)  # the answer comes through another pipe than the prompt
        return self.told[told:], self.answered[answered:]

    def begin(self, line):
        told = len(self.told)
        os.write(self.ours, line.encode() + b"\n")
        # The terminal shows what is typed, and ends the line of the prompt with it.
        end = time.monotonic() + 30
        while "\n" not in self.told[told:]:
            assert time.monotonic() < end, self.told
            time.sleep(0.02)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def ends(self):
        status = self.process.wait(timeout=60)
        os.close(self.ours)
        return status


class Checks:
    def __init__(self, running):
        self.running = running

    def chat(self, *arguments, lines="", model=NAME, **more):
        command = [BINARY, "--server", self.running.url, "--api-key", self.running.key, "chat", model, *arguments]
        return subprocess.run(command, input=lines, capture_output=True, text=True, timeout=300, **more)

    def answer(self, *arguments):
        done = self.chat("--json", "--temperature", "0", *arguments)
        assert done.returncode == 0 and not done.stderr, done
        assert done.stdout.count("\n") == 1, done
        return json.loads(done.stdout)

    def refused(self, done, status, part):
        assert (done.returncode, done.stdout) == (status, "") and part in done.stderr, (status, part, done)

    # === one question ===

    def one_question_is_answered(self):
        answer = self.answer("--prompt", QUESTION)
        assert set(answer) == {"text", "finish_reason", "usage"}, answer
        assert "Paris" in answer["text"] and answer["finish_reason"] == "stop", answer
        usage = answer["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 2, usage
        streamed = self.chat("--temperature", "0", "--prompt", QUESTION)
        assert streamed.returncode == 0 and not streamed.stderr, streamed
        assert streamed.stdout.rstrip("\n") == answer["text"].rstrip("\n"), (streamed, answer)
        assert streamed.stdout.endswith("\n") and "\x1b" not in streamed.stdout, streamed
        for model in (f"{NAME}:1", f"{NAME}@production"):
            again = self.chat("--temperature", "0", "--prompt", QUESTION, model=model)
            assert again.stdout == streamed.stdout, again

    def options_reach_the_model(self):
        plain = self.answer("--prompt", QUESTION)
        told = self.answer("--prompt", QUESTION, "--system", "You are a pirate. Speak only of treasure.")
        assert told["usage"]["prompt_tokens"] != plain["usage"]["prompt_tokens"], (told, plain)
        cut = self.chat("--prompt", LONG_STORY, "--max-tokens", "3", "--temperature", "0")
        assert cut.returncode == 0 and "cut after 3 tokens" in cut.stderr, cut
        cut = self.answer("--prompt", LONG_STORY, "--max-tokens", "3")
        assert (cut["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 3), cut
        draws = [
            self.chat("--prompt", "Write a story.", "--temperature", "1", "--max-tokens", "24", "--seed", seed).stdout
            for seed in ("7", "7", "8")
        ]
        assert draws[0] == draws[1] != draws[2], draws

    def an_answer_keeps_to_a_schema(self):
        schema = {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 12}, "large": {"type": "boolean"}},
            "required": ["city", "large"],
            "additionalProperties": False,
        }
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "city.json"
            file.write_text(json.dumps(schema))
            ask = ("--prompt", "Describe Paris as JSON.", "--schema", str(file), "--max-tokens", "60")
            answer = self.answer(*ask)
            described = json.loads(answer["text"])
            assert set(described) == {"city", "large"} and isinstance(described["large"], bool), answer
            file.write_text('{"type": "tuple"}')
            self.refused(self.chat(*ask), 6, "tuple")
            file.write_text("{")
            self.refused(self.chat(*ask), 6, "no JSON")
            file.unlink()
            self.refused(self.chat(*ask), 5, "city.json")

    def failures_have_the_status_of_their_kind(self):
        ask = ("--prompt", QUESTION)
        self.refused(self.chat(*ask, model="absent"), 5, "absent")
        self.refused(self.chat(*ask, model=f"{NAME}:9"), 5, "9")
        self.refused(self.chat(*ask, model="digits"), 6, "no language model")
        self.refused(self.chat(*ask, model="no/name"), 2, "no/name")
        self.refused(self.chat(*ask, "--temperature", "3"), 6, "temperature")
        self.refused(self.chat(*ask, "--temperature", "nan"), 2, "--temperature")
        self.refused(self.chat(*ask, "--max-tokens", "0"), 2, "--max-tokens")
        self.refused(self.chat(*ask, "--max-tokens", "9000"), 6, "lower --max-tokens")
        self.refused(self.chat("--prompt", "word " * 9_000), 6, "does not fit into the model's context: shorten it")
        told = self.chat("--json", "--prompt", "word " * 9_000)
        error = json.loads(told.stderr)["error"]
        assert (error["code"], error["param"], error["exit_status"]) == ("invalid_argument", "messages", 6), error
        assert "8192" in error["message"], error
        wrong_key = [BINARY, "--server", self.running.url, "--api-key", "my_wrong_key", "chat", NAME, *ask]
        done = subprocess.run(wrong_key, capture_output=True, text=True, timeout=60)
        self.refused(done, 4, "key")

    # === lines through a pipe ===

    def lines_of_a_pipe_are_one_chat(self):
        lines = "My name is Ada.\n\n//5 is a fraction?\nWhat is my name?\n"
        done = self.chat("--json", "--temperature", "0", "--max-tokens", "30", lines=lines)
        assert done.returncode == 0, done
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == 3, answers
        lengths = [answer["usage"]["prompt_tokens"] for answer in answers]
        assert lengths[0] < lengths[1] < lengths[2], lengths
        assert answers[2]["usage"]["cached_tokens"] > lengths[0], "what was said before is not read again"

    def commands_work_in_a_pipe(self):
        ask = ("--json", "--temperature", "0", "--max-tokens", "12")
        lines = f"{QUESTION}\n/retry\n/reset\n{QUESTION}\n/system Be brief.\n/reset\n{QUESTION}\n/quit\nnever asked\n"
        done = self.chat(*ask, lines=lines)
        assert done.returncode == 0, done
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        lengths = [answer["usage"]["prompt_tokens"] for answer in answers]
        assert len(answers) == 4 and lengths[0] == lengths[1] == lengths[2] != lengths[3], lengths
        assert answers[0]["text"] == answers[1]["text"] == answers[2]["text"], answers
        told = self.chat("--system", "Be brief.", *ask, "--prompt", QUESTION)
        assert json.loads(told.stdout)["text"] == answers[3]["text"], (told, answers)
        seeded = ("--json", "--temperature", "1", "--max-tokens", "24", "--seed", "3")
        drawn = [self.chat(*seeded, lines="Write a story.\n/retry\n").stdout for _ in range(2)]
        first, again = [[json.loads(line)["text"] for line in answers.splitlines()] for answers in drawn]
        assert first == again and first[0] != first[1], (first, again)

    def the_first_failure_of_a_pipe_ends_it(self):
        for line, status, part in (
            ("/sytem Be brief.", 2, "there is no command /sytem"),
            ("/quit now", 2, "takes nothing"),
            ("/retry", 2, "no question"),
            ("word " * 9_000, 6, "context"),
        ):
            self.refused(self.chat("--max-tokens", "4", lines=f"{line}\n{QUESTION}\n"), status, part)
        assert self.chat(lines="").returncode == 0
        helped = self.chat(lines="/help\n")
        assert helped.returncode == 0 and "/system TEXT" in helped.stderr and not helped.stdout, helped

    def a_reader_who_leaves_ends_it_without_a_word(self):
        command = [BINARY, "--server", self.running.url, "--api-key", self.running.key, "chat", NAME]
        process = subprocess.Popen(
            [*command, "--prompt", LONG_STORY], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout.read(4)
        process.stdout.close()
        assert process.wait(timeout=60) != 0 and process.stderr.read() == b""
        process.stderr.close()

    def an_interrupt_ends_one_question(self):
        command = [BINARY, "--server", self.running.url, "--api-key", self.running.key, "chat", NAME]
        process = subprocess.Popen(
            [*command, "--prompt", LONG_STORY], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout.read(4)
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=60)
        assert process.returncode == 130 and rest.endswith(b"\n") and b"stopped" in told, (process.returncode, told)

    # === a terminal ===

    def a_person_chats(self):
        terminal = Terminal(self.running, NAME, "--temperature", "0", "--max-tokens", "40")
        told, answered = terminal.type(QUESTION)
        assert "Paris" in answered and answered.endswith("\n"), (told, answered)
        assert re.search(r"\d+ tokens read.*; \d+ written", told), told
        told, answered = terminal.type("/help")
        assert "/retry" in told and not answered, (told, answered)
        told, answered = terminal.type("/nonsense")
        assert "there is no command /nonsense" in told and not answered, told
        told, answered = terminal.type("/reset")
        assert "a new chat" in told and not answered, told
        told, answered = terminal.type("/retry")
        assert "no question" in told and not answered, told
        terminal.begin("/quit")
        assert terminal.ends() == 0

    def an_interrupt_stops_an_answer_and_then_the_chat(self):
        terminal = Terminal(self.running, NAME, "--temperature", "0")
        before = len(terminal.answered)
        terminal.begin(LONG_STORY)
        end = time.monotonic() + 60
        while len(terminal.answered) < before + 20:
            assert time.monotonic() < end, terminal.told
            time.sleep(0.02)
        terminal.interrupt()
        terminal.wait_for("told", "stopped")
        terminal.wait_for_prompt()
        told, answered = terminal.type("What is the capital of Italy? Answer with one word.")
        assert answered and "tokens read" in told, (told, answered)
        terminal.interrupt()
        assert terminal.ends() == 0

    def a_full_context_is_told_and_a_new_chat_begins(self):
        terminal = Terminal(self.running, NAME, "--temperature", "0", "--max-tokens", "8000")
        told, answered = terminal.type("word " * 200)
        assert "does not fit" in told and "--max-tokens" in told and not answered, (told, answered)
        told, answered = terminal.type(QUESTION)
        assert answered and "tokens read" in told, (told, answered)
        told, answered = terminal.type("word " * 200)
        assert "/reset" in told and not answered, (told, answered)
        terminal.type("/reset")
        told, answered = terminal.type(QUESTION)
        assert answered, told
        os.write(terminal.ours, b"\x04")
        assert terminal.ends() == 0

    def a_model_that_is_not_there_is_told_before_a_question(self):
        ours, theirs = pty.openpty()
        command = [BINARY, "--server", self.running.url, "--api-key", self.running.key, "chat", "absent"]
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60)
        os.close(theirs)
        os.close(ours)
        self.refused(done, 5, "absent")


def main():
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        running.run("push", "digits", str(DIGITS_MODEL))
        checks = Checks(running)
        _server.run_all(
            checks.one_question_is_answered,
            checks.options_reach_the_model,
            checks.an_answer_keeps_to_a_schema,
            checks.failures_have_the_status_of_their_kind,
            checks.lines_of_a_pipe_are_one_chat,
            checks.commands_work_in_a_pipe,
            checks.the_first_failure_of_a_pipe_ends_it,
            checks.a_reader_who_leaves_ends_it_without_a_word,
            checks.an_interrupt_ends_one_question,
            checks.a_person_chats,
            checks.an_interrupt_stops_an_answer_and_then_the_chat,
            checks.a_full_context_is_told_and_a_new_chat_begins,
            checks.a_model_that_is_not_there_is_told_before_a_question,
        )


if __name__ == "__main__":
    main()
