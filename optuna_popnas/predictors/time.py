"""A time predictor that learns from few cells: seconds are a sum of what is built."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import encode
from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.base import Prediction
from optuna_popnas.predictors.base import Predictor
from optuna_popnas.predictors.base import training_data
from optuna_popnas.predictors.features.reindex import built_cells
from optuna_popnas.predictors.features.structure import feature_columns
from optuna_popnas.predictors.features.structure import Features
from optuna_popnas.predictors.features.structure import SHAPE_FEATURES
from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.predictors.regression.gaussian_process import GaussianProcess
from optuna_popnas.predictors.regression.sum_of_parts import SumOfParts
from optuna_popnas.predictors.regression.threads import for_parts
from optuna_popnas.predictors.regression.threads import one_blas_thread
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


# The cost of a cell apart from that of its blocks shows only in cells of different sizes.
_LARGER_CELLS = 30
_CORRECTED_CELLS = 20  # fewer say nothing about what the sum leaves out


class AdditiveTimePredictor(Predictor):
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
        super().__init__(space, seed=seed)
        self.total_cells = total_cells
        self._sum: SumOfParts | None = None
        self._correction: GaussianProcess | None = None
        self._per_cell = False
        self._floor = 0.0
        self._error = 0.0

    def fit(self, cells: Sequence[Cell], values: npt.ArrayLike) -> AdditiveTimePredictor:
        batch, seconds = training_data(self.space, cells, values, name="seconds", lowest=0.0)
        self._per_cell = int((batch.lengths > 1).sum()) >= _LARGER_CELLS
        features = structural_features(batch)
        with one_blas_thread():
            self._sum = SumOfParts().fit(self._parts(batch, features), seconds)
            predicted = self._sum.predict(self._parts(batch, features))
            # No cell is predicted to take next to no time, as a sum of estimates may say.
            self._floor = 0.1 * float(seconds[seconds > 0].min()) if seconds.any() else 0.0
            self._error = self._sum.relative_error
            self._correct(features, seconds, predicted, batch.lengths > 0)
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

    def estimate(self, cells: Sequence[Cell]) -> Prediction:
        total: SumOfParts = fitted(self._sum, self)
        batch = encode(self.space, cells)
        mean, relative = np.empty(len(batch)), np.full(len(batch), self._error)

        def predict_part(rows: slice) -> None:
            part = batch[rows]
            features = structural_features(part)
            mean[rows] = np.maximum(total.predict(self._parts(part, features)), self._floor)
            if self._correction is not None:
                left_out, deviation = self._correction.predict(features)
                mean[rows] *= np.where(part.lengths > 0, np.exp(left_out), 1.0)
                relative[rows] = np.hypot(self._error, deviation)

        for_parts(predict_part, len(batch))
        return Prediction(mean, mean * relative)


#: The default, by what it predicts.
TimePredictor = AdditiveTimePredictor
