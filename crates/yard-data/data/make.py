"""Makes the built-in data sets beside this file from the scikit-learn wheel.

    python make.py

The same wheel gives the same bytes. Made with scikit-learn 1.9.1.
"""

import gzip
import io
import pathlib

from sklearn import datasets

HERE = pathlib.Path(__file__).parent


def plain(name: str) -> str:
    """A column name without blanks, units and signs."""
    name = name.replace(" (cm)", "").replace("/", "_")
    return name.strip().replace(" ", "_")


def number(value: float) -> str:
    """The shortest text that is read as the same number."""
    value = float(value)
    return str(int(value)) if value.is_integer() else repr(value)


def write(name: str, columns: list[str], rows, labels) -> None:
    text = io.StringIO()
    text.write(",".join([*columns, "label"]) + "\n")
    for row, label in zip(rows, labels, strict=True):
        text.write(",".join([*map(number, row), label]) + "\n")
    # No time and no name in the header: the bytes depend on the content alone.
    content = gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)
    (HERE / f"{name}.csv.gz").write_bytes(content)
    print(f"{name}: {len(rows)} rows, {len(content)} bytes")


def main() -> None:
    digits = datasets.load_digits()
    write("digits", [plain(name) for name in digits.feature_names], digits.data, map(str, digits.target))
    for name, loaded in [
        ("iris", datasets.load_iris()),
        ("breast-cancer", datasets.load_breast_cancer()),
        ("wine", datasets.load_wine()),
    ]:
        columns = [plain(column) for column in loaded.feature_names]
        write(name, columns, loaded.data, [str(loaded.target_names[code]) for code in loaded.target])
    diabetes = datasets.load_diabetes(scaled=False)
    write("diabetes", list(diabetes.feature_names), diabetes.data, map(number, diabetes.target))


if __name__ == "__main__":
    main()
