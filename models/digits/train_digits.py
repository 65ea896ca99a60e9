"""Trains the digits model of the demo and writes digits.onnx and held_out.csv beside this file.

    python train_digits.py            train and write both files
    python train_digits.py --check    check the files that are here

The check proves that held_out.csv holds rows of the data set that the model has not seen, that the model has the
shape it claims and only plain operators, and that it reaches its accuracy on the held-out rows.
"""

import argparse
import csv
import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

FOLDER = pathlib.Path(__file__).parent
MODEL = FOLDER / "digits.onnx"
HELD_OUT = FOLDER / "held_out.csv"
PIXELS = 64
CLASSES = 10
HIDDEN = 64
HELD_OUT_ROWS = 360
SEED = 7
LEAST_ACCURACY = 0.97
PLAIN_OPERATORS = {"Sub", "Div", "Gemm", "Relu", "Softmax"}


def split():
    pixels, labels = load_digits(return_X_y=True)
    return train_test_split(pixels, labels, test_size=HELD_OUT_ROWS, stratify=labels, random_state=SEED)


def train():
    pixels, held_out_pixels, labels, held_out_labels = split()
    scaler = StandardScaler().fit(pixels)
    network = MLPClassifier(hidden_layer_sizes=(HIDDEN,), alpha=0.3, max_iter=400, random_state=SEED)
    network.fit(scaler.transform(pixels), labels)
    write_model(scaler, network)
    write_held_out(held_out_pixels, held_out_labels)
    print(f"accuracy on {len(held_out_labels)} held-out rows: {accuracy(held_out_pixels, held_out_labels):.4f}")


def write_model(scaler, network):
    """The standardization is part of the graph, so that a caller sends plain pixels."""
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
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="modelyard train_digits.py"
    )
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, MODEL)


def write_held_out(pixels, labels):
    with open(HELD_OUT, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([f"pixel_{row}_{column}" for row in range(8) for column in range(8)] + ["label"])
        for row, label in zip(pixels.astype(int), labels, strict=True):
            writer.writerow([*row, label])


def read_held_out():
    with open(HELD_OUT, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    table = numpy.array(rows, dtype=numpy.int64)
    return table[:, :PIXELS], table[:, PIXELS]


def accuracy(pixels, labels):
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"pixels": pixels.astype(numpy.float32)})
    return float((probabilities.argmax(axis=1) == labels).mean())


def check():
    """Prints every finding and returns how many there are."""
    findings = 0

    def expect(holds, claim):
        nonlocal findings
        findings += not holds
        print(f"{'ok    ' if holds else 'FAILED'} {claim}")

    pixels, labels = read_held_out()
    training_pixels, held_out_pixels, _, held_out_labels = split()
    expect(
        numpy.array_equal(pixels, held_out_pixels) and numpy.array_equal(labels, held_out_labels),
        f"held_out.csv is the {HELD_OUT_ROWS} rows that training leaves out",
    )
    seen = {row.tobytes() for row in training_pixels.astype(numpy.int64)}
    expect(not any(row.tobytes() in seen for row in pixels), "no held-out image is among the training images")
    model = onnx.load(MODEL)
    used = {node.op_type for node in model.graph.node}
    expect(used <= PLAIN_OPERATORS and {opset.domain for opset in model.opset_import} == {""}, "plain operators only")
    (given,), (answered,) = model.graph.input, model.graph.output
    expect(describe(given) == ("pixels", ["batch", PIXELS]), "takes pixels [batch, 64]")
    expect(describe(answered) == ("probabilities", ["batch", CLASSES]), "answers probabilities [batch, 10]")
    reached = accuracy(pixels, labels)
    expect(reached >= LEAST_ACCURACY, f"accuracy {reached:.4f} on {len(labels)} held-out rows, at least {LEAST_ACCURACY}")
    print(f"{6 - findings} passed, {findings} failed")
    return findings


def describe(value):
    return value.name, [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--check", action="store_true")
    if arguments.parse_args().check:
        sys.exit(1 if check() else 0)
    train()


if __name__ == "__main__":
    main()
