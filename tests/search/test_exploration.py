"""The exploration step against the rules of Sec. 4.3.2, one cell at a time."""

from typing import Any

import numpy as np
import pytest

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from optuna_popnas.search import exploration_front
from optuna_popnas.search import exploration_sets
from optuna_popnas.search import ExplorationSets


SPACE = SearchSpace(PAPER_OPERATORS, max_blocks=5, lookbacks=2)


def random_cells(count: int, blocks: int, seed: int, operators: int = 12) -> CellBatch:
    rng = np.random.default_rng(seed)
    encoding = np.empty((count, blocks, 4), dtype=np.int8)
    for i in range(blocks):
        encoding[:, i, 0::2] = rng.integers(-2, i, size=(count, 2))
        encoding[:, i, 1::2] = rng.integers(0, operators, size=(count, 2))
    return CellBatch(SPACE, encoding)


def brute_force_sets(cells: list[Cell], blocks: int) -> tuple[list[int], list[str]]:
    slots = 2 * blocks * len(cells)
    inputs, operators = [], []
    for value in SPACE.inputs(blocks - 1):
        count = sum(cell.inputs.count(value) for cell in cells)
        if count / slots < 1 / (5 * len(SPACE.inputs(blocks - 1))):
            inputs.append(value)
    for name in SPACE.operators:
        count = sum(cell.operators.count(name) for cell in cells)
        if count / slots < 1 / (5 * len(SPACE.operators)):
            operators.append(name)
    return inputs, operators


def brute_force_front(
    cells: list[Cell],
    keys: list[int],
    accuracy: list[float],
    seconds: list[float],
    front: set[int],
    inputs: list[int],
    operators: list[str],
    size: int,
) -> list[int]:
    """The rules read off the page, slot by slot, counters and all."""
    if not inputs and not operators:
        return []
    mark = 8 if inputs and operators else 4
    input_uses = dict.fromkeys(inputs, 0)
    operator_uses = dict.fromkeys(operators, 0)
    accepted: list[int] = []
    order = sorted(range(len(cells)), key=lambda i: (-accuracy[i], seconds[i], keys[i]))
    for i in order:
        if len(accepted) == size:
            break
        if i in front:
            continue
        score = 0.0
        input_total, operator_total = sum(input_uses.values()), sum(operator_uses.values())
        for value in cells[i].inputs:
            if value in input_uses:
                score += 1
                if input_total == 0 or input_uses[value] / input_total <= 1 / len(inputs):
                    score += 2
                if input_total <= operator_total:
                    score += 1
        for name in cells[i].operators:
            if name in operator_uses:
                score += 1
                if operator_total == 0 or (
                    operator_uses[name] / operator_total <= 1 / len(operators)
                ):
                    score += 2
                if input_total >= operator_total:
                    score += 1
        if accepted:
            last = accepted[-1]
            better_or_equal = accuracy[last] >= accuracy[i] and seconds[last] <= seconds[i]
            if better_or_equal and (accuracy[last], seconds[last]) != (accuracy[i], seconds[i]):
                continue
            if score > 0:
                score += abs(accuracy[i] - accuracy[last]) / accuracy[last] / 0.04
                score += abs(seconds[i] - seconds[last]) / seconds[last] / 0.10
        if score >= mark:
            accepted.append(i)
            for value in cells[i].inputs:
                if value in input_uses:
                    input_uses[value] += 1
            for name in cells[i].operators:
                if name in operator_uses:
                    operator_uses[name] += 1
    return accepted


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_sets_hold_what_the_front_uses_too_little(blocks: int, seed: int) -> None:
    front = random_cells(10, blocks, seed, operators=6)
    sets = exploration_sets(front, blocks=blocks)
    inputs, operators = brute_force_sets(list(front), blocks)
    assert list(sets.inputs) == inputs
    assert [SPACE.operators[index] for index in sets.operators] == operators
    assert len(operators) >= 6  # those never used are in


def test_shares_are_of_slots() -> None:
    # Sec. 4.3.2: 10 cells of 3 blocks have 60 operator slots, so 6 uses are a share of .1.
    front = random_cells(10, 3, seed=0, operators=1)
    encoding = front.encoding.copy()
    encoding[0, 0, 1] = 5  # 1 of 60 is 1/60, not below 1/60
    assert 5 not in exploration_sets(CellBatch(SPACE, encoding), blocks=3).operators
    assert 6 in exploration_sets(CellBatch(SPACE, encoding), blocks=3).operators


@pytest.mark.parametrize("seed", range(12))
def test_front_follows_the_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = int(rng.integers(2, 5))
    cells = random_cells(300, blocks, seed)
    # Coarse values, so that ties in accuracy and in time are common.
    accuracy = rng.integers(20, 40, size=300) / 40
    seconds = rng.integers(10, 60, size=300) / 4
    front = rng.choice(300, size=5, replace=False)
    inputs = [[], [0], [-2, 1 if blocks > 2 else 0]][seed % 3]
    operators = [[8], [3, 4, 5], [], list(range(12))][seed % 4]
    sets = ExplorationSets(tuple(inputs), tuple(operators))
    found = exploration_front(cells, accuracy, seconds, front, sets, max_size=6)
    expected = brute_force_front(
        list(cells),
        cells.keys.tolist(),
        accuracy.tolist(),
        seconds.tolist(),
        set(front.tolist()),
        inputs,
        [SPACE.operators[index] for index in operators],
        6,
    )
    assert found.tolist() == expected


def test_both_branches_score() -> None:
    # The original program scored branch 1 twice and branch 2 never.
    cells = CellBatch.from_cells(
        SPACE,
        [
            Cell([(-1, "identity", -1, "3x3 conv"), (0, "identity", 0, "identity")]),
            Cell([(-1, "identity", -1, "identity"), (0, "identity", 0, "identity")]),
        ],
    )
    sets = ExplorationSets((), (SPACE.operator_index["3x3 conv"],))
    found = exploration_front(cells, [0.5, 0.9], [1.0, 1.0], [], sets, max_size=4)
    assert found.tolist() == [0]  # 1 + 2 + 1 points reach the mark of 4


@pytest.mark.parametrize(
    "arguments", [{"sets": ExplorationSets((), ()), "size": 4}, {"sets": None, "size": 0}]
)
def test_nothing_to_explore_is_a_normal_result(arguments: dict[str, Any]) -> None:
    cells = random_cells(20, 2, seed=3)
    sets = arguments["sets"] or ExplorationSets((0,), (1, 2))
    found = exploration_front(
        cells, np.full(20, 0.5), np.ones(20), [], sets, max_size=arguments["size"]
    )
    assert len(found) == 0
