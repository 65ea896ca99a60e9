"""Answers that are held to a schema are valid, whatever the model says: 300 samples over 30 schemas.

A judge of its own decides, the package `jsonschema`. An answer may be cut by its length, and `finish_reason` says so.
"""

import asyncio
import json

import jsonschema
import openai

from _server import ASSETS, run_all, server

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
SAMPLES = 10
AT_ONCE = 24


def closed(**properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def listed(items, least=0, most=4):
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


TEXT = {"type": "string", "maxLength": 16}
COUNT = {"type": "integer", "minimum": 0, "maximum": 999}
FLAG = {"type": "boolean"}

SCHEMAS = [
    closed(name=TEXT),
    closed(name=TEXT, age=COUNT),
    closed(name=TEXT, age=COUNT, member=FLAG),
    closed(colour={"enum": ["red", "green", "blue"]}),
    closed(kind={"const": "answer"}, value=TEXT),
    closed(words=listed(TEXT)),
    closed(numbers=listed(COUNT, 2, 5)),
    closed(point=closed(x=COUNT, y=COUNT)),
    closed(people=listed(closed(name=TEXT, age=COUNT), 1, 3)),
    closed(value={"anyOf": [TEXT, COUNT, {"type": "null"}]}),
    closed(shape={"anyOf": [closed(radius=COUNT), closed(width=COUNT, height=COUNT)]}),
    closed(day={"type": "string", "format": "date"}),
    closed(code={"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}),
    closed(share={"type": "number", "minimum": 0, "maximum": 1}),
    closed(temperature={"type": "integer", "minimum": -40, "maximum": 60}),
    closed(even={"type": "integer", "multipleOf": 2, "minimum": 0, "maximum": 100}),
    closed(title={"type": "string", "minLength": 3, "maxLength": 12}),
    {"type": "object", "properties": {"name": TEXT, "nick": TEXT}, "required": ["name"], "additionalProperties": False},
    {"type": "object", "additionalProperties": COUNT, "maxProperties": 3},
    closed(flags=listed(FLAG, 3, 3)),
    closed(matrix=listed(listed(COUNT, 2, 2), 2, 2)),
    closed(pair={"type": "array", "prefixItems": [TEXT, COUNT], "minItems": 2, "maxItems": 2, "items": False}),
    closed(nothing={"type": "null"}, something=FLAG),
    closed(**{"with space": TEXT, "ümlaut": COUNT}),
    {**closed(tree={"$ref": "#/$defs/node"}), "$defs": {"node": {"anyOf": [{"type": "null"}, closed(value=COUNT, next={"type": "null"})]}}},
    closed(answer={"enum": ["yes", "no", 0, 1, None, True]}),
    closed(mail={"type": "string", "pattern": "^[a-z]{1,8}@[a-z]{1,8}\\.(org|com)$"}),
    closed(a=closed(b=closed(c=closed(d=FLAG)))),
    listed(closed(id=COUNT), 1, 3),
    {"type": "string", "enum": ["north", "south", "east", "west"]},
]


class Checks:
    def __init__(self, running):
        self.base, self.key = f"{running.url}/v1", running.key

    def every_sample_of_every_schema_is_valid(self):
        assert len(SCHEMAS) == 30
        asking = openai.AsyncOpenAI(api_key=self.key, base_url=self.base, max_retries=0, timeout=600)
        cut, seen = [], 0

        async def sample(limit, number, schema, seed):
            nonlocal seen
            form = {"type": "json_schema", "json_schema": {"name": f"schema_{number}", "schema": schema, "strict": True}}
            async with limit:
                answer = await asking.chat.completions.create(
                    model=NAME,
                    messages=[{"role": "user", "content": f"Give an example, number {seed}."}],
                    response_format=form,
                    max_tokens=256,
                    temperature=1.2,
                    seed=seed,
                )
            (choice,) = answer.choices
            if choice.finish_reason == "length":
                cut.append((number, seed))
                return
            assert choice.finish_reason == "stop", (number, seed, choice)
            told = json.loads(choice.message.content)
            judge = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
            judge.validate(told)
            seen += 1

        async def all_of_them():
            limit = asyncio.Semaphore(AT_ONCE)
            tasks = [
                sample(limit, number, schema, seed) for number, schema in enumerate(SCHEMAS) for seed in range(SAMPLES)
            ]
            await asyncio.gather(*tasks)

        asyncio.run(all_of_them())
        assert seen + len(cut) == 300 and len(cut) <= 6, f"{seen} valid, cut by their length: {cut}"


def main():
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        run_all(Checks(running).every_sample_of_every_schema_is_valid)


if __name__ == "__main__":
    main()
