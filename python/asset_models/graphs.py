"""Small models made by hand, one for each thing an engine must get right."""

import ml_dtypes
import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from asset_models.tensors import DATATYPES

OPSET = 18
# Older than the newest on purpose: every engine we support reads it.
IR_VERSION = 9


def save(path, nodes, inputs, outputs, initializers=(), opset=OPSET, ml_opset=None, check=True):
    graph = helper.make_graph(nodes, path.parent.name, inputs, outputs, initializer=list(initializers))
    opsets = [helper.make_opsetid("", opset)]
    if ml_opset is not None:
        opsets.append(helper.make_opsetid("ai.onnx.ml", ml_opset))
    model = helper.make_model(graph, opset_imports=opsets, producer_name="modelyard-test-assets")
    model.ir_version = IR_VERSION
    if check:
        onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def tensor(name, element_type, shape):
    return helper.make_tensor_value_info(name, element_type, shape)


def constant(name, array):
    return numpy_helper.from_array(array, name)


def mlp_weights(sizes, seed):
    generator = numpy.random.default_rng(seed)
    layers = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        weight = generator.standard_normal((fan_in, fan_out)) * numpy.sqrt(2.0 / fan_in)
        bias = generator.standard_normal(fan_out) * 0.1
        layers.append((weight.astype(numpy.float32), bias.astype(numpy.float32)))
    return layers


