"""Answers that are held to a schema are valid, whatever the model says: 300 samples over 30 schemas, or as many as the first
argument says.

A judge of its own decides, the package `jsonschema`. An answer may be cut by its length, and `finish_reason` says so.
"""

import asyncio
import json
import sys

import jsonschema
import openai

from _server import ASSETS, run_all, server

MODEL_FILE = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
NAME = "smollm"
SAMPLES = 300
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


async def is_whole(asking, number):
    """Asks for one sample, which is valid or cut by its length; tells which. Anything else is raised."""
    which, seed = number % len(SCHEMAS), number // len(SCHEMAS)
    schema = SCHEMAS[which]
    form = {"type": "json_schema", "json_schema": {"name": f"schema_{which}", "schema": schema, "strict": True}}
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
        return False
    assert choice.finish_reason == "stop", (which, seed, choice)
    judge = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    judge.validate(json.loads(choice.message.content))
    return True


class Checks:
    def __init__(self, running, samples):
        self.base, self.key, self.samples = f"{running.url}/v1", running.key, samples

    def every_sample_of_every_schema_is_valid(self):
        assert len(SCHEMAS) == 30
        asking = openai.AsyncOpenAI(api_key=self.key, base_url=self.base, max_retries=0, timeout=600)
        cut, valid = [], 0

        async def all_of_them():
            numbers = iter(range(self.samples))

            async def client():
                nonlocal valid
                for number in numbers:
                    if await is_whole(asking, number):
                        valid += 1
                    else:
                        cut.append(number)

            await asyncio.gather(*(client() for _ in range(AT_ONCE)))

        asyncio.run(all_of_them())
        assert valid + len(cut) == self.samples, (valid, cut)
        assert 50 * len(cut) <= self.samples, f"{valid} valid, cut by their length: {cut}"


def main():
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    with server() as running:
        running.run("push", NAME, str(MODEL_FILE))
        run_all(Checks(running, samples).every_sample_of_every_schema_is_valid)


if __name__ == "__main__":
    main()
