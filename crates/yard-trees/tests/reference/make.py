"""Writes the data sets and scikit-learn's figures that the tests compare with.

Run with the packages of python/requirements-test.txt: `python crates/yard-trees/tests/reference/make.py`.
Every set is cut into four folds, row i into fold i % 4; a figure is over the predictions of all rows, each made by a
model that was trained on the three other folds. Regression: R2; classification: accuracy.
"""

import pathlib

import numpy
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

HERE = pathlib.Path(__file__).parent
FOLDS = 4
TREE_SEEDS = 20

SETS = {
    "breast_cancer": load_breast_cancer(),
    "diabetes": load_diabetes(scaled=False),
    "digits": load_digits(),
    "wine": load_wine(),
}


def with_missing(features):
    """The same features, of which about a tenth is missing, in a way that the test can repeat."""
    rows, columns = numpy.indices(features.shape)
    return numpy.where((rows * 7 + columns * 13) % 10 == 0, numpy.nan, features)


def write(name, features, targets):
    lines = []
    for row, target in zip(features, targets):
        # The shortest texts that are read back as the same numbers.
        values = [str(value).removesuffix(".0") for value in [*row, numpy.float32(target)]]
        if name == "digits":
            # A letter for each shade from 0 to 16: a third of the size.
            values = ["".join("0123456789abcdefg"[int(value)] for value in row), values[-1]]
        lines.append(",".join(values))
    (HERE / f"{name}.csv").write_text("\n".join(lines) + "\n")


def figure(make_model, features, targets, score):
    folds = numpy.arange(len(targets)) % FOLDS
    predictions = numpy.empty(len(targets), dtype=float)
    for fold in range(FOLDS):
        model = make_model().fit(features[folds != fold], targets[folds != fold])
        predictions[folds == fold] = model.predict(features[folds == fold])
    return score(targets, predictions)


def main():
    lines = ["set,model,figure"]
    for name, data in SETS.items():
        features, targets = data.data.astype(numpy.float32), data.target
        write(name, features, targets)
        is_regression = name == "diabetes"
        score = r2_score if is_regression else accuracy_score
        boosted = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
        tree = DecisionTreeRegressor if is_regression else DecisionTreeClassifier

        def add(model, value):
            lines.append(f"{name},{model},{value:.5f}")

        add("boosted", figure(lambda: boosted(early_stopping=False), features, targets, score))
        if name != "wine":
            # Of 178 rows with holes one more or less is chance.
            holes = with_missing(features)
            add("boosted_missing", figure(lambda: boosted(early_stopping=False), holes, targets, score))
        if is_regression:
            absolute = lambda: boosted(early_stopping=False, loss="absolute_error")
            add("boosted_absolute", figure(absolute, features, targets, score))
        # A tree of scikit-learn picks among equal splits at random: the mean over some seeds.
        for depth in (3, None):
            values = [
                figure(lambda: tree(max_depth=depth, random_state=seed), features, targets, score)
                for seed in range(TREE_SEEDS)
            ]
            add("tree_depth_3" if depth else "tree", numpy.mean(values))
    text = "\n".join(lines) + "\n"
    (HERE / "figures.csv").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
