"""Model packages that must be refused without harm to the server. None of them has samples."""

import os

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from asset_models import graphs

# More than ten gigabytes as f32.
HUGE_ELEMENTS = 2_700_000_000
OUTSIDE_FOLDER = "outside"
OUTSIDE_FILE = "weights.data"


def build_all(assets, sound_model):
    """Writes every package below `hostile/` and returns {name: why it is hostile}.

    `outside/weights.data` holds good weights, so that a loader which follows a path out of its package succeeds and
    is caught by that.
    """
    folder = assets / "hostile"
    folder.mkdir()
    outside = assets / OUTSIDE_FOLDER
    outside.mkdir()
    weights = numpy.arange(16, dtype=numpy.float32)
    (outside / OUTSIDE_FILE).write_bytes(weights.tobytes())
    sound = sound_model.read_bytes()
    reasons = {}

    def package(name, reason):
        reasons[name] = reason
        (folder / name).mkdir()
        return folder / name / "model.onnx"

    package("empty", "a file of no bytes").write_bytes(b"")
    package("truncated", "the first 60 % of a sound model").write_bytes(sound[: len(sound) * 6 // 10])
    garbage = numpy.random.default_rng(31).bytes(4096)
    package("garbage", "random bytes").write_bytes(garbage)
    package("not-a-model", "text").write_text("this is not a model\n" * 50, encoding="utf-8")

    _external(package("external-passwd", "external data at ../../etc/passwd"), "../../etc/passwd")
    _external(
        package("external-parent", "external data in a real file outside the package"),
        f"../../{OUTSIDE_FOLDER}/{OUTSIDE_FILE}",
    )
    _external(package("external-absolute", "external data at /etc/passwd"), "/etc/passwd")
    _external(package("external-missing", "external data in a file that is not there"), "absent.data")
    linked = package("external-symlink", "external data in a symbolic link that leads outside the package")
    _external(linked, OUTSIDE_FILE)
    os.symlink(f"../../{OUTSIDE_FOLDER}/{OUTSIDE_FILE}", linked.parent / OUTSIDE_FILE)
    beyond = package("external-beyond-end", "external data that claims more bytes than its file has")
    _external(beyond, OUTSIDE_FILE)
    (beyond.parent / OUTSIDE_FILE).write_bytes(weights.tobytes()[:20])

    _huge_initializer(package("huge-initializer", "declares a tensor of 10 GB and carries no bytes for it"))
    _huge_constant(package("huge-constant", "a constant shape of 10 GB, which an engine may fold while loading"))
    _huge_at_run_time(package("huge-at-run-time", "makes a tensor of 10 GB when it runs"))
    _endless_loop(package("endless-loop", "a loop of 2^62 rounds"))
    _unknown_operator(package("unknown-operator", "an operator that no engine has"))
    _from_the_future(package("future-opset", "operator set 9999"))
    package("deep-nesting", "graphs nested 5,000 deep, to exhaust a recursive parser").write_bytes(_nested(5_000))
    return reasons


def _external(path, location):
    """A model whose sixteen weights lie at `location`."""
    weights = numpy_helper.from_array(numpy.zeros(16, dtype=numpy.float32), "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "64"}.items():
        weights.external_data.add(key=key, value=value)
    graphs.save(
        path,
        [helper.make_node("Add", ["input", "weights"], ["output"])],
        [graphs.tensor("input", TensorProto.FLOAT, ["batch", 16])],
        [graphs.tensor("output", TensorProto.FLOAT, ["batch", 16])],
        [weights],
        check=False,
    )


def _huge_initializer(path):
    huge = TensorProto(name="huge", data_type=TensorProto.FLOAT, dims=[HUGE_ELEMENTS])
    graphs.save(
        path,
        [
            helper.make_node("ReduceSum", ["huge"], ["total"], keepdims=0),
            helper.make_node("Add", ["input", "total"], ["output"]),
        ],
        [graphs.tensor("input", TensorProto.FLOAT, ["batch"])],
        [graphs.tensor("output", TensorProto.FLOAT, ["batch"])],
        [huge],
        check=False,
    )


def _huge_constant(path):
    one = numpy_helper.from_array(numpy.array([1.0], dtype=numpy.float32), "one")
    graphs.save(
        path,
        [
            helper.make_node("ConstantOfShape", ["shape"], ["huge"], value=one),
            helper.make_node("ReduceSum", ["huge"], ["total"], keepdims=0),
            helper.make_node("Add", ["input", "total"], ["output"]),
        ],
        [graphs.tensor("input", TensorProto.FLOAT, ["batch"])],
        [graphs.tensor("output", TensorProto.FLOAT, ["batch"])],
        [graphs.constant("shape", numpy.array([HUGE_ELEMENTS], dtype=numpy.int64))],
        check=False,
    )


def _huge_at_run_time(path):
    """The shape depends on the input's, so that nothing can be folded away beforehand."""
    one = numpy_helper.from_array(numpy.array([1.0], dtype=numpy.float32), "one")
    graphs.save(
        path,
        [
            helper.make_node("Shape", ["input"], ["rows"]),
            helper.make_node("Concat", ["rows", "columns"], ["shape"], axis=0),
            helper.make_node("ConstantOfShape", ["shape"], ["huge"], value=one),
            helper.make_node("ReduceSum", ["huge", "axes"], ["total"], keepdims=0),
            helper.make_node("Add", ["input", "total"], ["output"]),
        ],
        [graphs.tensor("input", TensorProto.FLOAT, ["batch"])],
        [graphs.tensor("output", TensorProto.FLOAT, ["batch"])],
        [
            graphs.constant("columns", numpy.array([HUGE_ELEMENTS], dtype=numpy.int64)),
            graphs.constant("axes", numpy.array([1], dtype=numpy.int64)),
        ],
        check=False,
    )


def _endless_loop(path):
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["go_on_out"]),
            helper.make_node("Add", ["value", "value"], ["value_out"]),
        ],
        "body",
        [
            graphs.tensor("round", TensorProto.INT64, []),
            graphs.tensor("go_on", TensorProto.BOOL, []),
            graphs.tensor("value", TensorProto.FLOAT, None),
        ],
        [
            graphs.tensor("go_on_out", TensorProto.BOOL, []),
            graphs.tensor("value_out", TensorProto.FLOAT, None),
        ],
    )
    graphs.save(
        path,
        [helper.make_node("Loop", ["rounds", "always", "input"], ["output"], body=body)],
        [graphs.tensor("input", TensorProto.FLOAT, ["batch"])],
        [graphs.tensor("output", TensorProto.FLOAT, ["batch"])],
        [
            graphs.constant("rounds", numpy.array(2**62, dtype=numpy.int64)),
            graphs.constant("always", numpy.array(True)),
        ],
    )