def build_mlp(path):
    """The model of the benchmarks: 100 -> 128 -> 10."""
    (weight_1, bias_1), (weight_2, bias_2) = mlp_weights([100, 128, 10], seed=1)
    save(
        path,
        [
            helper.make_node("Gemm", ["input", "weight_1", "bias_1"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "weight_2", "bias_2"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probs"], axis=1),
        ],
        [tensor("input", TensorProto.FLOAT, ["batch", 100])],
        [tensor("probs", TensorProto.FLOAT, ["batch", 10])],
        [
            constant("weight_1", weight_1),
            constant("bias_1", bias_1),
            constant("weight_2", weight_2),
            constant("bias_2", bias_2),
        ],
    )


def mlp_feeds():
    generator = numpy.random.default_rng(2)
    for rows in (1, 3, 8, 64):
        yield {"input": generator.standard_normal((rows, 100)).astype(numpy.float32)}


def build_multi_io(path):
    save(
        path,
        [
            helper.make_node("Add", ["left", "right"], ["sum"]),
            helper.make_node("Sub", ["left", "right"], ["difference"]),
            helper.make_node("ArgMax", ["sum"], ["largest"], axis=1, keepdims=0),
            helper.make_node("Gather", ["table", "choice"], ["looked_up"], axis=0),
        ],
        [
            tensor("left", TensorProto.FLOAT, ["batch", 4]),
            tensor("right", TensorProto.FLOAT, ["batch", 4]),
            tensor("choice", TensorProto.INT64, ["batch"]),
        ],
        [
            tensor("sum", TensorProto.FLOAT, ["batch", 4]),
            tensor("difference", TensorProto.FLOAT, ["batch", 4]),
            tensor("largest", TensorProto.INT64, ["batch"]),
            tensor("looked_up", TensorProto.FLOAT, ["batch", 2]),
        ],
        [constant("table", numpy.arange(10, dtype=numpy.float32).reshape(5, 2))],
    )


def multi_io_feeds():
    generator = numpy.random.default_rng(3)
    for rows in (1, 3, 8):
        yield {
            "left": generator.standard_normal((rows, 4)).astype(numpy.float32),
            "right": generator.standard_normal((rows, 4)).astype(numpy.float32),
            "choice": generator.integers(0, 5, rows).astype(numpy.int64),
        }


def build_batch_mean(path):
    """Looks like any row-wise model, but each answer depends on the other rows: its requests must never be joined."""
    save(
        path,
        [
            helper.make_node("ReduceMean", ["input", "axes"], ["mean"], keepdims=1),
            helper.make_node("Sub", ["input", "mean"], ["centred"]),
        ],
        [tensor("input", TensorProto.FLOAT, ["batch", 4])],
        [tensor("centred", TensorProto.FLOAT, ["batch", 4])],
        [constant("axes", numpy.array([0], dtype=numpy.int64))],
    )


def batch_mean_feeds():
    generator = numpy.random.default_rng(4)
    for rows in (1, 3):
        yield {"input": generator.standard_normal((rows, 4)).astype(numpy.float32)}


def build_dynamic_quantized(path):
    """Scales over the whole input tensor, so one request's large values cost another its precision."""
    (weight, _), = mlp_weights([16, 8], seed=7)
    weight_scale = numpy.float32(numpy.abs(weight).max() / 127)
    quantized = numpy.rint(weight / weight_scale).astype(numpy.int8)
    save(
        path,
        [
            helper.make_node("DynamicQuantizeLinear", ["input"], ["levels", "scale", "zero"]),
            helper.make_node("MatMulInteger", ["levels", "weight", "zero"], ["sums"]),
            helper.make_node("Cast", ["sums"], ["float_sums"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["scale", "weight_scale"], ["both_scales"]),
            helper.make_node("Mul", ["float_sums", "both_scales"], ["output"]),
        ],
        [tensor("input", TensorProto.FLOAT, ["batch", 16])],
        [tensor("output", TensorProto.FLOAT, ["batch", 8])],
        [constant("weight", quantized), constant("weight_scale", numpy.array(weight_scale))],
    )


def dynamic_quantized_feeds():
    generator = numpy.random.default_rng(8)
    for magnitudes in ([1.0], [0.01, 1.0, 100.0]):
        rows = generator.standard_normal((len(magnitudes), 16)) * numpy.array(magnitudes).reshape(-1, 1)
        yield {"input": rows.astype(numpy.float32)}


def build_external_data(path):
    """The weights lie in weights.data beside model.onnx, at two offsets."""
    (weight, bias), = mlp_weights([64, 32], seed=5)
    save(
        path,
        [helper.make_node("Gemm", ["input", "weight", "bias"], ["output"])],
        [tensor("input", TensorProto.FLOAT, ["batch", 64])],
        [tensor("output", TensorProto.FLOAT, ["batch", 32])],
        [constant("weight", weight), constant("bias", bias)],
    )
    model = onnx.load(path)
    onnx.save_model(
        model,
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="weights.data",
        size_threshold=0,
    )


def external_data_feeds():
    generator = numpy.random.default_rng(6)
    for rows in (1, 3):
        yield {"input": generator.standard_normal((rows, 64)).astype(numpy.float32)}


def build_strings(path):
    """Strings in, strings out, and a table from strings to numbers."""
    save(
        path,
        [
            helper.make_node("StringConcat", ["first", "second"], ["joined"]),
            helper.make_node(
                "LabelEncoder",
                ["first"],
                ["first_id"],
                domain="ai.onnx.ml",
                keys_strings=["red", "grün", "青"],
                values_int64s=[1, 2, 3],
                default_int64=-1,
            ),
        ],
        [tensor("first", TensorProto.STRING, ["batch"]), tensor("second", TensorProto.STRING, ["batch"])],
        [tensor("joined", TensorProto.STRING, ["batch"]), tensor("first_id", TensorProto.INT64, ["batch"])],
        opset=20,
        ml_opset=3,
    )


def strings_feeds():
    rows = [("red", "-wine"), ("grün", "kohl"), ("青", "🌊"), ("", ""), ("other \"quoted\"\n", "\\tail")]
    for chosen in (rows[:1], rows[1:4], rows):
        yield {
            "first": numpy.array([first for first, _ in chosen], dtype=object),
            "second": numpy.array([second for _, second in chosen], dtype=object),
        }


def build_cast_bf16(path):
    save(
        path,
        [helper.make_node("Cast", ["input"], ["rounded"], to=TensorProto.BFLOAT16)],
        [tensor("input", TensorProto.FLOAT, ["batch", 3])],
        [tensor("rounded", TensorProto.BFLOAT16, ["batch", 3])],
    )


def cast_bf16_feeds():
    # The fourth value lies exactly between two bfloat16 values and must go to the even one.
    values = [0.0, 1.0, -1.5, 1.00390625, 3.14159274, 1e-3, 1e30, -2.5, 65504.0]
    yield {"input": numpy.array(values[:3], dtype=numpy.float32).reshape(1, 3)}
    yield {"input": numpy.array(values, dtype=numpy.float32).reshape(3, 3)}


def identity_models():
    """(model name, build function, feeds) for each datatype of the protocol."""
    for type_name, (datatype, numpy_type, element_type) in DATATYPES.items():
        yield f"identity-{datatype.lower()}", _identity_builder(element_type), _identity_feeds(numpy_type)


def _identity_builder(element_type):
    def build(path):
        save(
            path,
            [helper.make_node("Identity", ["input"], ["output"])],
            [tensor("input", element_type, ["batch", 2])],
            [tensor("output", element_type, ["batch", 2])],
        )

    return build


def _identity_feeds(numpy_type):
    values = _edge_values(numpy_type)
    yield {"input": values[:2].reshape(1, 2)}
    yield {"input": values.reshape(3, 2)}


def _edge_values(numpy_type):
    """Six values that a wrong width, sign or byte order would change."""
    if numpy_type is numpy.object_:
        return numpy.array(["a", "", "two words", "ünïcödé", "🦀", "line\nbreak"], dtype=object)
    if numpy_type is numpy.bool_:
        return numpy.array([True, False, False, True, True, False])
    if numpy.issubdtype(numpy_type, numpy.integer):
        limits = numpy.iinfo(numpy_type)
        return numpy.array([limits.min, limits.max, 0, 1, limits.max // 3, limits.min // 5 + 7], dtype=numpy_type)
    limits = ml_dtypes.finfo(numpy_type)
    values = [float(limits.min), float(limits.max), -0.0, 0.1, float(limits.tiny), -2.71828182845904]
    return numpy.array(values).astype(numpy_type)
