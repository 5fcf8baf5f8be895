"""``optuna-popnas confirm``: the front again, with fresh seeds."""

from __future__ import annotations

from json import dumps
import sys

from optuna_popnas.cli.storages import load_study


def run(
    *,
    seeds: int = 3,
    cells: int | None = None,
    device: str | None = None,
    json: bool = False,
    storage: str | None = None,
    study: str | None = None,
) -> int:
    """Train the cells of the front again with fresh seeds, and show both accuracies.

    A front holds the luckiest of many single trainings. The fresh accuracies are kept with the
    study: report and retrain choose by them. The same command goes on after an interruption.

    Args:
        seeds: Fresh trainings of each cell.
        cells: Only so many cells, the most accurate ones.
        device: Such as cpu or cuda; the fastest one if left out.

    Examples:
        optuna-popnas confirm --seeds 3
        optuna-popnas confirm --cells 5
    """
    from tqdm import tqdm

    from optuna_popnas.cli.text import table
    from optuna_popnas.cli.work import stored_objective
    from optuna_popnas.objective import confirm
    from optuna_popnas.study import expected_excess
    from optuna_popnas.study import view_study
    from optuna_popnas.study.findings import confirmed_words

    found = load_study(storage, study)
    objective = stored_objective(found, device)
    before = expected_excess(found)
    with tqdm(disable=None, unit="training", file=sys.stderr, leave=False) as bar:

        def show(trial: object, accuracy: float, done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        fresh = confirm(found, objective, seeds=seeds, cells=cells, on_training=show)
    view = view_study(found)
    trials = [view.trials[number] for number in fresh]
    if json:
        rows = [
            {
                "trial": t.number,
                "cell": str(t.cell),
                "search": t.accuracy,
                "fresh": fresh[t.number],
            }
            for t in trials
        ]
        print(dumps({"study": view.study_name, "cells": rows}, indent=2))
        return 0
    body = [
        (str(t.number), f"{t.accuracy:.4f}", confirmed_words(view, t), str(t.cell)) for t in trials
    ]
    print(table(("trial", "search", "fresh seeds", "cell"), body))
    print(f"\n{expected_excess(view).sentence}")
    if before.measured is None and before.total is not None:
        print(f"{before.total:.3f} had been expected.")
    return 0
