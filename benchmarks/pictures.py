"""Tables and figures of kept searches, written into docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import datetime
from pathlib import Path

import bench
from bench.tables import TableBench
from forms import BENCHES as TUNED
import matplotlib
import numpy as np
from peers import OURS
import results
from results import GRID
from results import Record


matplotlib.use("Agg")
from matplotlib import pyplot as plt


DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"
_RESAMPLES = 1000
_OPTUNAS = (OURS[0], "tpe", "nsga2", "gp", "random")
#: A mean of fewer searches is not called the best.
_FEWEST_SEEDS = 3
_COLOURS = {
    "adaptive": "#d62728",
    "popnas": "#ff7f0e",
    "pnas": "#bcbd22",
    "popnas-v1": "#c49c94",
    "tpe": "#1f77b4",
    "nsga2": "#17becf",
    "gp": "#9467bd",
    "bananas": "#2ca02c",
    "evolution": "#8c564b",
    "local": "#e377c2",
    "random": "#7f7f7f",
}
_SERIES: dict[str, tuple[str, Callable[[Record], list[float]]]] = {
    "hypervolume": ("share of the known front's hypervolume", lambda r: r.volume),
    "accuracy": ("expected accuracy of the best measured cell", lambda r: r.best),
}


def write(folder: Path, names: Sequence[str], docs: Path = DOCS) -> None:
    """Put tables and figures between the marks of benchmarks.md.

    Raises:
        ValueError: Nothing is kept, or the marks are missing.
    """
    kept = {name: results.read(folder, bench.load(name)) for name in names}
    kept = {name: found for name, found in kept.items() if found}
    page = docs / "benchmarks.md"
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not kept:
        raise ValueError(f"`folder` must hold searches, but {folder} has none. Run compare.py.")
    if not begin or not end:
        raise ValueError(f"`docs` must have {BEGIN} and {END} in {page}. Add both lines.")
    parts = [BEGIN, f"Measured on {datetime.date.today()}; regenerate with `--write`.", ""]
    parts += [against_best(kept), ""]
    theirs = {name: [r for r in found if r.method in _OPTUNAS] for name, found in kept.items()}
    parts += ["The same against Optuna's own samplers alone:", "", against_best(theirs), ""]
    for kind, (title, series) in _SERIES.items():
        path = docs / "images" / f"benchmarks-{kind}.png"
        draw(kept, title, series, path)
        parts += [f"![{title} against seconds of training](images/{path.name})", ""]
    for name, records in kept.items():
        parts += [f"### {name}", "", results.table(records), ""]
    page.write_text(before + "\n".join(parts) + END + after)


def against_best(kept: dict[str, list[Record]]) -> str:
    """Return a line a bench: the adaptive search against the best of all others, in Markdown."""
    lines = [
        "| bench | hypervolume: adaptive / best other | its final one reached at |"
        " log seconds | reached at | best accuracy | reached at | accuracy surely below |"
        " chosen by `select` | reached at | trainings: `pnas` / adaptive |"
        " at a fifth of the table |",
        "|---" * 12 + "|",
    ]
    for name, records in kept.items():
        own = [record for record in records if record.method == OURS[0]]
        if not own or len({record.method for record in records}) < 2:
            continue
        cells = [f"`{name}`, tuned on" if name in TUNED else f"`{name}`"]
        for series, digits in (
            (lambda r: r.volume, 3),
            (lambda r: r.log_volume, 3),
            (lambda r: r.best, 4),
        ):
            cells += _duel(own, records, series, digits)
        cells += [_below(own, records)]
        cells += _duel(own, records, lambda r: r.chosen, 4, results.CHOICES)
        cells += [_fewer(own, records), _fifth(own, name)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _others(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.method != OURS[0]:
            found.setdefault(record.method, []).append(record)
    enough = {k: v for k, v in found.items() if len(v) >= _FEWEST_SEEDS}
    return enough or found


def _mean(records: Sequence[Record], series: Callable[[Record], list]) -> np.ndarray:
    return np.mean([series(record) for record in records], axis=0)


def _duel(
    own: Sequence[Record],
    records: Sequence[Record],
    series: Callable[[Record], list],
    digits: int,
    shares: Sequence[float] = tuple(GRID),
) -> list[str]:
    """Return both final values, and the share of the cost at which ours has the other's."""
    finals = {name: float(_mean(r, series)[-1]) for name, r in _others(records).items()}
    best = max(finals, key=finals.__getitem__)
    mine = float(_mean(own, series)[-1])
    cost = results.cost_to_match(own, finals[best], series, shares)
    text = f"{mine:.{digits}f} / {finals[best]:.{digits}f} (`{best}`)"
    return [text, "never" if np.isinf(cost) else f"{cost:.2f}"]


