"""Pareto fronts (Sec. 4.3.1) of estimates or measurements: accuracy up, costs down."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


Floats = npt.NDArray[np.float64]

_EXACT = 512  # members of a front up to which the best ones are found exactly


def walk_order(
    accuracy: Floats, costs: Floats, keys: npt.NDArray[np.uint64], /
) -> npt.NDArray[np.intp]:
    """Return the order of the sweep: accuracy descending, costs ascending, key ascending.

    Args:
        accuracy: ``(n,)``.
        costs: ``(n, d)``, such as seconds of training in the only column.
        keys: ``(n,)`` distinct keys of the cells; they make the order, and so the whole
            search, independent of the order of the candidates.
    """
    columns = [keys, *costs.T[::-1], -accuracy]
    return np.lexsort(columns)


def pareto_front(
    accuracy: npt.ArrayLike,
    costs: npt.ArrayLike,
    keys: npt.ArrayLike | None = None,
    /,
    *,
    max_size: int | None = None,
) -> npt.NDArray[np.intp]:
    """Return the indices of the Pareto front, the most accurate first (Sec. 4.3.1).

    A candidate is dominated if another one is at least as good in everything and better in
    something. Of candidates that are equal in everything the one with the smallest key is
    kept.

    Args:
        accuracy: ``(n,)``, to be maximised.
        costs: ``(n,)`` or ``(n, d)``, to be minimised.
        keys: ``(n,)`` tie-breakers; positions if left out.
        max_size: Keep at most so many, the most accurate ones (K).

    Raises:
        ValueError: The lengths differ or a value is NaN.

    Example:
        >>> pareto_front([0.9, 0.8, 0.7], [3.0, 4.0, 1.0]).tolist()
        [0, 2]
    """
    gains, matrix = _columns(accuracy, costs)
    order = walk_order(gains, matrix, _tie_breakers(keys, len(gains)))
    if matrix.shape[1] == 1:
        ordered = matrix[order, 0]
        best_before = np.minimum.accumulate(np.concatenate([[np.inf], ordered[:-1]]))
        front = order[(ordered < best_before) | (np.arange(len(order)) == 0)]
    else:
        front = order[_non_dominated_sorted(matrix[order])]
    return front if max_size is None else front[:max_size]


def _non_dominated_sorted(costs: Floats) -> npt.NDArray[np.intp]:
    """Positions that no earlier row weakly dominates; earlier rows are never less accurate."""
    kept = []
    alive = np.arange(len(costs))
    while len(alive):
        head = alive[0]
        kept.append(head)
        alive = alive[1:]
        alive = alive[(costs[alive] < costs[head]).any(axis=1)]
    return np.array(kept, dtype=np.intp)


def top_accuracy(
    accuracy: npt.ArrayLike, keys: npt.ArrayLike | None = None, /, *, max_size: int | None = None
) -> npt.NDArray[np.intp]:
    """Return the indices of the most accurate candidates, PNAS' beam (Sec. 3.3.2)."""
    gains = np.asarray(accuracy, dtype=np.float64)
    order = np.lexsort([_tie_breakers(keys, len(gains)), -gains])
    return order if max_size is None else order[:max_size]


def thin_front(
    accuracy: npt.ArrayLike, costs: npt.ArrayLike, /, *, max_size: int
) -> npt.NDArray[np.intp]:
    """Return which members of a front to keep, so that little of it is lost.

    With one cost these are the most accurate member, the cheapest one, and those between them
    with which the hypervolume is largest. With several costs, where that would take long, the
    best member in each objective and then, one after another, the one that is farthest from all
    that are kept, each objective measured from its worst (0) to its best value (1).

    Args:
        accuracy: ``(n,)`` of a front, the most accurate first.
        costs: ``(n,)`` or ``(n, d)``.
        max_size: Keep so many.

    Returns:
        Ascending positions; all of them if there are no more than ``max_size``.
    """
    gains, matrix = _columns(accuracy, costs)
    if len(gains) <= max_size:
        return np.arange(len(gains))
    if max_size == 1:
        return np.zeros(1, dtype=np.intp)
    if matrix.shape[1] == 1:
        return len(gains) - 1 - _largest_area(gains[::-1], matrix[::-1, 0], max_size)[::-1]
    values = np.column_stack([gains, -matrix])
    values = (values - values.min(axis=0)) / np.maximum(np.ptp(values, axis=0), 1e-12)
    kept = list(dict.fromkeys(values.argmax(axis=0).tolist()))[:max_size]
    distance = np.min([np.square(values - values[row]).sum(axis=1) for row in kept], axis=0)
    while len(kept) < max_size:
        kept.append(int(distance.argmax()))
        distance = np.minimum(distance, np.square(values - values[kept[-1]]).sum(axis=1))
    return np.sort(np.array(kept, dtype=np.intp))


