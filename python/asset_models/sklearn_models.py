"""Models trained with scikit-learn and converted: the ai.onnx.ml operators, string inputs, labels, missing values."""

import numpy
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TARGET_OPSET = {"": 18, "ai.onnx.ml": 3}
COLOURS = ["blue", "green", "red"]


def build_mixed_pipeline(path, zipmap):
    """One string column and three numbers in, a string label and its scores out.

    With `zipmap` the scores are a list of {label: score}, as the converter does it by default.
    """
    pipeline = _fit_mixed_pipeline()
    model = to_onnx(
        pipeline,
        initial_types=[("colour", StringTensorType([None, 1])), ("numbers", FloatTensorType([None, 3]))],
        options={id(pipeline): {"zipmap": zipmap}},
        target_opset=TARGET_OPSET,
    )
    _save(model, path)


def _fit_mixed_pipeline():
    generator = numpy.random.default_rng(11)
    rows = 400
    colour = generator.integers(0, len(COLOURS), rows)
    numbers = generator.standard_normal((rows, 3))
    score = numbers @ [1.5, -1.0, 0.3] + numpy.array([-1.0, 0.0, 1.0])[colour]
    label = numpy.where(score < -0.5, "low", numpy.where(score < 0.7, "medium", "high"))
    table = numpy.empty((rows, 4), dtype=object)
    table[:, 0] = numpy.array(COLOURS)[colour]
    table[:, 1:] = numbers
    columns = ColumnTransformer(
        [("colour", OneHotEncoder(handle_unknown="ignore"), [0]), ("numbers", StandardScaler(), [1, 2, 3])]
    )
    pipeline = make_pipeline(columns, LogisticRegression(max_iter=500))
    return pipeline.fit(table, label)


def mixed_pipeline_feeds():
    generator = numpy.random.default_rng(12)
    for rows in (1, 3, 16):
        colours = [(COLOURS + ["unseen"])[index] for index in generator.integers(0, 4, rows)]
        yield {
            "colour": numpy.array(colours, dtype=object).reshape(rows, 1),
            "numbers": generator.standard_normal((rows, 3)).astype(numpy.float32),
        }


def build_integer_labels(path):
    """ZipMap keyed by integers, one negative and one with two digits, so that sorting them as text shows."""
    features, target = load_iris(return_X_y=True)
    classifier = LogisticRegression(max_iter=500).fit(features, numpy.array([-1, 2, 10])[target])
    model = to_onnx(
        classifier,
        initial_types=[("features", FloatTensorType([None, 4]))],
        options={id(classifier): {"zipmap": True}},
        target_opset=TARGET_OPSET,
    )
    _save(model, path)


def integer_labels_feeds():
    features = load_iris().data.astype(numpy.float32)
    for chosen in ([0], [0, 60, 120], [5, 55, 77, 83, 106, 133, 149]):
        yield {"features": features[chosen]}


def build_boosted_classifier(path):
    features, target = load_iris(return_X_y=True)
    features = features.astype(numpy.float32)
    # Missing values in training give the trees a learned direction for them.
    features[numpy.random.default_rng(13).random(features.shape) < 0.1] = numpy.nan
    classifier = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(features, target)
    model = to_onnx(
        classifier,
        initial_types=[("features", FloatTensorType([None, 4]))],
        options={id(classifier): {"zipmap": False}},
        target_opset=TARGET_OPSET,
    )
    _name_rows(model)
    _save(model, path)


def _save(model, path):
    """The converter writes the operator sets in no fixed order; ours makes two runs give the same bytes."""
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    onnx.save(model, path)


def _name_rows(model):
    """The converter leaves the first dimension nameless, which tells nobody that all of them are the same."""
    for value in list(model.graph.input) + list(model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def boosted_classifier_feeds(path):
    yield from _tree_feeds(path, load_iris().data.astype(numpy.float32))


def build_boosted_regressor(path):
    features, target = load_diabetes(return_X_y=True)
    features = features.astype(numpy.float32)
    regressor = GradientBoostingRegressor(n_estimators=40, max_depth=3, random_state=0).fit(features, target)
    model = to_onnx(
        regressor, initial_types=[("features", FloatTensorType([None, 10]))], target_opset=TARGET_OPSET
    )
    _name_rows(model)
    _save(model, path)


def boosted_regressor_feeds(path):
    yield from _tree_feeds(path, load_diabetes().data.astype(numpy.float32))


def _tree_feeds(path, features):
    """Ordinary rows, rows that lie exactly on thresholds of the trees, and rows with missing values."""
    yield {"features": features[:1]}
    yield {"features": features[[3, 71, 140]]}
    yield {"features": _rows_on_thresholds(path, features)}
    with_missing = features[::20].copy()
    for row in range(len(with_missing)):
        with_missing[row, row % features.shape[1]] = numpy.nan
    with_missing[-1, :] = numpy.nan
    yield {"features": with_missing}


def _rows_on_thresholds(path, features):
    (trees,) = [node for node in onnx.load(path).graph.node if node.op_type.startswith("TreeEnsemble")]
    attributes = {attribute.name: attribute for attribute in trees.attribute}
    branches = [
        (feature, threshold)
        for feature, threshold, mode in zip(
            attributes["nodes_featureids"].ints,
            attributes["nodes_values"].floats,
            attributes["nodes_modes"].strings,
            strict=True,
        )
        if mode != b"LEAF"
    ]
    rows = numpy.repeat(features[40:41], 12, axis=0)
    for row, (feature, threshold) in enumerate(branches[:: max(1, len(branches) // 12)][:12]):
        rows[row, feature] = numpy.float32(threshold)
    return rows


def zipmap_labels(path):
    """The labels of the model's ZipMap in column order, or None where it has none."""
    for node in onnx.load(path, load_external_data=False).graph.node:
        if node.op_type == "ZipMap":
            for attribute in node.attribute:
                if attribute.name == "classlabels_strings":
                    return [value.decode() for value in attribute.strings]
                if attribute.name == "classlabels_int64s":
                    return list(attribute.ints)
    return None
