"""What Jinja2, set up as `transformers` does it, makes of chats: the oracle of yard-chat.

    chat_templates.py > crates/yard-chat/tests/reference/texts.json

Needs the package jinja2 (3.1). Templates are those of crates/yard-chat/src/built_in, and the ones below, each of
which uses what templates of real models use.
"""

import datetime
import json
import pathlib

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).resolve().parent
BUILT_IN = HERE / "../../crates/yard-chat/src/built_in"
NOW = datetime.datetime(2026, 3, 7, 9, 5, 2)

FEATURES = {
    "text methods": (
        "{% for m in messages %}{{ m.content.strip() }}|{{ m['content'].split(' ')[0] }}|{{ m.content.upper() }}|"
        "{{ m.content.startswith('W') }}|{{ m.content.replace('a', 'A') }}|{{ m.content[:3] }}|{{ m.content | length }}\n"
        "{% endfor %}"
    ),
    "tools as JSON": (
        "{{ tools is iterable }}{{ nothing is iterable }}{{ messages is iterable }}{{ 'a' is iterable }}{{ 1 is iterable }}"
        "{{ messages[0].content | tojson(ensure_ascii=True) }}{{ {'z': 1, 'a': '☂😀'} | tojson(ensure_ascii=True, sort_keys=True) }}"
        "{% if tools is not none %}{% for t in tools %}{{ t | tojson }}\n{{ t | tojson(indent=4) }}\n"
        "{{ t.function.parameters.properties.items() | list | length }}\n{% endfor %}{% endif %}"
    ),
    "calls": (
        "{%- for m in messages %}{% if m.tool_calls is defined and m.tool_calls %}{% for c in m.tool_calls %}\n"
        '<call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</call>\n'
        "{%- endfor %}{% elif m.role == 'tool' %}<result id='{{ m.tool_call_id }}'>{{ m.content }}</result>{% endif %}\n"
        "{%- endfor %}"
    ),
    "state across a loop": (
        "{% set ns = namespace(last=-1, found=false) %}{% for m in messages[::-1] %}"
        "{% if m.role == 'user' and not ns.found %}{% set ns.last = loop.revindex0 %}{% set ns.found = true %}{% endif %}"
        "{% endfor %}{{ ns.last }} {{ ns.found }}{% for m in messages %}{% if loop.index0 > ns.last %}{% break %}"
        "{% endif %}{% if loop.first %}{% continue %}{% endif %}[{{ loop.index }}/{{ loop.length }}]{% endfor %}"
    ),
    "macros and tests": (
        "{% macro turn(role, text='') -%}<{{ role }}>{{ text | trim }}</{{ role }}>{%- endmacro %}"
        "{% for m in messages if m.content is string %}{{ turn(m.role, m.content) }}{% endfor %}"
        "{{ messages | map(attribute='role') | join(',') }}"
        "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}"
        "{% if nothing is defined %}x{% else %}y{% endif %}{{ nothing }}{{ 7 // 2 }}{{ 7 % 4 }}{{ 'a' in 'bad' }}"
        "{{ none }}{{ true }}{{ 1.0 }}{{ [1, 'a', none, true] }}{{ {'k': 1.5} }}"
    ),
    "the time": "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S') }}",
    "settings": "{% if enable_thinking is defined and enable_thinking is false %}no{% else %}yes{% endif %}",
    "blocks and lines": "a\n  {% if true %}\n  b\n  {% endif %}\n  {#- gone -#}\n c {{- ' d' }}\n{% for x in [1, 2] %}\n{{ x }}\n{% endfor %}\nend\n",
    "refusal": "{% if messages[0].role != 'user' %}{{ raise_exception('A user begins: ' ~ messages[0].role) }}{% endif %}ok",
}

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather <now> & \"here\" – ☂",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city"],
        },
    },
}


def said(role, content, **more):
    return {"role": role, "content": content, **more}


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Łódź", "days": 2}}}
CHATS = {
    "one question": {"messages": [said("user", "What is a lake? ")], "add_generation_prompt": True},
    "with a system": {
        "messages": [said("system", " Be brief.\n"), said("user", "Hello"), said("assistant", "Hi!"), said("user", "Bye é☃")],
        "add_generation_prompt": True,
        "enable_thinking": False,
    },
    "a finished chat": {"messages": [said("user", "Why?"), said("assistant", "\nBecause {{ of }} it. ")]},
    "tools": {
        "messages": [
            said("user", "Weather?"),
            said("assistant", "", tool_calls=[CALL]),
            said("tool", "rain", tool_call_id="c1"),
        ],
        "tools": [WEATHER],
        "add_generation_prompt": True,
    },
    "out of turn": {"messages": [said("assistant", "I begin"), said("assistant", "and go on")]},
}


def environment():
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def text_of(template, chat):
    names = {"tools": None, "add_generation_prompt": False, "bos_token": "<s>", "eos_token": "</s>", **chat}
    try:
        return {"text": template.render(**names)}
    except jinja2.exceptions.TemplateError as error:
        return {"refused": str(error)}


def main():
    made = environment()
    sources = {path.stem: path.read_text() for path in sorted(BUILT_IN.glob("*.jinja"))}
    cases = []
    for name, source in [*sources.items(), *FEATURES.items()]:
        template = made.from_string(source)
        results = {chat: text_of(template, value) for chat, value in CHATS.items()}
        case = {"template": name, "results": results}
        if name in FEATURES:
            case["source"] = source
        cases.append(case)
    print(json.dumps({"now": NOW.isoformat(), "chats": CHATS, "cases": cases}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
