"""What scikit-learn reaches on rows that both it and Modelyard get: the figures that trained models are held against.

    _reference.py

prints them. `trained_models_are_as_good.py` uses the same functions.
"""

import csv
import os

# Two threads that wait for each other on a busy machine are far slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

# As in training/*-trees*.toml. Early stopping is off on both sides: it would hold back rows of its own choice.
TREES = {
    "max_iter": 60,
    "learning_rate": 0.1,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 20,
    "early_stopping": False,
    "random_state": 0,
}
DIABETES_SPLITS = 3


def split_rows():
    """By name: training rows, held-out rows and the labels of both."""
    features, labels = datasets.load_diabetes(return_X_y=True, scaled=False)
    splits = {}
    for seed in range(DIABETES_SPLITS):
        splits[f"diabetes-{seed}"] = train_test_split(features, labels, test_size=0.2, random_state=seed)
    features, labels = datasets.load_digits(return_X_y=True)
    splits["digits"] = train_test_split(features, labels, test_size=0.2, random_state=0, stratify=labels)
    return splits


def write_csv(path, features, labels):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{column}" for column in range(features.shape[1])), "label"])
        writer.writerows([*row, label] for row, label in zip(features.tolist(), labels.tolist(), strict=True))


def figures(splits):
    """R2 of regressions, accuracy of classifications, on the held-out rows."""
    reached = {}
    for name, (train, test, train_labels, test_labels) in splits.items():
        kind = HistGradientBoostingClassifier if name == "digits" else HistGradientBoostingRegressor
        reached[f"{name}, boosted trees"] = kind(**TREES).fit(train, train_labels).score(test, test_labels)
        if name != "digits":
            line = LinearRegression().fit(train, train_labels)
            reached[f"{name}, linear"] = line.score(test, test_labels)
    return reached


if __name__ == "__main__":
    for shown, figure in figures(split_rows()).items():
        print(f"{shown}: {figure:.4f}")
