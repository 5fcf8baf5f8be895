"""What each part of the adaptive search is worth: every one taken out, one at a time.

    python benchmarks/ablations.py [--bench fashion cifar10] [--part stops prior] [--seeds 5]
    python benchmarks/ablations.py --table

As ``compare.py`` measures: equal seconds of training, expected values. Results are kept in
``benchmarks/results/ablations``, a line a search; what is there is not run again.
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from dataclasses import field  # noqa: E402
from functools import partial  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402
import warnings  # noqa: E402

import bench  # noqa: E402
from bench.base import Bench  # noqa: E402
from bench.base import Floats  # noqa: E402
import numpy as np  # noqa: E402
import optuna  # noqa: E402
from peers.catalogue import adaptive_settings  # noqa: E402
import results  # noqa: E402

from optuna_popnas import CellBatch  # noqa: E402
from optuna_popnas import POPNASSampler  # noqa: E402
from optuna_popnas import SearchSpace  # noqa: E402
from optuna_popnas.predictors import AdditiveTimePredictor  # noqa: E402
from optuna_popnas.predictors import GaussianProcessAccuracyPredictor  # noqa: E402
from optuna_popnas.predictors import Predictor  # noqa: E402
from optuna_popnas.predictors.base import Prediction  # noqa: E402
from optuna_popnas.search import adaptive  # noqa: E402
from optuna_popnas.search import growth  # noqa: E402
from optuna_popnas.search import wave  # noqa: E402


FOLDER = results.FOLDER / "ablations"
BENCHES = ("fashion", "cifar10", "digits4")
_NEVER = 10**9


@dataclass(frozen=True)
class Part:
    """A part of the search that is changed.

    Attributes:
        words: What the search does without it.
        settings: Arguments of the sampler, from the bench.
        constants: Names in the search's modules, and what they are set to.
        stops: Whether hopeless trainings are ended early.
    """

    words: str
    settings: Callable[[Bench], dict[str, Any]] = lambda table: {}
    constants: tuple[tuple[Any, str, Any], ...] = field(default=())
    stops: bool = True


class _Knows(Predictor):
    """Predicts the values that the bench expects, which no search can know."""

    def __init__(self, space: SearchSpace, *, table: Bench, column: int, **_: Any) -> None:
        super().__init__(space)
        self._table, self._column = table, column

    def fit(self, cells: Any, values: Any) -> _Knows:
        return self

    def estimate(self, cells: Any) -> Prediction:
        table = self._table
        missing = (table.chance, table.front.seconds[-1])[
            self._column
        ]  # cells that nobody trained
        found = np.nan_to_num(table.expected(list(cells))[self._column], nan=missing)
        return Prediction(found, np.full(len(found), 1e-3))


def _knowing(table: Bench) -> dict[str, Any]:
    return {
        "warm_start": "nothing",
        "accuracy_predictor": partial(_Knows, table=table, column=0),
        "time_predictor": partial(_Knows, table=table, column=1),
    }


def _without_size(table: Bench) -> dict[str, Any]:
    return {
        "warm_start": "nothing",
        "accuracy_predictor": GaussianProcessAccuracyPredictor,
        "time_predictor": AdditiveTimePredictor,
    }


def _first_cells_at_random(
    covariance: Floats, cost: Floats, count: int, *, keys: Floats, given: int = 0, **_: Any
) -> np.ndarray:
    rng = np.random.default_rng(int(keys[0]) % 2**32)
    return given + rng.permutation(len(keys) - given)[:count]


def _grow_from_trained(
    space: SearchSpace, known: CellBatch, judge: growth.Judge, **options: Any
) -> Any:
    """Return children of trained cells alone."""
    rng, pools = options["rng"], [judge(growth._unknown(space.first_level(), known))[0]]
    for blocks in range(1, space.max_blocks):
        parents = growth._best(same := known.take(known.lengths == blocks), judge(same)[1])
        if len(parents):
            grown = space.expand(parents, max_encodings=2500, rng=rng)
            pools.append(judge(growth._unknown(grown, known))[0])
    found = growth.join(pools)
    return found.take(np.argsort(found.cells.keys))


PARTS = {
    "whole": Part("nothing taken out"),
    "stops": Part("no training is ended early", stops=False),
    "size": Part("predictors that know neither size nor other data sets", _without_size),
    "other data": Part("no cells of other data sets", lambda table: {"warm_start": "nothing"}),
    "look ahead": Part(
        "children of trained cells alone", constants=((adaptive, "grow", _grow_from_trained),)
    ),
    "spread start": Part(
        "first cells at random",
        constants=((adaptive, "spread_by_covariance", _first_cells_at_random),),
    ),
    "accuracy's share": Part(
        "all cells for the front", constants=((wave, "_ACCURATE_SHARE", 0.0),)
    ),
    "front's share": Part("all cells for accuracy", constants=((wave, "_ACCURATE_SHARE", 1.0),)),
    "logarithms": Part("seconds as they are alone", constants=((wave, "_LOG_SHARE", 0.0),)),
    "seconds as they are": Part("their logarithms alone", constants=((wave, "_LOG_SHARE", 1.0),)),
    "exploration": Part("no cell for knowledge", constants=((wave, "_EXPLORE_EVERY", _NEVER),)),
    "second looks": Part("no cell is trained again", constants=((wave, "_AGAIN", 0),)),
    "small waves": Part("waves of 64 cells", lambda table: {"wave_size": 64}),
    "ignorance": Part("the bench's own expected values instead of predictions", _knowing),
}


@contextmanager
def changed(part: Part) -> Iterator[None]:
    """Set the constants of a part."""
    before = [(module, name, getattr(module, name)) for module, name, _ in part.constants]
    for module, name, value in part.constants:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def search(table: Bench, name: str, seed: int) -> results.Record:
    """Run one search with a part taken out."""
    part = PARTS[name]

    def sampler(space: SearchSpace, seed: int) -> POPNASSampler:
        settings = {**adaptive_settings(table), **part.settings(table)}
        return POPNASSampler(space, total_cells=table.total_cells, seed=seed, **settings)

    with changed(part):
        trajectory = bench.run(table, sampler, seed=seed, early_stops=part.stops)
    return results.summarize(trajectory, name)


def table_of(name: str, seeds: int) -> str:
    """Return the table of a bench in Markdown."""
    kept = results.read(FOLDER, bench.load(name))
    lines = [
        "| taken out | the search then | seeds | hypervolume at 1/4 | at the budget |"
        " log seconds, at 1/4 | at the budget | chosen accuracy at 1/4 | at the budget |",
        "|---" * 9 + "|",
    ]
    early = int(np.searchsorted(results.GRID, 0.25))
    for method, part in PARTS.items():
        own = [record for record in kept if record.method == method and record.seed < seeds]
        if own:
            columns = [
                [[series[early], series[-1]] for series in (r.volume, r.log_volume)]
                + [[r.chosen[0], r.chosen[-1]]]
                for r in own
            ]
            means = np.array(columns).reshape(len(own), 6)
            spans = [results.interval(column) for column in means.T]
            texts = [f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in spans]
            first = "-" if method == "whole" else method
            lines.append(f"| {first} | {part.words} | {len(own)} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", nargs="+", choices=bench.names(), default=list(BENCHES))
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="store_true", help="run nothing, print what is kept")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    for seed in range(0 if options.table else options.seeds):
        for name in options.bench:
            table = bench.load(name)
            known = {(r.method, r.seed) for r in results.read(FOLDER, table)}
            for part in options.part:
                if (part, seed) not in known:
                    record = search(table, part, seed)
                    results.append(FOLDER, record)
                    print(f"{name} {part} seed {seed}: {record.volume[-1]:.4f}", file=sys.stderr)
    for name in options.bench:
        print(f"\n{name}\n\n{table_of(name, options.seeds)}")


if __name__ == "__main__":
    main()
