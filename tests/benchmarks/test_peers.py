"""Peers propose valid new cells, mutate as they should, and find more than chance."""

from __future__ import annotations

import bench
import numpy as np
from peers import DIRECTIONS
from peers import METHODS
from peers.cell_sampler import mutated
from peers.cell_sampler import neighbours
from peers.cell_sampler import random_cell
from peers.cell_sampler import without_block
import pytest
import results

from optuna_popnas import Cell
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace


SPACE = SearchSpace(PAPER_OPERATORS[:4], max_blocks=3)


def test_a_mutation_changes_one_place_or_the_number_of_blocks() -> None:
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(300):
        cell = random_cell(SPACE, int(rng.integers(1, 4)), rng)
        child = mutated(SPACE, cell, rng)
        SPACE.check(child)
        kinds.add(len(child) - len(cell))
        if len(child) == len(cell):
            pairs = zip(np.ravel(cell.blocks), np.ravel(child.blocks))
            assert sum(a != b for a, b in pairs) == 1
    assert kinds == {-1, 0, 1}


def test_removing_a_block_moves_those_after_it() -> None:
    cell = Cell(
        [
            (-1, "identity", -1, "identity"),
            (-2, "3x3 dconv", -1, "identity"),
            (0, "5x5 dconv", 0, "identity"),
        ]
    )
    shorter = without_block(cell, 1)
    assert shorter == Cell([cell.blocks[0], (0, "5x5 dconv", 0, "identity")])


def test_neighbours_of_a_block() -> None:
    cell = Cell([(-1, "identity", -2, "3x3 dconv")])
    found = neighbours(SPACE, cell)
    # One other input and three other operators for each of two branches.
    assert len(found) == len(set(found)) == 2 * (1 + 3)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("bananas", "tpe") else name
        for name in METHODS
        if name != "gp"
    ],
)
def test_every_method_searches_a_bench(method: str) -> None:
    table = bench.load("nb201-cifar10")
    directions = DIRECTIONS.get(method, ("maximize", "minimize"))
    factory = METHODS[method](table)
    first, again = (
        bench.run(table, factory, table.budget / 2, seed=2, directions=directions)
        for _ in range(2)
    )
    assert first.steps == again.steps
    cells = [step.cell for step in first.steps]
    assert len(set(cells)) > 10
    # Whoever trains a cell a second time pays for it, and measures something else.
    assert len(set(cells)) == len(cells) or method == "adaptive"
    assert len({step.seconds for step in first.steps}) == len(cells)


def test_what_is_kept_of_a_search_is_read_again(tmp_path) -> None:
    table = bench.load("nb201-cifar10")
    trajectory = bench.run(table, METHODS["random"](table), seed=0)
    record = results.summarize(trajectory, "random")
    results.append(tmp_path, record)
    assert results.read(tmp_path, table) == [record]
    assert record.volume == sorted(record.volume) and 0.9 < record.volume[-1] <= 1.0
    assert record.count[-1] <= record.trainings
    share = record.reached[0]
    assert share is not None
    values = trajectory.values()
    rows = values["spent"] <= share * table.budget * 1.0001
    assert table.volume(values["accuracy"][rows], values["seconds"][rows]) >= 0.95
    before = rows & (values["spent"] < share * table.budget * 0.9999)
    assert table.volume(values["accuracy"][before], values["seconds"][before]) < 0.95


def test_the_verdict_names_the_best_of_both_sides() -> None:
    line = {"bench": "b", "data": "d", "seed": 0, "budget": 1.0, "count": [1] * 31}
    line |= {"reached": [None, None], "log_reached": [None, None], "trainings": 1}
    line |= {"repeats": 0, "planning": 0.0}

    def record(method: str, values: list[float]) -> results.Record:
        series = dict.fromkeys(("volume", "log_volume", "top5", "best"), values)
        return results.Record(method=method, chosen=values[20::5], **line, **series)

    slow, fast = np.linspace(0, 0.8, 31).tolist(), [0.9] * 31
    text = results.verdict([record("popnas", fast), record("tpe", slow), record("gp", [0.1] * 31)])
    assert "hypervolume popnas 0.9000 / tpe 0.8000 (reached at 0.02 of its cost)" in text
    text = results.verdict([record("popnas", slow), record("tpe", fast)])
    assert "hypervolume popnas 0.8000 / tpe 0.9000 (not reached)" in text
    even = results.verdict([record("popnas", [0.8] * 21 + [0.9] * 10), record("tpe", fast)])
    assert "chosen accuracy popnas 0.9000 / tpe 0.9000 (reached at 0.50 of its cost)" in even
