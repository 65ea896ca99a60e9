"""Changes a text in the metadata of a GGUF file, and nothing else of it."""

import pathlib
import struct

ALIGNMENT_KEY = b"general.alignment"
ALIGNMENT = 32
TEXT, LIST = 8, 9
# Bytes of the other kinds of values, by their number.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
U32 = 4


class Reader:
    """What comes before the tensors, from front to back."""

    def __init__(self, data):
        self.data, self.place = data, 0

    def take(self, count):
        part = self.data[self.place : self.place + count]
        assert len(part) == count, "the file ends too early"
        self.place += count
        return part

    def number(self, form):
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return value

    def text(self):
        return bytes(self.take(self.number("<Q")))

    def skip_value(self, kind):
        if kind == TEXT:
            self.text()
        elif kind == LIST:
            inner, count = self.number("<I"), self.number("<Q")
            if inner in SIZES:
                self.take(SIZES[inner] * count)
            else:
                for _ in range(count):
                    self.skip_value(inner)
        else:
            self.take(SIZES[kind])


def text_value(key, text):
    return struct.pack("<Q", len(key)) + key + struct.pack("<IQ", TEXT, len(text)) + text


def padded(place, alignment):
    return -place % alignment


def with_text(source, target, key, text):
    """Writes `source` to `target` with this text under this key, in place of what stood there."""
    key, text = key.encode(), text.encode()
    data = memoryview(pathlib.Path(source).read_bytes())
    reader = Reader(data)
    assert reader.take(4) == b"GGUF" and reader.number("<I") in (2, 3)
    tensors, values = reader.number("<Q"), reader.number("<Q")
    kept, alignment = [], ALIGNMENT
    for _ in range(values):
        begin = reader.place
        name, kind = reader.text(), reader.number("<I")
        before = reader.place
        reader.skip_value(kind)
        if name == ALIGNMENT_KEY and kind == U32:
            (alignment,) = struct.unpack("<I", data[before : reader.place])
        if name != key:
            kept.append(bytes(data[begin : reader.place]))
    kept.append(text_value(key, text))
    begin = reader.place
    for _ in range(tensors):
        reader.text()
        dimensions = reader.number("<I")
        # Dimensions, type, and where the data begins, counted from the end of the head.
        reader.take(8 * dimensions + 4 + 8)
    infos = bytes(data[begin : reader.place])
    weights = reader.place + padded(reader.place, alignment)
    head = bytes(data[:8]) + struct.pack("<QQ", tensors, len(kept)) + b"".join(kept) + infos
    with open(target, "wb") as file:
        file.write(head + b"\0" * padded(len(head), alignment))
        file.write(data[weights:])
