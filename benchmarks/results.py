"""What is kept of a comparison's searches, and the figures made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
from dataclasses import dataclass
import json
from pathlib import Path

from bench.base import Bench
from bench.running import Trajectory
import numpy as np
from peers import OURS
from peers.catalogue import OWN_DATA
import priors

from optuna_popnas import Cell
from optuna_popnas.predictors import SizeAwareAccuracyPredictor


FOLDER = Path(__file__).parent / "results"
#: Costs, as shares of the budget, at which searches are looked at.
GRID = 2.0 ** (np.arange(-30, 1) / 5)
#: Costs at which a cell is chosen as ``select`` chooses.
CHOICES = (0.25, 0.5, 1.0)
_RESAMPLES = 2000
_FEW_CELLS = 20  # with fewer the best measured one is chosen
_GOALS = (0.95, 0.99)


@dataclass(frozen=True)
class Record:
    """One search. Lists have a value for each share of the budget in ``GRID``.

    Attributes:
        bench: Name of the bench.
        data: Fingerprint of the bench.
        method: Name of the method.
        seed: Its seed.
        budget: Seconds of training that it had.
        volume: Hypervolume of the cells trained, as a share of the known front's.
        log_volume: The same with seconds in logarithms.
        best: Expected accuracy of the cell that measured best.
        top5: Mean expected accuracy of the five cells that measured best.
        chosen: Expected accuracy of the cell that ``select`` chooses, at each of ``CHOICES``.
        count: Cells trained.
        reached: Share of the budget at which 95 % and 99 % of the known front's hypervolume
            were reached; None if they were not.
        log_reached: The same with seconds in logarithms.
        trainings: Cells trained in all.
        repeats: Cells that were asked for again.
        planning: Processor seconds of everything but training.
    """

    bench: str
    data: str
    method: str
    seed: int
    budget: float
    volume: list[float]
    log_volume: list[float]
    best: list[float]
    top5: list[float]
    chosen: list[float]
    count: list[int]
    reached: list[float | None]
    log_reached: list[float | None]
    trainings: int
    repeats: int
    planning: float


def fingerprint(bench: Bench) -> str:
    """Return a text that changes with the bench's data and its measure."""
    accuracy, seconds = bench.front
    return f"{accuracy.sum():.6g}-{seconds.sum():.6g}-{bench.budget:.5g}"


def summarize(trajectory: Trajectory, method: str) -> Record:
    """Return what is kept of a search."""
    bench = trajectory.bench
    values = trajectory.values()
    spent = values["spent"]
    accuracy, seconds = values["accuracy"], values["seconds"]
    measured = values["measured"]
    cells = [step.cell for step in trajectory.steps if not step.stopped]
    budget = bench.budget
    counts = [int(np.searchsorted(spent, share * budget, side="right")) for share in GRID]
    series: dict[str, list[float]] = {
        name: [] for name in ("volume", "log_volume", "best", "top5")
    }
    for n in counts:
        series["volume"].append(bench.volume(accuracy[:n], seconds[:n]))
        series["log_volume"].append(bench.volume(accuracy[:n], seconds[:n], logarithmic=True))
        top = accuracy[best_measured(cells[:n], measured[:n], 5)]
        series["best"].append(float(top[0]) if n else bench.chance)
        series["top5"].append(float(top.mean()) if n else bench.chance)
    ends = np.searchsorted(spent, np.array(CHOICES) * budget, side="right").tolist()
    series["chosen"] = [choose(bench, cells[:n], measured[:n], accuracy[:n]) for n in ends]
    reached = {
        logarithmic: [_first(bench, values, goal, logarithmic) for goal in _GOALS]
        for logarithmic in (False, True)
    }
    return Record(
        bench=bench.name,
        data=fingerprint(bench),
        method=method,
        seed=trajectory.seed,
        budget=budget,
        count=counts,
        reached=reached[False],
        log_reached=reached[True],
        trainings=len(trajectory.steps),
        repeats=trajectory.repeats,
        planning=round(trajectory.planning, 2),
        **{name: [round(value, 4) for value in found] for name, found in series.items()},
    )


def best_measured(cells: Sequence[Cell], measured: np.ndarray, count: int) -> np.ndarray:
    """Return a row of each of the cells that measured best, best first.

    By the mean of a cell's trainings, where it was trained again.
    """
    rows: dict[Cell, list[int]] = {}
    for row, cell in enumerate(cells):
        rows.setdefault(cell, []).append(row)
    first = np.array([found[0] for found in rows.values()], dtype=int)
    means = np.array([measured[found].mean() for found in rows.values()])
    return first[np.argsort(-means, kind="stable")[:count]]


def choose(bench: Bench, cells: list[Cell], measured: np.ndarray, accuracy: np.ndarray) -> float:
    """Return the expected accuracy of the cell that :func:`optuna_popnas.select` would choose.

    By a model of size and structure that knows other data sets, whichever search trained them.
    """
    if not len(cells):
        return bench.chance
    if len(cells) < _FEW_CELLS:
        return float(accuracy[np.argmax(measured)])
    data = OWN_DATA.get(bench.name)
    known = {} if data is None else {"prior": priors.prior("accuracy", data)}
    model = SizeAwareAccuracyPredictor(bench.space, seed=0, **known).fit(cells, measured)
    return float(accuracy[np.argmax(model.predict(cells))])


