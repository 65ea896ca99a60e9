"""Searches of every strategy over built-in data, as clients would send them."""

import copy

DENSE = {"type": "dense", "units": 3, "activation": "softmax"}
# Less is better, and no two trials are of one kind.
GRID = {
    "name": "wine-grid",
    "seed": 7,
    "data": {"builtin": "wine"},
    "model": {"kind": "logistic"},
    "training": {"epochs": 20, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    "search": {
        "strategy": "grid",
        "metric": "log_loss",
        "keys": {
            "features.numbers": ["standardize", "min_max"],
            "model": [
                {"kind": "logistic"},
                {"kind": "decision_tree", "max_depth": 3},
                {"kind": "boosted_trees", "rounds": 20},
                {"kind": "network", "layers": [{"type": "dense", "units": 16, "activation": "relu"}, DENSE]},
                {"kind": "network", "layers": [DENSE]},
            ],
        },
    },
}
REGRESSION = {
    "name": "diabetes-random",
    "seed": 3,
    "data": {"builtin": "diabetes"},
    "model": {"kind": "boosted_trees"},
    "search": {
        "trials": 6,
        "metric": "rmse",
        "keys": {
            "model.rounds": {"low": 5, "high": 100, "scale": "log", "whole": True},
            "model.learning_rate": {"low": 0.02, "high": 0.5, "scale": "log"},
        },
    },
}
HALVING = {
    "name": "digits-halving",
    "task": "classification",
    "seed": 7,
    "data": {"builtin": "digits"},
    "model": {
        "kind": "network",
        "layers": [
            {"type": "dense", "units": 32, "activation": "relu"},
            {"type": "dense", "units": 10, "activation": "softmax"},
        ],
    },
    "training": {"epochs": 10, "optimizer": {"kind": "adam"}},
    "search": {
        "strategy": "successive_halving",
        "trials": 9,
        "keys": {
            "training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "scale": "log"},
            "model.layers.0.units": {"low": 16, "high": 128, "scale": "log", "whole": True},
        },
    },
}
# Long enough to be killed in the middle, short enough to be waited for.
LONG = {
    **copy.deepcopy(HALVING),
    "name": "digits-long",
    "training": {"epochs": 100, "optimizer": {"kind": "adam"}},
    "search": {"strategy": "random", "trials": 6, "keys": HALVING["search"]["keys"]},
}
