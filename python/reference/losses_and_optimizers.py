"""Makes crates/yard-training/tests/reference/losses_and_optimizers.json: values, slopes and runs by PyTorch.

PyTorch is not among the tests' packages. Run this by hand where it is installed (any 2.x for the processor, with numpy),
and commit what it writes:

    python python/reference/losses_and_optimizers.py

Inputs are 32-bit numbers and exact in the file; PyTorch computes in 64 bits, so that the reference has no rounding of
its own.
"""

import functools
import json
import pathlib

import numpy
import torch
from torch.nn import functional
from torch.optim import lr_scheduler

SEED = 20260801
STEPS = 24
STEPS_PER_EPOCH = 4
TARGET = (
    pathlib.Path(__file__).resolve().parents[2] / "crates/yard-training/tests/reference/losses_and_optimizers.json"
)

torch.set_default_dtype(torch.float64)


def short(values):
    """The shortest decimals that are these 32-bit numbers."""
    return [float(str(numpy.float32(value))) for value in values.flatten().tolist()]


def rounded(values):
    """As exact as results are compared, and more."""
    return [float(f"{value:.10g}") for value in values]


def numbers(values):
    return torch.tensor(numpy.asarray(values, dtype=numpy.float32), dtype=torch.float64)


def binary(logits, wanted, weights, smoothing):
    """PyTorch has neither class weights nor smoothing here; both are put together from its element by element loss, with
    the mean that it gives its categorical cross-entropy: by the sum of the weights."""
    target = wanted * (1 - smoothing) + 0.5 * smoothing
    of_rows = functional.binary_cross_entropy_with_logits(logits.squeeze(1), target, reduction="none")
    of_rows = of_rows * (weight := weights[wanted.long()])
    return of_rows.sum() / weight.sum()


def losses(draw):
    """Each loss on rows of its own: value, and slope by each output."""
    cases = []

    def case(name, width, outputs, wanted, loss, **options):
        outputs = numbers(outputs).reshape(-1, width).requires_grad_()
        value = loss(outputs)
        (slope,) = torch.autograd.grad(value, outputs)
        cases.append(
            {
                "loss": name,
                "width": width,
                "outputs": short(outputs.detach()),
                "wanted": short(wanted),
                **options,
                "value": value.item(),
                "slope": rounded(slope.flatten().tolist()),
            }
        )

    for width in (1, 3):
        outputs, wanted = draw.normal(size=(8, width)) * 3, numbers(draw.normal(size=(8, width)) * 3)
        outputs = numpy.asarray(outputs, dtype=numpy.float32)
        # A difference of nothing, and one exactly where Huber's square ends.
        wanted[0, 0] = float(outputs[0, 0])
        outputs[1, 0], wanted[1, 0] = 2.0, 0.5
        flat = wanted.flatten()
        case("mse", width, outputs, flat, lambda found: functional.mse_loss(found, wanted))
        case("mae", width, outputs, flat, lambda found: functional.l1_loss(found, wanted))
        for delta in (0.5, 1.5):
            huber = functools.partial(functional.huber_loss, target=wanted, delta=delta)
            case("huber", width, outputs, flat, huber, delta=delta)

    for weights, smoothing in ([], 0.0), ([], 0.125), ([0.5, 2.5], 0.0), ([0.5, 2.5], 0.25):
        logits, wanted = draw.normal(size=(10, 1)) * 4, torch.tensor(draw.integers(0, 2, size=10))
        logits[0], logits[1] = 60.0, -60.0
        of = numbers(weights or [1, 1])
        case(
            "binary", 1, logits, wanted, lambda found: binary(found, wanted, of, smoothing),
            weights=weights, smoothing=smoothing,
        )
    for weights, smoothing in ([], 0.0), ([], 0.125), ([0.5, 2.5, 1, 0.25], 0.0), ([0.5, 2.5, 1, 0.25], 0.25):
        logits, wanted = draw.normal(size=(10, 4)) * 4, torch.tensor(draw.integers(0, 4, size=10))
        logits[0] = [80.0, -80.0, 0.0, 1.0]
        of = numbers(weights) if weights else None
        case(
            "categorical", 4, logits, wanted,
            lambda found: functional.cross_entropy(found, wanted, weight=of, label_smoothing=smoothing),
            weights=weights, smoothing=smoothing,
        )
    return cases


class Problem:
    """Softmax regression of 16 rows of 5 numbers on 3 classes, all rows at every step."""

    def __init__(self, draw):
        self.rows = numbers(draw.normal(size=(16, 5)))
        self.classes = torch.tensor(draw.integers(0, 3, size=16))
        self.weight = numbers(draw.normal(size=(5, 3)) * 0.5)
        self.offset = numbers(draw.normal(size=3) * 0.1)

    def run(self, name, make, rule, schedule=None, keys=None, rate=0.5, decay=0.0, **limits):
        """Trains as the run loop does: clipping by value and then by norm; decay and bounds are for weights alone."""
        weight, offset = self.weight.clone().requires_grad_(), self.offset.clone().requires_grad_()
        groups = [{"params": [weight], "weight_decay": decay}, {"params": [offset], "weight_decay": 0.0}]
        optimizer = make(groups, rate)
        clip_value, clip_norm, clip_weights = (limits.get(f"clip_{what}") for what in ("value", "norm", "weights"))
        scheduler = schedule(optimizer) if schedule else None
        rates, losses, weights = [], [], []
        for step in range(STEPS):
            optimizer.zero_grad()
            loss = functional.cross_entropy(self.rows @ weight + offset, self.classes)
            loss.backward()
            if clip_value:
                torch.nn.utils.clip_grad_value_([weight, offset], clip_value)
            if clip_norm:
                torch.nn.utils.clip_grad_norm_([weight, offset], clip_norm)
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if clip_weights:
                weight.data.clamp_(-clip_weights, clip_weights)
            losses.append(loss.item())
            weights.append(weight.detach().flatten().tolist() + offset.detach().tolist())
            if scheduler and (step + 1) % getattr(scheduler, "every", 1) == 0:
                scheduler.step()
        return {
            "name": name,
            "rate": rate,
            "rule": rule,
            "schedule": keys or {"kind": "constant"},
            "limits": {"weight_decay": decay, **limits},
            "rates": rates,
            "losses": rounded(losses),
            "weights": [rounded(weights[3]), rounded(weights[-1])],
        }


