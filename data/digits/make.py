"""Splits the 8x8 digits of scikit-learn into train.csv and held_out.csv beside this file.

    python make.py            write both files
    python make.py --check    check the files that are here

The check proves that the files are what this script writes, that together they are the whole data set, and that no
held-out image is among the training images.
"""

import argparse
import pathlib
import sys

import numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

FOLDER = pathlib.Path(__file__).parent
HELD_OUT_ROWS = 360
SEED = 7


def split():
    """Rows of 64 pixels and a label: those to train on, and those held out, evenly over the labels."""
    pixels, labels = load_digits(return_X_y=True)
    rows = numpy.column_stack([pixels, labels]).astype(int)
    return train_test_split(rows, test_size=HELD_OUT_ROWS, stratify=labels, random_state=SEED)


def text_of(rows):
    header = ",".join([f"pixel_{row}_{column}" for row in range(8) for column in range(8)] + ["label"])
    return "\n".join([header, *(",".join(map(str, row)) for row in rows), ""])


def check(train, held_out):
    """Prints every finding and returns how many there are."""
    findings, claims = 0, 0

    def expect(holds, claim):
        nonlocal findings, claims
        findings, claims = findings + (not holds), claims + 1
        print(f"{'ok    ' if holds else 'FAILED'} {claim}")

    for name, rows in (("train.csv", train), ("held_out.csv", held_out)):
        expect((FOLDER / name).read_text(encoding="utf-8") == text_of(rows), f"{name} is what this script writes")
    expect(len(train) + len(held_out) == len(load_digits().target), "together they are the whole data set")
    seen = {row[:-1].tobytes() for row in train}
    expect(not any(row[:-1].tobytes() in seen for row in held_out), "no held-out image is among the training images")
    print(f"{claims - findings} passed, {findings} failed")
    return findings


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--check", action="store_true")
    train, held_out = split()
    if arguments.parse_args().check:
        sys.exit(1 if check(train, held_out) else 0)
    (FOLDER / "train.csv").write_text(text_of(train), encoding="utf-8")
    (FOLDER / "held_out.csv").write_text(text_of(held_out), encoding="utf-8")


if __name__ == "__main__":
    main()
