"""Makes crates/yard-training/tests/reference/metrics.json: figures of predictions by scikit-learn.

Run it with the tests' interpreter (scikit-learn is pinned in requirements-test.txt) and commit what it writes:

    python python/reference/metrics.py

Inputs are 32-bit numbers, as models give them, and exact in the file; figures are computed in 64 bits. `null` stands for
a figure that scikit-learn says is not defined.
"""

import json
import math
import pathlib
import warnings

import numpy
import sklearn
from sklearn import metrics
from sklearn.exceptions import UndefinedMetricWarning

SEED = 20260731
TARGET = pathlib.Path(__file__).resolve().parents[2] / "crates/yard-training/tests/reference/metrics.json"


def short(values):
    """The shortest decimals that are these 32-bit numbers."""
    return [float(str(numpy.float32(value))) for value in values]


def defined(value):
    return None if math.isnan(value) else float(value)


def of_numbers(name, wanted, predicted):
    wanted, predicted = (numpy.asarray(values, dtype=numpy.float32).astype(float) for values in (wanted, predicted))
    figures = {
        "r2": metrics.r2_score(wanted, predicted),
        "explained_variance": metrics.explained_variance_score(wanted, predicted),
        "mse": metrics.mean_squared_error(wanted, predicted),
        "rmse": metrics.root_mean_squared_error(wanted, predicted),
        "mae": metrics.mean_absolute_error(wanted, predicted),
        "median_ae": metrics.median_absolute_error(wanted, predicted),
        "max_error": metrics.max_error(wanted, predicted),
    }
    return {
        "name": name,
        "wanted": short(wanted),
        "predicted": short(predicted),
        "figures": {key: defined(value) for key, value in figures.items()},
    }


def area(score, wanted, probabilities, classes):
    """Of two classes the second against the first, of more the mean of each against the others; not without all."""
    if len(set(wanted)) < classes:
        return math.nan
    of = [1] if classes == 2 else range(classes)
    return numpy.mean([score(wanted == one, probabilities[:, one]) for one in of])


def of_classes(name, wanted, probabilities):
    wanted = numpy.asarray(wanted)
    probabilities = numpy.asarray(probabilities, dtype=numpy.float32).astype(float)
    classes = probabilities.shape[1]
    found = probabilities.argmax(axis=1)
    every = list(range(classes))
    scores = metrics.precision_recall_fscore_support(wanted, found, labels=every, zero_division=0)

    def macro(score, average="macro"):
        return score(wanted, found, average=average, zero_division=0)

    figures = {
        "accuracy": metrics.accuracy_score(wanted, found),
        "balanced_accuracy": metrics.balanced_accuracy_score(wanted, found),
        "precision_macro": macro(metrics.precision_score),
        "recall_macro": macro(metrics.recall_score),
        "f1_macro": macro(metrics.f1_score),
        "f1_weighted": macro(metrics.f1_score, "weighted"),
        "log_loss": metrics.log_loss(wanted, probabilities, labels=every),
        "roc_auc": area(metrics.roc_auc_score, wanted, probabilities, classes),
        "average_precision": area(metrics.average_precision_score, wanted, probabilities, classes),
    }
    if figures["roc_auc"] == figures["roc_auc"] and classes > 2:
        named = metrics.roc_auc_score(wanted, probabilities, multi_class="ovr", average="macro", labels=every)
        assert math.isclose(named, figures["roc_auc"], rel_tol=1e-12)
    return {
        "name": name,
        "wanted": wanted.tolist(),
        "probabilities": short(probabilities.ravel()),
        "figures": {key: defined(value) for key, value in figures.items()},
        "classes": [[float(score[one]) for score in scores] for one in every],
        "confusion": metrics.confusion_matrix(wanted, found, labels=every).tolist(),
    }


def shares(draw, rows, classes, sharpness=2.0):
    """Rows of probabilities; sums are 1 as far as 32 bits allow."""
    logits = draw.normal(size=(rows, classes)) * sharpness
    parts = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    return (parts / parts.sum(axis=1, keepdims=True)).astype(numpy.float32)


def rounded(probabilities):
    """Probabilities of which many are equal, and which still sum to 1."""
    second = numpy.round(probabilities[:, 1] * 8) / 8
    return numpy.stack([1 - second, second], axis=1)


def main():
    warnings.simplefilter("ignore", UndefinedMetricWarning)
    warnings.simplefilter("ignore", UserWarning)
    draw = numpy.random.default_rng(SEED)
    wanted = draw.normal(size=60) * 40 + 150
    regression = [
        of_numbers("drawn", wanted, wanted + draw.normal(size=60) * 15),
        of_numbers("far from zero", wanted + 1e6, wanted + 1e6 + draw.normal(size=60)),
        of_numbers("constant predictions", wanted, numpy.full(60, 150.0)),
        of_numbers("a constant to foretell", numpy.full(8, 3.0), draw.normal(size=8)),
        of_numbers("a constant, foretold", numpy.full(8, 3.0), numpy.full(8, 3.0)),
        of_numbers("exact", wanted, wanted),
        of_numbers("two rows", [3.0, -0.5], [2.5, 0.0]),
        of_numbers("one row", [3.0], [2.5]),
    ]
    two, three, ten = (draw.integers(0, classes, size=60) for classes in (2, 3, 10))
    by_two, by_three, by_ten = shares(draw, 60, 2), shares(draw, 60, 3), shares(draw, 60, 10)
    # Better than chance, so that the figures differ from one another.
    by_three = by_three * 0.7 + numpy.eye(3)[three] * 0.3
    never_the_last = by_three * [1.0, 1.0, 0.0] + [0.0, 0.0, 1e-3]
    never_the_last /= never_the_last.sum(axis=1, keepdims=True)
    without_the_last = numpy.where(three == 2, 0, three)
    sure = numpy.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.25, 0.75]])
    classification = [
        of_classes("two classes", two, by_two),
        of_classes("three classes", three, by_three),
        of_classes("ten classes", ten, by_ten),
        of_classes("two classes with ties", two, rounded(by_two)),
        of_classes("constant predictions", two, numpy.tile([[0.75, 0.25]], (60, 1))),
        of_classes("all alike", three, numpy.full((60, 3), 1 / 3)),
        of_classes("a class is absent", without_the_last, by_three),
        of_classes("a class is never foretold", three, never_the_last),
        of_classes("one of two classes is absent", numpy.zeros(20, dtype=int), by_two[:20]),
        of_classes("sure and wrong", [1, 1, 0, 1], sure),
        of_classes("one row", [1], by_three[:1]),
    ]
    reference = {
        "source": f"python/reference/metrics.py, scikit-learn {sklearn.__version__}, numpy {numpy.__version__}",
        "seed": SEED,
        "regression": regression,
        "classification": classification,
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    lines = json.dumps(reference).replace('{"name"', '\n{"name"').replace('"classification"', '\n"classification"')
    TARGET.write_text(lines + "\n")
    print(f"{TARGET.name}: {len(regression)} and {len(classification)} cases, {TARGET.stat().st_size} bytes")


main()
