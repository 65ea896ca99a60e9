"""Reference values for the tests of optimizers and losses.

Written from the formulas in PyTorch's documentation, in double precision, with the standard library alone. Where torch
is installed, its own optimizers and losses must agree with the formulas, or the script fails.

Run: python3 optimizers.py
"""

import math

STEPS = 4
START = [0.5, -0.25, 1.5]
RATE = 0.1


def gradient(weights):
    """Of sum(0.5 * c * (w - t)^2), so that every step has another gradient."""
    curve, target = [1.0, 4.0, 0.25], [1.0, 0.5, -2.0]
    return [c * (w - t) for c, w, t in zip(curve, weights, target)]


def run(step):
    weights, memory = list(START), [[0.0] * 3, [0.0] * 3]
    for number in range(1, STEPS + 1):
        step(number, weights, gradient(weights), memory)
    return weights


def descent(decay=0.0):
    def step(number, weights, slopes, memory):
        for i in range(3):
            weights[i] -= RATE * (slopes[i] + decay * weights[i])
    return step


def momentum(part, nesterov, decay=0.0):
    def step(number, weights, slopes, memory):
        for i in range(3):
            slope = slopes[i] + decay * weights[i]
            memory[0][i] = slope if number == 1 else part * memory[0][i] + slope
            weights[i] -= RATE * (slope + part * memory[0][i] if nesterov else memory[0][i])
    return step


def rmsprop(kept, epsilon):
    def step(number, weights, slopes, memory):
        for i in range(3):
            memory[1][i] = kept * memory[1][i] + (1 - kept) * slopes[i] ** 2
            weights[i] -= RATE * slopes[i] / (math.sqrt(memory[1][i]) + epsilon)
    return step


def adam(beta1, beta2, epsilon, decay, decoupled):
    def step(number, weights, slopes, memory):
        for i in range(3):
            slope = slopes[i]
            if decoupled:
                weights[i] *= 1 - RATE * decay
            else:
                slope += decay * weights[i]
            memory[0][i] = beta1 * memory[0][i] + (1 - beta1) * slope
            memory[1][i] = beta2 * memory[1][i] + (1 - beta2) * slope ** 2
            mean = memory[0][i] / (1 - beta1 ** number)
            root = math.sqrt(memory[1][i]) / math.sqrt(1 - beta2 ** number)
            weights[i] -= RATE * mean / (root + epsilon)
    return step


def clipped(step, value=None, norm=None):
    def outer(number, weights, slopes, memory):
        if value is not None:
            slopes = [max(-value, min(value, slope)) for slope in slopes]
        if norm is not None:
            length = math.sqrt(sum(slope * slope for slope in slopes))
            slopes = [slope * min(1.0, norm / (length + 1e-6)) for slope in slopes]
        step(number, weights, slopes, memory)
    return outer


CASES = {
    "descent": descent(),
    "descent, decay 0.1": descent(0.1),
    "momentum 0.9": momentum(0.9, False),
    "nesterov 0.9, decay 0.1": momentum(0.9, True, 0.1),
    "rmsprop 0.99": rmsprop(0.99, 1e-8),
    "adam": adam(0.9, 0.999, 1e-8, 0.0, False),
    "adam, decay 0.1": adam(0.9, 0.999, 1e-8, 0.1, False),
    "adamw, decay 0.1": adam(0.9, 0.999, 1e-8, 0.1, True),
    "descent, clip_value 0.3": clipped(descent(), value=0.3),
    "descent, clip_norm 0.5": clipped(descent(), norm=0.5),
}

OUTPUTS = [0.5, -1.25, 2.0, 0.75, -0.5, 3.5]
NUMBERS = [0.0, -1.0, -1.5, 0.8, 0.25, 3.0]
WEIGHTS, SMOOTHING = [0.5, 2.0, 1.5], 0.1


def by_number(one):
    return sum(one(a - b) for a, b in zip(OUTPUTS, NUMBERS)) / len(OUTPUTS)


def categorical(classes, weights, smoothing):
    total = 0.0
    for row, wanted in enumerate(classes):
        logits = OUTPUTS[3 * row: 3 * row + 3]
        log_total = math.log(sum(math.exp(z) for z in logits))
        for candidate, logit in enumerate(logits):
            part = (1 - smoothing) * (candidate == wanted) + smoothing / 3
            total -= weights[candidate] * part * (logit - log_total)
    return total / sum(weights[wanted] for wanted in classes)


LOSSES = {
    "mse": by_number(lambda d: d * d),
    "mae": by_number(abs),
    "huber 1": by_number(lambda d: 0.5 * d * d if abs(d) <= 1 else abs(d) - 0.5),
    "binary": sum(math.log(1 + math.exp(z)) - y * z for z, y in zip(OUTPUTS, [0, 1, 1, 0, 1, 0])) / 6,
    "categorical": categorical([2, 0], [1.0] * 3, 0.0),
    "categorical, weights and smoothing": categorical([2, 0], WEIGHTS, SMOOTHING),
}


def compare_with_torch():
    try:
        import torch
    except ImportError:
        print("# torch is not installed: formulas only")
        return
    optim = torch.optim
    makers = {
        "descent": lambda p: optim.SGD(p, RATE),
        "descent, decay 0.1": lambda p: optim.SGD(p, RATE, weight_decay=0.1),
        "momentum 0.9": lambda p: optim.SGD(p, RATE, momentum=0.9),
        "nesterov 0.9, decay 0.1": lambda p: optim.SGD(p, RATE, momentum=0.9, nesterov=True, weight_decay=0.1),
        "rmsprop 0.99": lambda p: optim.RMSprop(p, RATE, alpha=0.99, eps=1e-8),
        "adam": lambda p: optim.Adam(p, RATE),
        "adam, decay 0.1": lambda p: optim.Adam(p, RATE, weight_decay=0.1),
        "adamw, decay 0.1": lambda p: optim.AdamW(p, RATE, weight_decay=0.1),
    }
    for name, make in makers.items():
        weights = torch.tensor(START, dtype=torch.float64, requires_grad=True)
        optimizer = make([weights])
        for _ in range(STEPS):
            weights.grad = torch.tensor(gradient(weights.tolist()), dtype=torch.float64)
            optimizer.step()
        assert all(abs(a - b) < 1e-12 for a, b in zip(weights.tolist(), run(CASES[name]))), name
    logits = torch.tensor(OUTPUTS, dtype=torch.float64).reshape(2, 3)
    value = torch.nn.functional.cross_entropy(
        logits, torch.tensor([2, 0]), weight=torch.tensor(WEIGHTS, dtype=torch.float64), label_smoothing=SMOOTHING)
    assert abs(value.item() - LOSSES["categorical, weights and smoothing"]) < 1e-12
    print(f"# torch {torch.__version__} agrees")


if __name__ == "__main__":
    compare_with_torch()
    for name, step in CASES.items():
        print(f"{name}: {run(step)}")
    for name, value in LOSSES.items():
        print(f"{name}: {value!r}")
