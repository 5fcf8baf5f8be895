"""Dynamic reindex: how much an operator costs in seconds (Sec. 4.4.2 and 3.4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.base import training_data
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


_MANY = 840  # a number of cells that every small lookback distance divides


def operator_scores(
    space: SearchSpace, cells: Sequence[Cell], seconds: npt.ArrayLike
) -> dict[str, float]:
    """Return the dynamic reindex of each operator (Sec. 4.4.2).

    ``score(o) = max(0, t_o - t_0) / max over operators``, where ``t_o`` are the seconds of the
    symmetric cell ``[(-1, o, -1, o)]`` and ``t_0`` those of the empty cell, 0 if it
    was not trained. Missing symmetric cells are estimated: seconds are modelled as ``t_0`` plus
    a non-negative amount per operator slot, fitted to the relative errors of all cells by least
    squares. An operator that no cell has gets the mean of the others.

    Args:
        space: The search space.
        cells: Trained cells, in any order.
        seconds: ``(n,)`` their training seconds.

    Returns:
        Operator -> score from 0 to 1, the costliest one 1; all 0 if no operator takes longer
        than the empty cell.
    """
    excess = _excess_seconds(space, cells, seconds)
    top = excess.max()
    scores = np.maximum(excess, 0) / top if top > 0 else np.zeros_like(excess)
    return dict(zip(space.operators, scores.tolist()))


def operator_scores_v1(
    space: SearchSpace, cells: Sequence[Cell], seconds: npt.ArrayLike
) -> dict[str, float]:
    """Return the dynamic reindex of POPNASv1 (Sec. 3.4.3): ``t_o / max(T) * |O|``.

    See :func:`operator_scores`; here the seconds of the empty cell are not taken off.
    """
    batch, values = training_data(space, cells, seconds, name="seconds", lowest=0.0)
    estimated = _excess_seconds(space, batch, values) + _empty_seconds(batch, values)
    measured = _symmetric_seconds(batch, values)
    total = np.where(np.isnan(measured), estimated, measured)
    top = total.max()
    scores = total / top if top > 0 else np.ones_like(total)
    return dict(zip(space.operators, (scores * len(total)).tolist()))


def static_indices(
    space: SearchSpace, cells: Sequence[Cell], seconds: npt.ArrayLike
) -> dict[str, float]:
    """Return POPNASv1's static index of each operator: its rank by time, from 1 (Sec. 3.4.3)."""
    scores = operator_scores_v1(space, cells, seconds)
    order = sorted(space.operators, key=lambda name: scores[name])
    return {name: float(order.index(name) + 1) for name in space.operators}


def _excess_seconds(
    space: SearchSpace, cells: Sequence[Cell], seconds: npt.ArrayLike
) -> FloatArray:
    """Return ``(|O|,)`` seconds of each symmetric cell over those of the empty cell."""
    batch, values = training_data(space, cells, seconds, name="seconds", lowest=0.0)
    start = _empty_seconds(batch, values)
    excess = np.maximum(_symmetric_seconds(batch, values) - start, 0.0)
    if np.isnan(excess).any():
        estimate = 2 * _slot_seconds(batch, np.maximum(values - start, 0.0))
        excess = np.where(np.isnan(excess), estimate, excess)
    known = ~np.isnan(excess)
    return np.where(known, excess, excess[known].mean() if known.any() else 0.0)


def _symmetric_seconds(batch: CellBatch, values: FloatArray) -> FloatArray:
    """Return ``(|O|,)`` mean seconds of each cell ``[(-1, o, -1, o)]``; NaN if there is none."""
    found = np.full(len(batch.space.operators), np.nan)
    if batch.encoding.shape[1]:
        first = batch.encoding[:, 0]
        symmetric = (batch.lengths == 1) & (first[:, 0] == -1) & (first[:, 2] == -1)
        symmetric &= first[:, 1] == first[:, 3]
        for index in range(len(found)):
            measured = values[symmetric & (first[:, 1] == index)]
            if len(measured):
                found[index] = measured.mean()
    return found


def _empty_seconds(batch: CellBatch, values: FloatArray) -> float:
    """Return the mean seconds of the empty cell; 0 if it was not trained."""
    empty = values[batch.lengths == 0]
    return float(empty.mean()) if len(empty) else 0.0


def _slot_seconds(batch: CellBatch, excess: FloatArray) -> FloatArray:
    """Return ``(|O|,)`` seconds per operator slot; NaN for operators that no cell has."""
    from scipy.optimize import nnls

    slots = operator_counts(batch)
    # A cell without lookback -1 is built half as often, or less.
    design = slots * (built_cells(batch, _MANY) / _MANY)[:, None]
    weight = 1 / np.maximum(excess, max(float(excess.max()) * 1e-3, 1e-12))
    per_slot: FloatArray = nnls(design * weight[:, None], excess * weight)[0]
    per_slot[~slots.any(axis=0)] = np.nan
    return per_slot


def operator_counts(batch: CellBatch) -> FloatArray:
    """Return ``(n, |O|)``: in how many slots each cell has each operator."""
    count = len(batch.space.operators)
    n, width, _ = batch.encoding.shape
    flat = np.arange(n)[:, None, None] * count + batch.operators
    flat = flat[np.broadcast_to(batch.present[:, :, None], flat.shape)]
    counts = np.bincount(flat, minlength=n * count).reshape(n, count)
    return counts.astype(np.float64)


def built_cells(batch: CellBatch, total_cells: int) -> FloatArray:
    """Return ``(n,)``: how many cells the network of each cell has (Sec. 5.3.2).

    A cell whose nearest lookback is ``-d`` is built ``ceil(total / d)`` times, the empty cell
    never.
    """
    nearest = np.full(len(batch), -127, dtype=np.int8)
    for block in range(batch.encoding.shape[1]):
        there = batch.lengths > block
        for branch in (0, 2):
            source = batch.encoding[:, block, branch]
            np.maximum(nearest, np.where(there & (source < 0), source, -127), out=nearest)
    built = -(total_cells // nearest.astype(np.intp))
    return np.where(batch.lengths > 0, built, 0).astype(np.float64)
