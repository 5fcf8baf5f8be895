"""Which cells of a longer front are kept: the two rules of the beam, compared.

    python benchmarks/beams.py                 both benches, five seeds: half an hour
    python benchmarks/beams.py --table         what has been run

Searches of mode "popnas" with K = 32, J = 4 and the quick predictors, to their ends. The two of a
seed are compared at the training seconds at which the shorter one ends, and each at its own end.
Hypervolumes are of expected values, shares of the best known front's; accuracy is the expected one
of the cell that measured best. Results are a line a seed in ``benchmarks/results/beams.jsonl``;
what has a line is not run again.
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402
import warnings  # noqa: E402

import bench  # noqa: E402
import numpy as np  # noqa: E402
import optuna  # noqa: E402

import optuna_popnas as popnas  # noqa: E402
from optuna_popnas.predictors import AccuracyPredictor  # noqa: E402
from optuna_popnas.predictors import TimePredictor  # noqa: E402


RESULTS = Path(__file__).parent / "results" / "beams.jsonl"
RULES = ("hypervolume", "accuracy")
MEASURES = ("hypervolume", "log", "best")


def search(table: bench.Bench, rule: str, seed: int) -> bench.Trajectory:
    """Search a bench to the end."""

    def sampler(space: popnas.SearchSpace, seed: int) -> popnas.POPNASSampler:
        return popnas.POPNASSampler(
            space, mode="popnas", beam=rule, max_children=32, max_exploration_children=4,
            total_cells=table.total_cells, accuracy_predictor=AccuracyPredictor,
            time_predictor=TimePredictor, seed=seed,
        )  # fmt: skip

    return bench.run(table, sampler, float("inf"), seed)


def found(table: bench.Bench, ran: bench.Trajectory, seconds: float) -> dict[str, float]:
    """Return what a search has found after some seconds of training."""
    values = ran.values()
    values = {name: column[values["spent"] <= seconds] for name, column in values.items()}
    pair = values["accuracy"], values["seconds"]
    return {
        "hypervolume": table.volume(*pair),
        "log": table.volume(*pair, logarithmic=True),
        "best": float(values["accuracy"][np.argmax(values["measured"])]),
    }


def compare(name: str, seed: int) -> dict[str, Any]:
    """Return a line of results: both rules, at equal seconds and at their ends."""
    table = bench.load(name)
    ran = {rule: search(table, rule, seed) for rule in RULES}
    least = min(each.spent for each in ran.values())
    rows = {
        rule: {
            "cells": len(each.steps), "spent": each.spent,
            "equal": found(table, each, least), "end": found(table, each, each.spent),
        }
        for rule, each in ran.items()
    }  # fmt: skip
    return {"bench": name, "seed": seed, "date": time.strftime("%Y-%m-%d"), **rows}


def read() -> list[dict[str, Any]]:
    """Return what has been run."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def tables(lines: list[dict[str, Any]]) -> str:
    """Return means and deviations over seeds, and differences with a bootstrap's intervals."""
    out = []
    rng = np.random.default_rng(0)
    for name in dict.fromkeys(line["bench"] for line in lines):
        ours = [line for line in lines if line["bench"] == name]
        head = "cells | seconds in all | hypervolume | with logarithms | best accuracy"
        out += [
            "",
            f"| `{name}`, {len(ours)} seeds | at | {head} |",
            "|---|---|---|---|---|---|---|",
        ]
        for when in ("equal", "end"):
            values = {
                rule: np.array([[line[rule][when][m] for m in MEASURES] for line in ours])
                for rule in RULES
            }
            where = "equal seconds" if when == "equal" else "its end"
            for rule in RULES:
                cells = np.mean([line[rule]["cells"] for line in ours])
                spent = np.mean([line[rule]["spent"] for line in ours])
                means = " | ".join(
                    f"{column.mean():.3f}"
                    + (f" ± {column.std(ddof=1):.3f}" if len(ours) > 1 else "")
                    for column in values[rule].T
                )
                out.append(f"| {rule} | {where} | {cells:.0f} | {spent:,.0f} | {means} |")
            if len(ours) < 3:
                continue  # no interval
            gap = values["hypervolume"] - values["accuracy"]
            draws = gap[rng.integers(0, len(gap), (10_000, len(gap)))].mean(axis=1)
            low, high = np.quantile(draws, [0.025, 0.975], axis=0)
            spans = " | ".join(
                f"{m:+.3f} [{a:+.3f}, {b:+.3f}]" for m, a, b in zip(gap.mean(axis=0), low, high)
            )
            out.append(f"| difference | {where} | | | {spans} |")
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", nargs="+", default=["fashion8", "fashion"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for seed in range(0 if options.table else options.seeds):
        for name in options.bench:
            if not any((line["bench"], line["seed"]) == (name, seed) for line in read()):
                line = compare(name, seed)
                RESULTS.parent.mkdir(exist_ok=True)
                with RESULTS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(line, flush=True)
    print(tables(read()))


if __name__ == "__main__":
    main()
