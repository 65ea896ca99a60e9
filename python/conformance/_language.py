"""What a server and the processes of its language models say of themselves: metrics, pages of keys and values, memory."""

import pathlib
import re

import requests

METRIC = re.compile(r'modelyard_language_(\w+)\{model="([^"]+)",version="\d+"(?:,\w+="(\w+)")?\} (\S+)')
# After a while without work a model's process is asked for its counts every fifteen seconds.
SETTLES_WITHIN = 60


def metrics(running, model):
    """The values of a model's metrics, by name and, for those that have one more label, that label."""
    answer = requests.get(f"{running.url}/metrics", headers=running.headers, timeout=60)
    answer.raise_for_status()
    matches = filter(None, map(METRIC.fullmatch, answer.text.splitlines()))
    return {(found[1], found[3]): float(found[4]) for found in matches if found[2] == model}


def is_at_rest(running, model):
    """Whether nothing is asked of a model, and no page is in use: what it kept for prompts to come does not count."""
    told = metrics(running, model)
    names = [("answers_in_flight", None), ("running", None), ("waiting", None), ("kv_pages", "used")]
    return all(told.get(name) == 0 for name in names)


def private_memory(process):
    """Bytes that a process shares with no file."""
    text = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"^RssAnon:\s*(\d+) kB$", text, re.MULTILINE)[1]) * 1024
