"""Learn what the size-aware predictors know before the first training, from the corpus.

    python benchmarks/priors.py          renew the package's and benchmarks/corpus/priors.json

Means, scales and kernels that make the corpus' trainings likeliest under the process of
``predictors/regression/size_process.py``, on random subsets of 30 to 160 cells a task, with a
penalty that holds them near a guess: the likelihood of four tasks alone is no knowledge of a
fifth. They are learnt from all data sets, as the library ships them, and with each data set left
out, for comparisons on that one.
"""

from __future__ import annotations

from collections.abc import Collection
import csv
from functools import cache
import json
from pathlib import Path
from typing import NamedTuple

from bench.catalogue import corpus_sample
from bench.catalogue import old_sample
import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.features.descriptors import DESCRIPTORS
from optuna_popnas.predictors.features.frame import Inputs
from optuna_popnas.predictors.features.frame import inputs_of
from optuna_popnas.predictors.regression.size_process import LEVEL
from optuna_popnas.predictors.regression.size_process import Prior
from optuna_popnas.predictors.size_priors import FILE as SHIPPED
from optuna_popnas.predictors.size_priors import from_json
from optuna_popnas.predictors.size_priors import to_json
import optuna_popnas.sampler


Floats = npt.NDArray[np.float64]

CORPUS = Path(optuna_popnas.sampler.__file__).with_name("corpus.csv")
FILE = Path(__file__).parent / "corpus" / "priors.json"
#: Task -> its data set. Accuracies of the unshifted digits are too noisy to learn from.
TASKS = {
    "fashion": "fashion-mnist",
    "fashion8": "fashion-mnist",
    "cifar10": "cifar10",
    "digits4": "digits",
    "digits": "digits",
}
_NOISY = ("digits",)
_SHIPPED_CELLS = 200  # of each task, for warm starts
_STEPS = 250
_RATE = 0.03
_SUBSETS = (30, 80, 160)
_SLOPE_DOUBT = 0.1  # standard deviations of the penalty
_SCALE_DOUBT = 0.3
_LOG_DOUBT = 1.0
# The likeliest noise is too small for half a dozen cells, of which one may be a failure.
_NOISE = 3.0


def _weights(base: float, **named: float) -> Floats:
    """Return a number for each descriptor: ``base``, but for those named (``_`` for a space)."""
    names = [column.lower().replace(" ", "_") for column in DESCRIPTORS]
    return np.array([named.get(name, base) for name in names])


_SCALE = _weights(
    0.25, concat_inputs=0.4, log_parameters=1.0, log_flops=1.0, deepest_path=0.6, blocks=0.6
)
_DOUBTS = np.array([0.7, 0.7, 0.5, 0.7, 0.5, 0.7, 0.5, 1.0])
_ACCURACY_LOGS = np.log([0.5, 0.25, 1.0, 0.15, 1.0, 0.05, 1.0, 0.1])
_TIME_LOGS = np.log([0.5, 0.2, 1.0, 0.1, 1.0, 0.02, 1.0, 0.002])
#: Where learning starts.
GUESSES = {
    "accuracy": Prior(
        slopes=_weights(0.0, log_parameters=0.35, log_flops=0.35),
        scale=_SCALE,
        logs=_ACCURACY_LOGS,
        doubts=_DOUBTS,
        center=0.7,
        spread=0.2,
    ),
    "seconds": Prior(
        slopes=_weights(0.0, log_flops=0.5, blocks=0.4),
        scale=_SCALE,
        logs=_TIME_LOGS,
        doubts=_DOUBTS,
        center=0.0,
        spread=0.8,
    ),
}


class _Task(NamedTuple):
    inputs: Inputs
    targets: Floats


@cache
def prior(kind: str, left_out: str) -> Prior:
    """Return a prior.

    Args:
        kind: ``"accuracy"``, ``"exploring"`` or ``"seconds"``.
        left_out: A data set that it knows nothing of.
    """
    return from_json(json.loads(FILE.read_text())[f"{kind}, without {left_out}"])


