"""A time predictor that learns from few cells: seconds are a sum of what is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import encode
from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.base import training_data
from optuna_popnas.predictors.gaussian_process import GaussianProcess
from optuna_popnas.predictors.reindex import built_cells
from optuna_popnas.predictors.structure import feature_columns
from optuna_popnas.predictors.structure import Features
from optuna_popnas.predictors.structure import SHAPE_FEATURES
from optuna_popnas.predictors.structure import structural_features
from optuna_popnas.predictors.sum_of_parts import SumOfParts
from optuna_popnas.predictors.threads import for_parts
from optuna_popnas.predictors.threads import one_blas_thread
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


# The cost of a cell apart from that of its blocks shows only in cells of different sizes.
_LARGER_CELLS = 30
_CORRECTED_CELLS = 20  # fewer say nothing about what the sum leaves out


class AdditiveTimePredictor:
    """Seconds as a sum over operators, joins and reshapes, corrected by a Gaussian process.

    Every cell of a network costs what its operators cost, by operator and by what they read,
    what joining its outputs costs, and so on; a cell that is built half as often costs half. The
    amounts are learnt together, each kind with its own prior. What the sum leaves out, relative
    to it, is left to a Gaussian process on structural features.

    Args:
        space: The search space.
        total_cells: Cells of a network that reads lookback -1: M (N + 1) - 1.
        seed: Seed of the choice of cells, where there are thousands.
    """

    def __init__(
        self, space: SearchSpace, *, total_cells: int = 8, seed: int | None = None
    ) -> None:
        if total_cells < 1:
            raise ValueError(f"`total_cells` must be at least 1, but got {total_cells}.")
        self.space = space
        self.total_cells = total_cells
        self.seed = seed
        self._sum: SumOfParts | None = None
        self._correction: GaussianProcess | None = None
        self._per_cell = False
        self._floor = 0.0
        self._error = 0.0

    def fit(self, cells: Sequence[Cell], seconds: npt.ArrayLike) -> AdditiveTimePredictor:
        """Learn from scratch.

        Args:
            cells: Trained cells; probed ones, too.
            seconds: ``(n,)`` their training seconds.

        Raises:
            ValueError: See :func:`~optuna_popnas.predictors.base.training_data`.
        """
        batch, values = training_data(self.space, cells, seconds, name="seconds", lowest=0.0)
        self._per_cell = int((batch.lengths > 1).sum()) >= _LARGER_CELLS
        features = structural_features(batch)
        with one_blas_thread():
            self._sum = SumOfParts().fit(self._parts(batch, features), values)
            predicted = self._sum.predict(self._parts(batch, features))
            # No cell is predicted to take next to no time, as a sum of estimates may say.
            self._floor = 0.1 * float(values[values > 0].min()) if values.any() else 0.0
            self._error = self._sum.relative_error
            self._correct(features, values, predicted, batch.lengths > 0)
        return self

    def _correct(
        self,
        features: Features,
        values: FloatArray,
        predicted: FloatArray,
        rows: npt.NDArray[np.bool_],
    ) -> None:
        self._correction = None
        rows = rows & (values > 0) & (predicted > 0)
        if rows.sum() < _CORRECTED_CELLS:
            return
        left_out = np.log(values[rows] / predicted[rows])
        groups = feature_columns(self.space).groups
        process = GaussianProcess(groups, rng=np.random.default_rng(self.seed))
        self._correction = process.fit(features[rows], left_out)
        self._error = float(left_out.std() * np.sqrt(process.hyperparameters.noise))

    def _parts(self, batch: CellBatch, features: Features) -> list[FloatArray]:
        """Return the groups of what is summed, ``(n, d)`` each, times the share of cells built."""
        at, lookbacks = feature_columns(self.space), self.space.lookbacks
        built = (built_cells(batch, self.total_cells) / self.total_cells)[:, None]
        slots = built * (2 * batch.lengths[:, None])
        shape = features[:, at.shape].astype(np.float64)
        concat = SHAPE_FEATURES.index("concat inputs")
        inner = SHAPE_FEATURES.index("block dependencies")
        reads = shape[:, len(SHAPE_FEATURES) :] > 0
        places = features[:, at.places].reshape(len(batch), -1, lookbacks + 1) * slots[:, :, None]
        parts = [
            np.ones((len(batch), 1)),
            features[:, at.operators] * slots,
            shape[:, [concat]] * built,
            shape[:, [inner]] * built,
            reads * built,
            *(places[:, :, place].astype(np.float64) for place in range(lookbacks + 1)),
        ]
        return [*parts, built] if self._per_cell else parts

    @overload
    def predict(self, cells: Sequence[Cell], return_std: Literal[False] = False) -> FloatArray: ...
    @overload
    def predict(
        self, cells: Sequence[Cell], return_std: Literal[True]
    ) -> tuple[FloatArray, FloatArray]: ...
    def predict(
        self, cells: Sequence[Cell], return_std: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Predict training seconds.

        Args:
            cells: Cells.
            return_std: Whether to return standard deviations, too.

        Returns:
            ``(n,)`` seconds, never negative, or a pair of such arrays.
        """
        total: SumOfParts = fitted(self._sum, self)
        batch = encode(self.space, cells)
        mean, relative = np.empty(len(batch)), np.full(len(batch), self._error)

        def predict_part(rows: slice) -> None:
            part = batch[rows]
            features = structural_features(part)
            mean[rows] = np.maximum(total.predict(self._parts(part, features)), self._floor)
            if self._correction is not None:
                left_out, deviation = self._correction.predict(features, deviations=return_std)
                mean[rows] *= np.where(part.lengths > 0, np.exp(left_out), 1.0)
                if deviation is not None:
                    relative[rows] = np.hypot(self._error, deviation)

        for_parts(predict_part, len(batch))
        return (mean, mean * relative) if return_std else mean
