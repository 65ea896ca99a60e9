"""Programs that speak OpenAI's API through packages of their own: langchain-openai and the command line `llm`."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

from _server import ASSETS, run_all, server

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
QUESTION = "What is the capital of France? Answer with one word."


class City(BaseModel):
    """A city."""

    name: str = Field(max_length=20)
    is_capital: bool


class Checks:
    def __init__(self, running):
        self.running = running
        self.base = f"{running.url}/v1"

    def chain(self, **more):
        more = {"temperature": 0, "max_tokens": 60, "max_retries": 0, **more}
        return ChatOpenAI(model=NAME, base_url=self.base, api_key=self.running.key, **more)

    def langchain_chats(self):
        answer = self.chain().invoke([SystemMessage("Answer shortly."), HumanMessage(QUESTION)])
        assert "Paris" in answer.content and answer.response_metadata["finish_reason"] == "stop", answer
        assert answer.usage_metadata["total_tokens"] > answer.usage_metadata["output_tokens"] > 0, answer
        parts = list(self.chain().stream([SystemMessage("Answer shortly."), HumanMessage(QUESTION)]))
        assert "".join(part.content for part in parts) == answer.content and len(parts) > 2, parts

    def langchain_parses_what_keeps_to_a_schema(self):
        city = self.chain(max_tokens=120).with_structured_output(City, method="json_schema").invoke("Describe Paris.")
        assert isinstance(city, City), city

    def langchain_calls_functions(self):
        calling = self.chain(max_tokens=120).bind_tools([City], tool_choice="City")
        answer = calling.invoke("Describe Paris.")
        (call,) = answer.tool_calls
        assert call["name"] == "City" and City(**call["args"]), answer
        messages = [HumanMessage("Describe Paris."), AIMessage("", tool_calls=[call]), ToolMessage("done", tool_call_id=call["id"])]
        assert self.chain().invoke(messages).content

    def langchain_embeds(self):
        # By default it counts tokens with a vocabulary of its own, which no other model has.
        embeddings = OpenAIEmbeddings(
            model=NAME, base_url=self.base, api_key=self.running.key, check_embedding_ctx_length=False
        )
        cats, more_cats, prices = embeddings.embed_documents(["The cat sits.", "A cat is sitting.", "Stock prices fell."])
        assert len(cats) == 576

        def near(one, other):
            return sum(a * b for a, b in zip(one, other))

        assert near(cats, more_cats) > near(cats, prices)

    def the_command_line_llm_answers(self):
        with tempfile.TemporaryDirectory() as directory:
            home = pathlib.Path(directory)
            known = [{"model_id": NAME, "model_name": NAME, "api_base": self.base, "api_key_name": "modelyard"}]
            # JSON is YAML.
            (home / "extra-openai-models.yaml").write_text(json.dumps(known))
            (home / "keys.json").write_text(json.dumps({"modelyard": self.running.key}))
            environment = {**os.environ, "LLM_USER_PATH": directory}

            def llm(*arguments):
                command = [sys.executable, "-m", "llm", *arguments]
                done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
                assert done.returncode == 0, done.stderr
                return done.stdout.strip()

            assert NAME in llm("models"), "the model is listed"
            options = ("-m", NAME, "-o", "temperature", "0", "-o", "max_tokens", "24", "--no-log")
            whole = llm("prompt", *options, "--no-stream", QUESTION)
            assert "Paris" in whole, whole
            assert llm("prompt", *options, QUESTION) == whole


def main():
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        checks = Checks(running)
        run_all(
            checks.langchain_chats,
            checks.langchain_parses_what_keeps_to_a_schema,
            checks.langchain_calls_functions,
            checks.langchain_embeds,
            checks.the_command_line_llm_answers,
        )


if __name__ == "__main__":
    main()