def by_epochs(scheduler):
    scheduler.every = STEPS_PER_EPOCH
    return scheduler


def warmed_up(optimizer, steps, after):
    rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / steps, end_factor=1.0, total_iters=steps - 1)
    return lr_scheduler.SequentialLR(optimizer, [rise, after(optimizer)], milestones=[steps])


def runs(problem):
    sgd, rms, adam, adamw = torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adam, torch.optim.AdamW
    descent = {"kind": "descent"}
    cosine = {"kind": "cosine", "floor": 0.125}

    def of(kind, **options):
        return lambda groups, rate: kind(groups, lr=rate, **options)

    def momentum(nesterov):
        return of(sgd, momentum=0.9, nesterov=nesterov), {"kind": "momentum", "momentum": 0.9, "nesterov": nesterov}

    def rms_prop(kept):
        return of(rms, alpha=kept, eps=1e-8), {"kind": "rms_prop", "decay": kept, "epsilon": 1e-8}

    def adam_of(kind, **more):
        options = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, **more}
        make = of(kind, betas=(options["beta1"], options["beta2"]), eps=options["epsilon"])
        return make, {"kind": "adam", **options, "decoupled": kind is adamw}

    rules = {
        "descent": (of(sgd), descent),
        "momentum": momentum(False),
        "nesterov": momentum(True),
        "rms_prop": rms_prop(0.99),
        "rms_prop that forgets": rms_prop(0.9),
        "adam": adam_of(adam),
        "adam of other keys": adam_of(adam, beta1=0.8, beta2=0.95, epsilon=1e-3),
        "adamw": adam_of(adamw),
    }
    done = []
    for name, (make, options) in rules.items():
        # Where the divisor is small, rounding grows: steps are such that PyTorch itself, in 32 bits, stays within 3e-7.
        rate = {"descent": 0.5, "rms_prop that forgets": 0.02}.get(name, 0.05)
        done.append(problem.run(name, make, options, rate=rate))
        done.append(problem.run(f"{name}, decay", make, options, rate=rate, decay=0.1))
    make, options = rules["descent"]
    done += [
        problem.run("clipped by value", make, options, clip_value=0.02),
        problem.run("clipped by norm", make, options, clip_norm=0.1),
        problem.run("clipped by both", make, options, clip_value=0.05, clip_norm=0.1),
        problem.run("weights held", make, options, clip_weights=0.4),
    ]
    schedules = {
        "step": ({"kind": "step", "every": 2, "factor": 0.5}, lambda it: by_epochs(lr_scheduler.StepLR(it, 2, 0.5))),
        "exponential": (
            {"kind": "step", "every": 1, "factor": 0.75},
            lambda it: by_epochs(lr_scheduler.ExponentialLR(it, 0.75)),
        ),
        "cosine": (cosine, lambda it: lr_scheduler.CosineAnnealingLR(it, STEPS - 1, eta_min=0.125 * 0.5)),
        "constant, warmed up": (
            {"kind": "constant", "warmup": 6},
            lambda it: warmed_up(it, 6, lambda it: lr_scheduler.ConstantLR(it, factor=1.0)),
        ),
        "cosine, warmed up": (
            {**cosine, "warmup": 6},
            lambda it: warmed_up(it, 6, lambda it: lr_scheduler.CosineAnnealingLR(it, STEPS - 7, eta_min=0.125 * 0.5)),
        ),
    }
    for name, (keys, schedule) in schedules.items():
        done.append(problem.run(name, make, options, schedule, keys=keys))
    make, options = rules["adam"]
    keys, schedule = schedules["cosine, warmed up"]
    done.append(problem.run("adam, everything", make, options, schedule, keys=keys, decay=0.01, clip_norm=0.5))
    return done


def main():
    draw = numpy.random.default_rng(SEED)
    problem = Problem(draw)
    reference = {
        "source": f"python/reference/losses_and_optimizers.py, PyTorch {torch.__version__}",
        "seed": SEED,
        "losses": losses(draw),
        "problem": {
            "rows": short(problem.rows),
            "classes": problem.classes.tolist(),
            "weight": short(problem.weight),
            "offset": short(problem.offset),
            "steps_per_epoch": STEPS_PER_EPOCH,
        },
        "runs": runs(problem),
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(reference)
    for part in ('{"loss"', '{"name"', '"problem"', '"runs"'):
        text = text.replace(part, "\n" + part)
    TARGET.write_text(text + "\n")
    counts = f"{len(reference['losses'])} losses, {len(reference['runs'])} runs"
    print(f"{TARGET.name}: {counts}, {TARGET.stat().st_size} bytes")


main()
