"""The exploration step (Sec. 4.3.2): cells with inputs and operators the front neglects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.search.pareto import walk_order
from optuna_popnas.space import CellBatch


# Points of Sec. 4.3.2.
_POINTS_USE = 1.0
_POINTS_RARE = 2.0
_POINTS_BALANCE = 1.0
_ACCURACY_STEP = 0.04
_COST_STEP = 0.10
_PASS_BOTH_SETS = 8.0
_PASS_ONE_SET = 4.0


class ExplorationSets(NamedTuple):
    """What a front neglects.

    Attributes:
        inputs: Input values, ascending.
        operators: Operator indices, ascending.
    """

    inputs: tuple[int, ...]
    operators: tuple[int, ...]


def exploration_sets(front: CellBatch, *, blocks: int) -> ExplorationSets:
    """Return the inputs and operators that the front uses too little (Sec. 4.3.2).

    A value belongs to its set if its share of the front's slots (two inputs and two operators a
    block) is below a fifth of the mean share: ``1 / (5 |I_b|)`` or ``1 / (5 |O|)``.

    Args:
        front: The cells of the Pareto front.
        blocks: Blocks per cell at this level (b).
    """
    space = front.space
    values = space.inputs(blocks - 1)
    slots = max(int(front.lengths.sum()) * 2, 1)
    present = front.present[:, :, None]

    def neglected(codes: npt.NDArray[np.int8], choices: tuple[int, ...]) -> tuple[int, ...]:
        limit = 1 / (5 * len(choices))
        uses = [int(((codes == value) & present).sum()) for value in choices]
        return tuple(value for value, count in zip(choices, uses) if count / slots < limit)

    return ExplorationSets(
        neglected(front.inputs, values),
        neglected(front.operators, tuple(range(len(space.operators)))),
    )


def exploration_front(
    cells: CellBatch,
    accuracy: npt.ArrayLike,
    costs: npt.ArrayLike,
    front: npt.ArrayLike,
    sets: ExplorationSets,
    /,
    *,
    max_size: int,
) -> npt.NDArray[np.intp]:
    """Return the indices of the exploration Pareto front, in the order of acceptance.

    Candidates are walked by accuracy. One is accepted if it is not in the main front, the last
    accepted one does not dominate it, and its score reaches the pass mark; scores depend on
    what has been accepted so far. Between two acceptances nothing changes, so each step scores
    all remaining candidates at once.

    Args:
        cells: ``n`` candidates, all within the limits.
        accuracy: ``(n,)`` predicted accuracies.
        costs: ``(n,)`` or ``(n, d)`` costs; the first column is the predicted time.
        front: Indices of the main front.
        sets: What to explore.
        max_size: Accept at most so many (J).
    """
    gains = np.asarray(accuracy, dtype=np.float64)
    matrix = np.asarray(costs, dtype=np.float64).reshape(len(gains), -1)
    if not (sets.inputs or sets.operators) or max_size == 0:
        return np.empty(0, dtype=np.intp)
    pass_mark = _PASS_BOTH_SETS if sets.inputs and sets.operators else _PASS_ONE_SET

    order = walk_order(gains, matrix, cells.keys)
    in_front = np.zeros(len(gains), dtype=bool)
    in_front[np.asarray(front, dtype=np.intp)] = True
    order = order[~in_front[order]]
    inputs = _slot_counts(cells.inputs, cells.present, sets.inputs)
    operators = _slot_counts(cells.operators, cells.present, sets.operators)
    # Cells that use nothing of the sets score 0 and never pass.
    order = order[(inputs[order].sum(axis=1) + operators[order].sum(axis=1)) > 0]
    inputs, operators = inputs[order], operators[order]
    gains, matrix = gains[order], matrix[order]

    accepted: list[int] = []
    used_inputs = np.zeros(len(sets.inputs))
    used_operators = np.zeros(len(sets.operators))
    start = 0
    while len(accepted) < max_size and start < len(order):
        total_inputs, total_operators = used_inputs.sum(), used_operators.sum()
        input_points = _points(used_inputs, total_inputs <= total_operators)
        operator_points = _points(used_operators, total_inputs >= total_operators)
        score = inputs[start:] @ input_points + operators[start:] @ operator_points
        passed = np.ones(len(score), dtype=bool)
        if accepted:
            last = accepted[-1]
            score = (
                score
                + _relative(gains[start:], gains[last]) / _ACCURACY_STEP
                + _relative(matrix[start:, 0], matrix[last, 0]) / _COST_STEP
            )
            # Walking by accuracy, the last member is never less accurate.
            no_worse = (matrix[last] <= matrix[start:]).all(axis=1)
            better = (matrix[last] < matrix[start:]).any(axis=1) | (gains[last] > gains[start:])
            passed = ~(no_worse & better)
        passed &= score >= pass_mark
        step = int(passed.argmax()) if passed.any() else len(passed)
        if step == len(passed):
            break
        chosen = start + step
        accepted.append(chosen)
        used_inputs += inputs[chosen]
        used_operators += operators[chosen]
        start = chosen + 1
    return order[accepted]


def _slot_counts(
    codes: npt.NDArray[np.int8], present: npt.NDArray[np.bool_], values: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """``(n, len(values))``: how many slots of each cell hold each value."""
    counts = [((codes == value) & present[:, :, None]).sum(axis=(1, 2)) for value in values]
    return np.array(counts, dtype=np.float64).reshape(len(values), len(codes)).T


def _points(used: npt.NDArray[np.float64], balance: bool) -> npt.NDArray[np.float64]:
    """Points for each slot with this value, given what has been accepted so far."""
    share = used / max(used.sum(), 1.0)
    rare = share <= 1 / max(len(used), 1)
    return _POINTS_USE + _POINTS_RARE * rare + _POINTS_BALANCE * balance


def _relative(values: npt.NDArray[np.float64], last: float) -> npt.NDArray[np.float64]:
    difference: npt.NDArray[np.float64] = np.abs(values - last) / max(abs(float(last)), 1e-12)
    return difference
