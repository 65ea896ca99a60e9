"""A small classifier of handwritten digits made of plain operators, so that every engine runs it."""

import csv
import pathlib

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

DATA = pathlib.Path(__file__).parents[2] / "data" / "digits"
PIXELS = 64
CLASSES = 10
HIDDEN = 64
SEED = 7


def _rows(name):
    with open(DATA / name, newline="", encoding="utf-8") as file:
        table = numpy.array(list(csv.reader(file))[1:], dtype=numpy.float64)
    return table[:, :PIXELS], table[:, PIXELS].astype(int)


def build(path):
    """The standardization is part of the graph, so that a caller sends plain pixels."""
    pixels, labels = _rows("train.csv")
    scaler = StandardScaler().fit(pixels)
    network = MLPClassifier(hidden_layer_sizes=(HIDDEN,), alpha=0.3, max_iter=400, random_state=SEED)
    network.fit(scaler.transform(pixels), labels)
    (weight_1, weight_2), (bias_1, bias_2) = network.coefs_, network.intercepts_
    constants = {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "weight_1": weight_1,
        "bias_1": bias_1,
        "weight_2": weight_2,
        "bias_2": bias_2,
    }
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["pixels", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "scale"], ["standardized"]),
            helper.make_node("Gemm", ["standardized", "weight_1", "bias_1"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "weight_2", "bias_2"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ],
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", PIXELS])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(value.astype(numpy.float32), name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], producer_name="modelyard test models")
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def feeds():
    pixels, _ = _rows("held_out.csv")
    for rows in (slice(0, 1), slice(1, 4), slice(4, 36)):
        yield {"pixels": pixels[rows].astype(numpy.float32)}