def _unknown_operator(path):
    graphs.save(
        path,
        [helper.make_node("MakeCoffee", ["input"], ["output"])],
        [graphs.tensor("input", TensorProto.FLOAT, ["batch"])],
        [graphs.tensor("output", TensorProto.FLOAT, ["batch"])],
        check=False,
    )


def _from_the_future(path):
    graphs.save(
        path,
        [helper.make_node("Identity", ["input"], ["output"])],
        [graphs.tensor("input", TensorProto.FLOAT, ["batch"])],
        [graphs.tensor("output", TensorProto.FLOAT, ["batch"])],
        opset=9999,
        check=False,
    )


def _nested(depth):
    """Bytes of a model whose node has a graph attribute whose node has one, and so on. Written by hand, since the
    library refuses to build it."""
    graph = b""
    for _ in range(depth):
        attribute = _field(1, b"body") + _field(6, graph) + b"\xa0\x01" + bytes([onnx.AttributeProto.GRAPH])
        node = _field(4, b"If") + _field(5, attribute)
        graph = _field(1, node) + _field(2, b"g")
    opset = _field(1, b"") + b"\x10" + bytes([graphs.OPSET])
    return b"\x08" + bytes([graphs.IR_VERSION]) + _field(7, graph) + _field(8, opset)


def _field(number, content):
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value):
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
