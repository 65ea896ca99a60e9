"""Makes the small files that the readers are tested with, by implementations other than ours.

    python make.py          # numpy and the standard library; parquet and images where pyarrow and pillow are there

The expected values stand in `tests/it/readers.rs`.
"""

import csv
import gzip
import json
import pathlib
import struct

import numpy

HERE = pathlib.Path(__file__).parent
NAMES = ["red", 'sa"id', "two\nlines", ""]
NUMBERS = [1.5, -2e-3, 1e300, None]
FLAGS = [True, False, None, True]


def text_files() -> None:
    with open(HERE / "quoted.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(["name", "number", "label"])
        for name, number, label in zip(NAMES, NUMBERS, ["a;b", "ü", "a;b", "ü"], strict=True):
            writer.writerow([name, "" if number is None else repr(number), label])
    lines = [json.dumps({"name": n, "number": x, "flag": f}) for n, x, f in zip(NAMES, NUMBERS, FLAGS, strict=True)]
    (HERE / "rows.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def arrays() -> None:
    x = numpy.arange(12, dtype=">f4").reshape(4, 3) / 4
    numpy.save(HERE / "x.npy", x)
    numpy.save(HERE / "y.npy", numpy.array([0, 1, 1, 0], dtype=numpy.int64))
    images = numpy.arange(2 * 3 * 2 * 2, dtype=numpy.uint8).reshape(2, 3, 2, 2)
    numpy.savez_compressed(HERE / "images.npz", x_train=images, y_train=numpy.array(["cat", "dög"]))
    numpy.savez(HERE / "stored.npz", data=x, target=numpy.array([2.5, -1, 0, 4]))


def idx() -> None:
    images = numpy.arange(24, dtype=numpy.uint8).reshape(3, 2, 4)
    header = struct.pack(">BBBBIII", 0, 0, 8, 3, 3, 2, 4)
    (HERE / "tiny-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes(), mtime=0))
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 3) + bytes([7, 0, 7])
    (HERE / "tiny-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, mtime=0))


def parquet() -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "whole": pyarrow.array([1, None, 3, 4], pyarrow.int32()),
            "number": pyarrow.array(NUMBERS, pyarrow.float64()),
            "name": pyarrow.array(NAMES),
            "shade": pyarrow.array(["x", "y", None, "x"]).dictionary_encode(),
            "flag": pyarrow.array(FLAGS),
            "block": pyarrow.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], pyarrow.list_(pyarrow.float32())),
        }
    )
    for name, compression in [("rows.parquet", "snappy"), ("gzip.parquet", "gzip")]:
        parquet.write_table(table, HERE / name, compression=compression, row_group_size=3)


def pictures() -> None:
    from PIL import Image

    ramp = numpy.arange(4 * 6 * 3, dtype=numpy.uint8).reshape(4, 6, 3) * 3
    flat = numpy.full((16, 16, 3), (200, 100, 50), dtype=numpy.uint8)
    for folder in ["pictures/cat", "pictures/dog", "photos/one", "photos/two", "gray/only", "deep/only"]:
        (HERE / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(ramp).save(HERE / "pictures/cat/a.png")
    Image.fromarray(ramp).quantize(256).save(HERE / "pictures/cat/b.png")
    opaque = numpy.full((4, 6, 1), 128, dtype=numpy.uint8)
    Image.fromarray(numpy.concatenate([ramp, opaque], axis=2)).save(HERE / "pictures/dog/a.png")
    Image.fromarray(flat).save(HERE / "photos/one/a.jpg", quality=95)
    Image.fromarray(flat).save(HERE / "photos/two/b.jpeg", quality=95, progressive=True)
    Image.fromarray(flat[:, :, 0]).save(HERE / "gray/only/a.jpg", quality=95)
    Image.fromarray(ramp[:, :, 0].astype(numpy.uint16) * 257).save(HERE / "deep/only/b.png")


if __name__ == "__main__":
    text_files()
    arrays()
    idx()
    for part in [parquet, pictures]:
        try:
            part()
        except ImportError as error:
            print(f"left out {part.__name__}: {error}")