def _below(own: Sequence[Record], records: Sequence[Record]) -> str:
    """Return at how many costs, from 20 trainings on, another's accuracy is surely higher."""
    start = int(np.argmax(_mean(own, lambda r: r.count) >= 20))
    others = _others(records)
    worse = 0
    for i in range(start, len(GRID)):
        best = max(others.values(), key=lambda r: float(np.mean([one.best[i] for one in r])))
        low, _ = _difference([r.best[i] for r in best], [r.best[i] for r in own])
        worse += low > 1e-6  # means of the same values differ by their rounding
    return f"{worse} of {len(GRID) - start}"


def _difference(more: Sequence[float], less: Sequence[float]) -> tuple[float, float]:
    """Return 95 % of bootstraps of the difference of two means."""
    rng = np.random.default_rng(0)
    means = [rng.choice(v, (_RESAMPLES, len(v))).mean(axis=1) for v in (more, less)]
    low, high = np.percentile(means[0] - means[1], [2.5, 97.5])
    return float(low), float(high)


def _fewer(own: Sequence[Record], records: Sequence[Record]) -> str:
    """Return how many times more trainings PNAS needs for the top five that it ends with."""
    pnas = [record for record in records if record.method == "pnas"]
    if not pnas:
        return ""
    goal = float(_mean(pnas, lambda r: r.top5)[-1])
    counts = []
    for found in (pnas, own):
        there = np.flatnonzero(_mean(found, lambda r: r.top5) >= goal - 1e-12)
        if not len(there):
            return "not reached"
        counts.append(float(_mean(found, lambda r: r.count)[there[0]]))
    return f"{counts[0] / max(counts[1], 1.0):.1f}"


def _fifth(own: Sequence[Record], name: str) -> str:
    """Return the share of the true front's hypervolume at a fifth of a complete table's cost."""
    table = bench.load(name)
    if not isinstance(table, TableBench):
        return ""
    share = table.total_seconds / 5 / table.budget
    i = max(int(np.searchsorted(GRID, share, side="right")) - 1, 0)
    return f"{_mean(own, lambda r: r.volume)[i]:.3f}"


def draw(
    kept: dict[str, list[Record]],
    title: str,
    series: Callable[[Record], list[float]],
    path: Path,
) -> None:
    """Draw a panel a bench: means over seeds, with 95 % of bootstraps for the first of ours."""
    columns = min(4, len(kept))
    height = -(-len(kept) // columns)
    figure, axes = plt.subplots(
        height,
        columns,
        figsize=(3.3 * columns, 2.7 * height + 0.7),
        squeeze=False,
        layout="constrained",
    )
    drawn: dict[str, object] = {}
    for axis, (name, records) in zip(axes.flat, kept.items()):
        ends = []
        for method in reversed(results.methods(records)):
            own = [record for record in records if record.method == method]
            values = np.array([series(record) for record in own])
            colour, first = _COLOURS.get(method, "black"), method == OURS[0]
            (line,) = axis.plot(
                GRID, values.mean(axis=0), color=colour, lw=2.2 if first else 1.1, zorder=2 + first
            )
            drawn[method] = line
            if first and len(own) > 1:
                spread = [results.interval(column)[1:] for column in values.T]
                axis.fill_between(GRID, *zip(*spread), color=colour, alpha=0.2, lw=0)
            ends.append(values.mean(axis=0))
        late = np.array(ends)[:, GRID >= 0.06]
        margin = 0.06 * (late.max() - np.percentile(late, 10)) + 1e-6
        axis.set_ylim(np.percentile(late, 10) - margin, late.max() + margin)
        axis.set_xscale("log", base=2)
        axis.set_xticks([1 / 64, 1 / 16, 1 / 4, 1], ["1/64", "1/16", "1/4", "1"])
        axis.set_title(name, fontsize=10)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
    for axis in axes.flat[len(kept) :]:
        axis.set_visible(False)
    figure.suptitle(f"{title}, by seconds of training as shares of the budget", fontsize=11)
    order = [name for name in _COLOURS if name in drawn]
    figure.legend(
        [drawn[name] for name in order], order, loc="outside lower center", ncols=6, fontsize=9
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
