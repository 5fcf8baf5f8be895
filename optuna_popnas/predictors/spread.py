"""Cells that tell the most about the others: which ones to probe or to train first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.space import CellBatch


_POOL = 4096  # candidates looked at: more would not spread visibly better


def spread_cells(
    cells: CellBatch, count: int, *, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Choose cells that are spread over the space of structural features.

    One after the other, the cell is taken that a Gaussian process knows least about, given those
    taken before it.

    Args:
        cells: Candidates.
        count: How many to choose; all if there are fewer.
        rng: Draws the candidates that are looked at, if there are very many.

    Returns:
        ``(count,)`` distinct row numbers, ascending.
    """
    if count < 0:
        raise ValueError(f"`count` must be at least 0, but got {count}.")
    if count >= len(cells):
        return np.arange(len(cells))
    pool = np.arange(len(cells))
    if len(cells) > max(_POOL, 2 * count):
        pool = np.sort(rng.choice(len(cells), max(_POOL, 2 * count), replace=False))
    features = structural_features(cells.take(pool)).astype(np.float64)
    features = features[:, np.ptp(features, axis=0) > 0]
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    features /= np.sqrt(max(1, features.shape[1]))
    squares = np.square(features).sum(axis=1)

    # A pivoted Cholesky factorisation of the kernel matrix, row by row.
    variance = np.ones(len(pool)) - 1e-9 * rng.random(len(pool))  # ties fall at random
    factor = np.zeros((count, len(pool)))
    chosen = np.empty(count, dtype=np.intp)
    for step in range(count):
        at = int(variance.argmax())
        chosen[step] = at
        distance = np.maximum(squares + squares[at] - 2 * features @ features[at], 0.0)
        row = np.exp(-0.5 * distance) - factor[:step, at] @ factor[:step]
        factor[step] = row / np.sqrt(max(variance[at], 1e-12))
        variance = np.maximum(variance - factor[step] ** 2, 0.0)
        variance[chosen[: step + 1]] = -1.0
    return np.sort(pool[chosen])


def spread_by_covariance(
    covariance: FloatArray,
    prices: FloatArray,
    count: int,
    *,
    noise: float,
    keys: npt.NDArray[np.uint64],
    given: int = 0,
) -> npt.NDArray[np.intp]:
    """Choose cells that tell the most for their price, given that the first ones are known.

    Args:
        covariance: ``(n, n)`` what is believed of the cells; not changed.
        prices: ``(n,)``; the variance of a cell is divided by its price.
        count: How many to choose; all if there are fewer.
        noise: Variance of the noise with which a cell is seen.
        keys: ``(n,)`` of the cells, which settle ties.
        given: So many cells, the first ones, are known already.

    Returns:
        ``(count,)`` rows in the order of choice, none of them among the first ``given``.
    """
    covariance = covariance.copy()
    free = np.arange(len(prices)) >= given
    chosen: list[int] = []
    while len(chosen) < count + given and (free.any() or len(chosen) < given):
        row = len(chosen)
        if row >= given:
            score = np.round(np.diag(covariance) / prices, 9)
            row = int(np.lexsort([keys, -np.where(free, score, -np.inf)])[0])
        chosen.append(row)
        free[row] = False
        column = covariance[:, row].copy()
        covariance -= np.outer(column, column) / (column[row] + noise)
    return np.array(chosen[given:], dtype=np.intp)