def _first(
    bench: Bench, values: dict[str, np.ndarray], goal: float, logarithmic: bool
) -> float | None:
    """Return the share of the budget at which a share of the front's hypervolume is reached."""
    low, high = 0, len(values["spent"])
    accuracy, seconds = values["accuracy"], values["seconds"]
    if bench.volume(accuracy, seconds, logarithmic=logarithmic) < goal:
        return None
    while low + 1 < high:
        middle = (low + high) // 2
        volume = bench.volume(accuracy[:middle], seconds[:middle], logarithmic=logarithmic)
        low, high = (low, middle) if volume >= goal else (middle, high)
    return round(float(values["spent"][high - 1]) / bench.budget, 5)


def read(folder: Path, bench: Bench) -> list[Record]:
    """Return the searches that are kept of a bench as it is now."""
    path = folder / f"{bench.name}.jsonl"
    if not path.exists():
        return []
    names = {field.name for field in dataclasses.fields(Record)}
    data = fingerprint(bench)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [Record(**row) for row in found if set(row) == names and row["data"] == data]


def append(folder: Path, record: Record) -> None:
    """Keep a search."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{record.bench}.jsonl").open("a") as file:
        file.write(json.dumps(dataclasses.asdict(record), separators=(",", ":")) + "\n")


def methods(records: Sequence[Record]) -> list[str]:
    """Return the methods of some searches, ours first, then by hypervolume at the end."""
    names = {record.method for record in records}
    ours = [name for name in OURS if name in names]
    others = sorted(
        names - set(ours),
        key=lambda name: -float(np.mean([r.volume[-1] for r in records if r.method == name])),
    )
    return [*ours, *others]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and 95 % of its bootstraps over seeds."""
    numbers = np.array(values, dtype=float)
    rng = np.random.default_rng(0)
    means = rng.choice(numbers, (_RESAMPLES, len(numbers))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(numbers.mean()), float(low), float(high)


def _text(values: Sequence[float], digits: int = 3) -> str:
    mean, low, high = interval(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _goal(values: Sequence[float | None]) -> str:
    """Return the median share of the budget, and how many seeds got there."""
    there = [value for value in values if value is not None]
    if len(there) * 2 <= len(values):
        return f"- ({len(there)} of {len(values)})"
    filled = sorted(np.inf if value is None else value for value in values)
    return f"{filled[(len(filled) - 1) // 2]:.2f} ({len(there)} of {len(values)})"


def table(records: Sequence[Record]) -> str:
    """Return a table in Markdown."""
    early = int(np.searchsorted(GRID, 0.25))
    lines = [
        "| method | seeds | hypervolume at 1/4 | at the budget | log seconds, at 1/4 |"
        " at the budget | best accuracy at 1/4 | at the budget | chosen at 1/4 | at the budget |"
        " 95 % reached | 99 % | trainings | planning, s |",
        "|---" * 14 + "|",
    ]
    for method in methods(records):
        own = [record for record in records if record.method == method]
        cells = [
            method,
            str(len(own)),
            _text([r.volume[early] for r in own]),
            _text([r.volume[-1] for r in own]),
            _text([r.log_volume[early] for r in own]),
            _text([r.log_volume[-1] for r in own]),
            _text([r.best[early] for r in own], 4),
            _text([r.best[-1] for r in own], 4),
            _text([r.chosen[0] for r in own], 4),
            _text([r.chosen[-1] for r in own], 4),
            _goal([r.reached[0] for r in own]),
            _goal([r.reached[1] for r in own]),
            f"{np.mean([r.trainings for r in own]):.0f}",
            f"{np.mean([r.planning for r in own]):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cost_to_match(
    ours: Sequence[Record],
    goal: float,
    series: Callable[[Record], list],
    shares: Sequence[float] = tuple(GRID),
) -> float:
    """Return the share of the budget at which a method's mean over seeds reaches a value."""
    mean = np.mean([series(record) for record in ours], axis=0)
    there = np.flatnonzero(mean >= goal - 1e-9)  # means of equal values differ in the last digit
    return float(shares[there[0]]) if len(there) else float("inf")


def verdict(records: Sequence[Record]) -> str:
    """Return one line: best of ours against the best peer, on both measures."""
    names = methods(records)
    ours = [name for name in names if name in OURS]
    others = [name for name in names if name not in OURS]
    if not ours or not others:
        return "best of ours / best peer: one of them was not run"
    parts = []
    for title, series in (
        ("hypervolume", lambda r: r.volume),
        ("log hypervolume", lambda r: r.log_volume),
        ("best accuracy", lambda r: r.best),
        ("chosen accuracy", lambda r: r.chosen),
    ):
        means = {
            name: float(np.mean([series(r)[-1] for r in records if r.method == name]))
            for name in names
        }
        mine = max(ours, key=means.__getitem__)
        peer = max(others, key=means.__getitem__)
        own = [record for record in records if record.method == mine]
        shares = CHOICES if title == "chosen accuracy" else tuple(GRID)
        cost = cost_to_match(own, means[peer], series, shares)
        when = "not reached" if np.isinf(cost) else f"reached at {cost:.2f} of its cost"
        parts.append(f"{title} {mine} {means[mine]:.4f} / {peer} {means[peer]:.4f} ({when})")
    return "best of ours / best peer: " + "; ".join(parts)