def learn(kind: str, tasks: Collection[str], *, seed: int = 0) -> Prior:
    """Return the likeliest prior, rounded."""
    import torch

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    data = {name: _task(kind, name) for name in tasks}
    guess = GUESSES[kind]
    start = [torch.tensor(values) for values in (guess.slopes, np.log(guess.scale), guess.logs)]
    slopes, scale, logs = free = [values.clone().requires_grad_() for values in start]
    spreads = {
        name: torch.tensor(float(np.log(task.targets.std())), requires_grad=True)
        for name, task in data.items()
    }
    optimizer = torch.optim.Adam([*free, *spreads.values()], lr=_RATE)
    for _ in range(_STEPS):
        loss = torch.tensor(0.0)
        for name, task in data.items():
            count = min(int(rng.choice(_SUBSETS)), len(task.targets))
            rows = rng.choice(len(task.targets), count, replace=False)
            inputs, targets = task.inputs.take(rows), task.targets[rows]
            sizes = torch.tensor(inputs.sizes)
            values = torch.tensor(targets - targets.mean()) / torch.exp(spreads[name])
            values = values - sizes @ slopes
            values = values - values.mean()
            strength = torch.exp(logs)
            weighed = sizes * torch.exp(scale)
            covariance = strength[0] * (weighed @ weighed.T) + LEVEL
            for number, group in enumerate(inputs.groups):
                distance = torch.cdist(torch.tensor(group), torch.tensor(group)) ** 2
                kernel = torch.exp(-0.5 * strength[2 + 2 * number] * distance)
                covariance = covariance + strength[1 + 2 * number] * kernel
            covariance = covariance + (strength[7] + 1e-6) * torch.eye(count)
            factor = torch.linalg.cholesky(covariance)
            solved = torch.cholesky_solve(values[:, None], factor)[:, 0]
            loss = loss + (0.5 * values @ solved + torch.log(torch.diagonal(factor)).sum()) / count
            loss = loss + spreads[name]
        penalty = sum(
            torch.square((now - before) / doubt).sum() / 2
            for now, before, doubt in zip(free, start, (_SLOPE_DOUBT, _SCALE_DOUBT, _LOG_DOUBT))
        )
        (loss / len(data) + penalty / (200 * len(data))).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    final = logs.detach().numpy().copy()
    final[-1] += np.log(_NOISE)
    return guess._replace(
        slopes=np.round(slopes.detach().numpy(), 2),
        scale=np.round(torch.exp(scale.detach()).numpy(), 2),
        logs=np.round(final, 2),
    )


def _task(kind: str, name: str) -> _Task:
    sample = old_sample() if name == "fashion8" else corpus_sample(name, slice(None))[0]
    cells = sample.cells.canonical()
    if kind == "accuracy":
        targets = -np.log(1 - np.minimum(sample.accuracy, 1 - 1e-3))
    else:
        targets = np.log(sample.seconds)
    return _Task(inputs_of(cells.space, cells), targets)


def exploring(learnt: Prior) -> Prior:
    """Return a wider prior for searches: slopes half-way to the guess, kernels of the guess.

    It ranks a little worse from a dozen cells, and searches better, as it doubts more: on the
    surrogate of the digits, which it was chosen on, .922 of the hypervolume after 60 seconds
    where the likeliest prior comes to .883 (6 seeds, standard error .006).
    """
    guess = GUESSES["accuracy"]
    return guess._replace(slopes=np.round((guess.slopes + learnt.slopes) / 2, 2))


def _write_corpus() -> None:
    """Write some trainings of every task, a cell of each depth in turn, for warm starts."""
    lines = []
    for name in TASKS:
        if name in _NOISY:
            continue
        sample = old_sample() if name == "fashion8" else corpus_sample(name, slice(None))[0]
        rng = np.random.default_rng(0)
        turns = np.zeros(len(sample.cells))
        for length in np.unique(sample.cells.lengths):
            rows = np.flatnonzero(sample.cells.lengths == length)
            turns[rng.permutation(rows)] = np.arange(len(rows))
        for row in np.sort(np.argsort(turns, kind="stable")[:_SHIPPED_CELLS]):
            lines.append((name, str(sample.cells[int(row)]), f"{sample.accuracy[row]:.4f}"))
    with CORPUS.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("task", "cell", "accuracy"), *lines])


def main() -> None:
    shipped, others = {}, {}
    for left_out in (None, *dict.fromkeys(TASKS.values())):
        found = {}
        for kind in ("accuracy", "seconds"):
            tasks = [
                name
                for name, data in TASKS.items()
                if data != left_out and not (kind == "accuracy" and name in _NOISY)
            ]
            found[kind] = learn(kind, tasks)
        found["exploring"] = exploring(found["accuracy"])
        for kind, learnt in found.items():
            if left_out is None:
                shipped[kind] = to_json(learnt)
            else:
                others[f"{kind}, without {left_out}"] = to_json(learnt)
    _write_corpus()
    for path, content in ((SHIPPED, shipped), (FILE, others)):
        path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
