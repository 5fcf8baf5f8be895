"""Cells in units that hold for a whole space, whichever of them were trained."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.features.descriptors import descriptors
from optuna_popnas.predictors.features.structure import feature_columns
from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


_CELLS = 600  # random ones, of all depths, that units are taken from


class Inputs(NamedTuple):
    """Cells as a process sees them.

    Attributes:
        sizes: ``(n, p)`` descriptors, standardised.
        groups: ``(n, d_g)`` groups of features, scaled so that cells of the space are at
            distance 1 or so.
        beyond: ``(n, t)`` what other searches let expect beyond what size does, in deviations of
            targets; None where there are none.
    """

    sizes: FloatArray
    groups: tuple[FloatArray, ...]
    beyond: FloatArray | None = None

    def take(self, rows: npt.NDArray[np.intp]) -> Inputs:
        """Return some rows."""
        groups = tuple(group[rows] for group in self.groups)
        beyond = None if self.beyond is None else self.beyond[rows]
        return Inputs(self.sizes[rows], groups, beyond)


class _Frame(NamedTuple):
    """Means and deviations of features over the cells of a space."""

    size_mean: FloatArray
    size_deviation: FloatArray
    mean: FloatArray
    deviation: FloatArray


def inputs_of(space: SearchSpace, batch: CellBatch) -> Inputs:
    """Return cells, in canonical form, as a process sees them."""
    frame, at = _frame(space), feature_columns(space)
    sizes = (descriptors(batch) - frame.size_mean) / frame.size_deviation
    features = structural_features(batch).astype(np.float64)
    features -= frame.mean
    features /= frame.deviation
    made, joined, _ = at.groups
    groups = (
        sizes / np.sqrt(sizes.shape[1]),
        features[:, made] / np.sqrt(made.stop - made.start),
        features[:, joined] / np.sqrt(joined.stop - joined.start),
    )
    return Inputs(sizes, groups)


@lru_cache(maxsize=32)
def _frame(space: SearchSpace) -> _Frame:
    # Of the space, not of the trained cells: a dozen of those say little, and prior knowledge
    # holds for units that do not change with them.
    rng = np.random.default_rng(0)
    each = max(1, _CELLS // space.max_blocks)
    depths = range(1, space.max_blocks + 1)
    parts = [space.random_cells(blocks, each, rng=rng) for blocks in depths]
    batch = CellBatch.concatenate(parts).canonical()
    sizes = descriptors(batch)
    features = structural_features(batch).astype(np.float64)
    return _Frame(sizes.mean(0), _deviation(sizes), features.mean(0), _deviation(features))


def _deviation(values: FloatArray) -> FloatArray:
    found: FloatArray = values.std(axis=0)
    return np.where(found > 1e-6, found, np.inf)  # what never varies does not count
