"""POPNASv2 against Optuna's own samplers on the same cell space, at equal cost.

For each seed POPNASv2 searches to its end; then PNAS, TPE, NSGA-II and random search get the
same processor time, planning and sampling included. All train the same networks on the same
images with the same objective; the rivals draw cells with ``space.suggest``. Compared are

* the hypervolume of accuracy and training seconds, both of validation during the search;
* the best validation accuracy, and what it is worth: the five best cells by validation accuracy,
  trained again with other seeds and judged on the test images, which no search has seen;
* the training seconds to reach 99 % of the best accuracy any search found with that seed.

Results are appended to a file as they come; running the command again goes on from there:

    python benchmarks/rivals.py --data fashion-mnist --out rivals.jsonl
    python benchmarks/rivals.py --out rivals.jsonl --table
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import subprocess
import sys
import time

import numpy as np
import optuna

import optuna_popnas as popnas
from optuna_popnas.search import hypervolume
from optuna_popnas.search import pareto_front
from optuna_popnas.training.data.image_data import ImageData


SAMPLERS = ("popnas", "pnas", "tpe", "nsga2", "random")
DATA = {
    "digits": {"test_fraction": 0.3},
    "fashion-mnist": {"samples": 3000, "image_size": 14},
}
_TOP = 5
_JUDGE_SEEDS = (101, 102, 103)


def make_sampler(name: str, space: popnas.SearchSpace, seed: int) -> optuna.samplers.BaseSampler:
    if name in ("popnas", "pnas"):
        return popnas.POPNASSampler(
            space, mode=name, max_children=64, max_exploration_children=8, seed=seed
        )
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def load(name: str) -> tuple[ImageData, ImageData]:
    """Return the data of the search, and the same with the test images for validation."""
    data = popnas.load_dataset(name, **DATA[name])
    assert data.test_images is not None and data.test_labels is not None
    images = np.concatenate([np.asarray(data.images), np.asarray(data.test_images)])
    labels = np.concatenate([data.labels, data.test_labels])
    tested = np.arange(len(data.labels), len(labels))
    return data, ImageData(name, images, labels, data.class_names, validation=tested)


def run(name: str, seed: int, data_name: str, blocks: int, budget: float | None) -> dict:
    """Run one search until its end or until it has used the budget of processor seconds."""
    data, judge = load(data_name)
    space = popnas.SearchSpace(popnas.PAPER_OPERATORS, max_blocks=blocks)
    network = popnas.NetworkConfig(motifs=2, normal_cells=1, filters=8)
    training = popnas.TrainingConfig(epochs=12, batch_norm="epoch")
    objective = popnas.TrainingObjective(
        space, data, network=network, training=training, seed=seed
    )
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=make_sampler(name, space, seed)
    )
    started = time.process_time()
    trace = []

    def watch(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        used = time.process_time() - started
        if trial.state == optuna.trial.TrialState.COMPLETE:
            trace.append((round(used, 2), *trial.values, trial.user_attrs["cell"]))
        if budget is not None and used >= budget:
            study.stop()

    study.optimize(objective, callbacks=[watch])
    used = time.process_time() - started
    accuracy = np.array([item[1] for item in trace])
    best = {}
    for row in np.argsort(-accuracy, kind="stable"):
        best.setdefault(str(popnas.Cell.parse(trace[row][3]).canonical()), trace[row][1])
        if len(best) == _TOP:
            break
    tested = {
        text: [
            popnas.train_cell(
                popnas.Cell.parse(text), judge, network, training, seed=other
            ).accuracy
            for other in _JUDGE_SEEDS
        ]
        for text in best
    }
    return {
        "sampler": name,
        "seed": seed,
        "data": data_name,
        "blocks": blocks,
        "cpu_seconds": round(used, 1),
        "best": best,
        "tested": tested,
        "trace": trace,
    }


def table(rows: list[dict]) -> str:
    """Return a table in Markdown: means over seeds, and the ratio of cost to reach 99 %."""
    lines = [
        "| data | sampler | seeds | networks | CPU s | hypervolume | front | best validation |"
        " top 5, tested | CPU s to 99 % of the best |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for data in dict.fromkeys(row["data"] for row in rows):
        here = [row for row in rows if row["data"] == data]
        found: dict[str, list[tuple[float, ...]]] = {}
        for seed in sorted({row["seed"] for row in here}):
            group = [row for row in here if row["seed"] == seed]
            slowest = max(item[2] for row in group for item in row["trace"])
            goal = 0.99 * max(item[1] for row in group for item in row["trace"])
            for row in group:
                used, accuracy, seconds = (
                    np.array([item[i] for item in row["trace"]]) for i in range(3)
                )
                volume = hypervolume(accuracy, seconds, reference_cost=slowest) / slowest
                reached = used[accuracy >= goal]
                found.setdefault(row["sampler"], []).append(
                    (
                        len(used),
                        row["cpu_seconds"],
                        volume,
                        len(pareto_front(accuracy, seconds)),
                        accuracy.max(),
                        float(np.mean(list(row["tested"].values()))),
                        reached[0] if len(reached) else np.nan,
                    )
                )
        for sampler in SAMPLERS:
            if sampler in found:
                values = np.array(found[sampler])
                mean = values.mean(axis=0)
                spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(7)
                lines.append(
                    f"| {data} | {sampler} | {len(values)} | {mean[0]:.0f} | {mean[1]:.0f} | "
                    f"{mean[2]:.4f} ± {spread[2]:.4f} | {mean[3]:.0f} | "
                    f"{mean[4]:.4f} ± {spread[4]:.4f} | {mean[5]:.4f} ± {spread[5]:.4f} | "
                    f"{mean[6]:.0f} |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=DATA, default="fashion-mnist")
    parser.add_argument("--blocks", type=int, default=3, help="blocks per cell (B)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS)
    parser.add_argument("--out", type=Path, default=Path("rivals.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.one:
        name, seed, budget = arguments.one
        row = run(name, int(seed), arguments.data, arguments.blocks, float(budget) or None)
        with arguments.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return

    def rows() -> list[dict]:
        if not arguments.out.exists():
            return []
        return [json.loads(line) for line in arguments.out.read_text().splitlines()]

    for seed in [] if arguments.table else arguments.seeds:
        budget = 0.0
        for name in sorted(arguments.samplers, key=SAMPLERS.index):
            identity = (name, seed, arguments.data, arguments.blocks)
            done = {
                (row["sampler"], row["seed"], row["data"], row["blocks"]): row for row in rows()
            }
            if identity not in done:
                # A process of its own, so that processor time is that of this search alone.
                command = [
                    *(sys.executable, __file__, "--data", arguments.data),
                    *("--blocks", str(arguments.blocks), "--out", str(arguments.out)),
                    *("--one", name, str(seed), str(budget)),
                ]
                subprocess.run(command, check=True)
            if name == "popnas":
                popnas_row = next(
                    row
                    for row in rows()
                    if (row["sampler"], row["seed"], row["data"], row["blocks"]) == identity
                )
                budget = popnas_row["cpu_seconds"]
    print(table(rows()))


if __name__ == "__main__":
    main()
