"""An accuracy predictor that ranks well from few cells: a Gaussian process on ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import encode
from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import Prediction
from optuna_popnas.predictors.base import Predictor
from optuna_popnas.predictors.base import training_data
from optuna_popnas.predictors.features.sizes import generic_costs
from optuna_popnas.predictors.features.structure import feature_columns
from optuna_popnas.predictors.features.structure import Features
from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.predictors.regression.gaussian_process import GaussianProcess
from optuna_popnas.predictors.regression.quantiles import Quantiles
from optuna_popnas.predictors.regression.threads import for_parts
from optuna_popnas.predictors.regression.threads import one_blas_thread
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


class GaussianProcessAccuracyPredictor(Predictor):
    """Gaussian process regression of the ranks of accuracies on structural features.

    Args:
        space: The search space.
        seed: Seed of the choice of cells, where there are thousands.
    """

    def __init__(self, space: SearchSpace, *, seed: int | None = None) -> None:
        super().__init__(space, seed=seed)
        self._process: GaussianProcess | None = None
        self._quantiles: Quantiles | None = None

    def fit(
        self, cells: Sequence[Cell], values: npt.ArrayLike
    ) -> GaussianProcessAccuracyPredictor:
        batch, accuracies = training_data(self.space, cells, values, name="accuracies")
        self._quantiles = Quantiles(accuracies)
        features = _features(batch)
        *groups, shape = feature_columns(self.space).groups
        groups += [shape, slice(shape.stop, shape.stop + 2)]
        process = GaussianProcess(groups, rng=np.random.default_rng(self.seed))
        with one_blas_thread():
            self._process = process.fit(features, self._quantiles.ranks)
        return self

    def estimate(self, cells: Sequence[Cell]) -> Prediction:
        process: GaussianProcess = fitted(self._process, self)
        quantiles: Quantiles = fitted(self._quantiles, self)
        batch = encode(self.space, cells)
        ranks, spread = np.empty(len(batch)), np.empty(len(batch))

        def predict_part(rows: slice) -> None:
            mean, deviation = process.predict(_features(batch[rows]))
            ranks[rows], spread[rows] = mean, deviation

        for_parts(predict_part, len(batch))
        wide = quantiles.values(ranks + spread) - quantiles.values(ranks - spread)
        return Prediction(quantiles.values(ranks), wide / 2)


def _features(batch: CellBatch) -> Features:
    """Return structural features and, after them, the logarithms of parameters and FLOPs."""
    return np.concatenate([structural_features(batch), generic_costs(batch)], axis=1)