def _largest_area(gains: Floats, costs: Floats, size: int) -> npt.NDArray[np.intp]:
    """Choose ``size`` of ``(n,)`` points with the largest area under their steps, ends included.

    Both arrays ascend. Dynamic programming: ``area[j]`` is the largest area up to point ``j``
    with so many points chosen, ``j`` the last of them.
    """
    rows = np.arange(len(gains))
    if len(rows) > _EXACT:  # the table grows with the square: look at some, evenly
        rows = np.linspace(0, len(rows) - 1, max(_EXACT, size)).round().astype(np.intp)
    if len(rows) == size or size > _EXACT:
        return rows
    high, at = gains[rows] - gains[0], costs[rows]
    step = np.where(at < at[:, None], high * (at[:, None] - at), -np.inf)  # to j (row) from i
    area = np.where(np.arange(len(rows)) == 0, 0.0, -np.inf)
    before = np.empty((size, len(rows)), dtype=np.intp)
    total = np.empty_like(step)
    for chosen in range(1, size):
        np.add(step, area, out=total)
        before[chosen] = total.argmax(axis=1)
        area = total[np.arange(len(rows)), before[chosen]]
    path = [len(rows) - 1]
    for chosen in range(size - 1, 0, -1):
        path.append(int(before[chosen, path[-1]]))
    return rows[path[::-1]]


def hypervolume(
    accuracy: npt.ArrayLike,
    costs: npt.ArrayLike,
    /,
    *,
    reference_cost: float | None = None,
    reference_accuracy: float = 0.0,
) -> float:
    """Return the area between the front of the points and a reference point.

    Args:
        accuracy: ``(n,)``, to be maximised.
        costs: ``(n,)``, to be minimised.
        reference_cost: Points that cost more do not count. The largest cost if left out.
        reference_accuracy: Points that are less accurate do not count.

    Example:
        >>> hypervolume([0.5, 1.0], [1.0, 2.0], reference_cost=3.0)
        1.5
    """
    gains, matrix = _columns(accuracy, costs)
    if len(gains) == 0:
        return 0.0
    column = matrix[:, 0]
    limit = float(column.max()) if reference_cost is None else reference_cost
    rows = np.flatnonzero((column < limit) & (gains > reference_accuracy))
    if len(rows) == 0:
        return 0.0
    front = rows[pareto_front(gains[rows], column[rows])][::-1]
    height = gains[front] - reference_accuracy
    width = np.diff(np.append(column[front], limit))
    return float(height @ width)


def _columns(accuracy: npt.ArrayLike, costs: npt.ArrayLike) -> tuple[Floats, Floats]:
    gains = np.asarray(accuracy, dtype=np.float64)
    matrix = np.asarray(costs, dtype=np.float64)
    matrix = matrix.reshape(len(gains), -1) if matrix.size else np.empty((len(gains), 0))
    if np.isnan(gains).any() or np.isnan(matrix).any():
        raise ValueError("`accuracy` and `costs` must not hold NaN. Drop these candidates first.")
    return gains, matrix


def _tie_breakers(keys: npt.ArrayLike | None, count: int) -> npt.NDArray[np.uint64]:
    return np.asarray(np.arange(count) if keys is None else keys, dtype=np.uint64)
