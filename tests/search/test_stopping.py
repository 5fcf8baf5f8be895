"""Ending trainings whose learning curves promise nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from optuna_popnas.search.stopping import FEWEST
from optuna_popnas.search.stopping import is_hopeless
from optuna_popnas.search.stopping import outlook


CORPUS = Path(__file__).parents[2] / "benchmarks" / "corpus"
EPOCHS = (1, 2, 3, 6, 9)  # those of the recorded curves


def made_up(n: int = 40, seed: int = 0) -> tuple[list[list[float]], list[float]]:
    """Curves that rise from half of their best accuracy, and costs that grow with it."""
    best = np.random.default_rng(seed).uniform(0.4, 0.9, n)
    curves = [[0.5 * value, 0.8 * value, float(value)] for value in best]
    return curves, [float(10 * value) for value in best]


def test_worse_than_a_cheaper_cell_for_certain() -> None:
    curves, costs = made_up()
    assert is_hopeless([0.1, 0.2], [9.0], curves, costs)


def test_a_cell_that_nothing_cheaper_beats_goes_on() -> None:
    curves, costs = made_up()
    assert outlook([0.1, 0.2], [0.5], curves, costs).chance == 1.0  # the cheapest of all
    assert not is_hopeless([0.45, 0.719], [9.0], curves, costs)


def test_few_finished_trainings_stop_nothing() -> None:
    curves, costs = made_up(FEWEST - 1)
    assert not is_hopeless([0.01], [99.0], curves, costs)
    curves, costs = made_up(FEWEST)
    assert is_hopeless([0.01], [99.0], curves, costs)


def test_the_outlook_follows_finished_curves() -> None:
    curves, costs = made_up()
    assert outlook([0.3, 0.48], [9.9], curves, costs).accuracy == pytest.approx(0.6, abs=0.03)


def test_several_costs_or_none() -> None:
    curves, seconds = made_up()
    costs = np.column_stack([seconds, np.full(len(seconds), 100.0)])
    assert is_hopeless([0.1, 0.2], [9.0, 100.0], curves, costs)
    assert not is_hopeless([0.1, 0.2], [9.0, 99.0], curves, costs)  # the smallest network
    assert is_hopeless([0.1, 0.2], [], curves, np.empty((len(curves), 0)))


def test_the_order_of_finished_trainings_is_irrelevant() -> None:
    curves, costs = made_up()
    first = outlook([0.3, 0.4], [9.0], curves, costs)
    second = outlook([0.3, 0.4], [9.0], curves[::-1], costs[::-1])
    assert first == pytest.approx(second)


@pytest.mark.parametrize("task", ["digits4", "fashion"])
def test_recorded_curves_lose_few_cells_of_the_front(task: str) -> None:
    """At most 2 % of the cells that would have been on the front when they ended."""
    with open(CORPUS / f"{task}.csv") as file:
        rows = [
            ([int(text) / 1e4 for text in row["curve"].split("/")[0].split()], row["relative"])
            for row in csv.DictReader(file)
        ]
    trained = [(curve, float(cost)) for curve, cost in rows if len(curve) == len(EPOCHS)]
    lost = fronts = 0
    saved = spent = 0.0
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(trained))
        finished: list[tuple[list[float], float]] = []
        past: list[tuple[float, float]] = []
        for index in order:
            curve, cost = trained[index]
            on_front = not any(c <= cost and best >= max(curve) for best, c in past)
            past.append((max(curve), cost))
            fronts += on_front
            spent += cost
            for count, epoch in enumerate(EPOCHS[:-1], start=1):
                others, costs = [c for c, _ in finished], [c for _, c in finished]
                if others and is_hopeless(curve[:count], [cost], others, costs):
                    lost += on_front
                    saved += cost * (1 - epoch / EPOCHS[-1])
                    break
            else:
                finished.append((curve, cost))
    assert lost <= 0.02 * fronts
    assert saved > 0.05 * spent
