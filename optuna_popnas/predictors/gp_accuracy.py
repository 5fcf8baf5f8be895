"""An accuracy predictor that ranks well from few cells: a Gaussian process on ranks."""

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
from optuna_popnas.predictors.generic_costs import generic_costs
from optuna_popnas.predictors.quantiles import Quantiles
from optuna_popnas.predictors.structure import feature_columns
from optuna_popnas.predictors.structure import Features
from optuna_popnas.predictors.structure import structural_features
from optuna_popnas.predictors.threads import for_parts
from optuna_popnas.predictors.threads import one_blas_thread
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


class GaussianProcessAccuracyPredictor:
    """Gaussian process regression of the ranks of accuracies on structural features.

    Args:
        space: The search space.
        seed: Seed of the choice of cells, where there are thousands.
    """

    def __init__(self, space: SearchSpace, *, seed: int | None = None) -> None:
        self.space = space
        self.seed = seed
        self._process: GaussianProcess | None = None
        self._quantiles: Quantiles | None = None

    def fit(
        self, cells: Sequence[Cell], accuracies: npt.ArrayLike
    ) -> GaussianProcessAccuracyPredictor:
        """Learn from scratch.

        Args:
            cells: Trained cells.
            accuracies: ``(n,)`` their accuracies, in any unit in which more is better.

        Raises:
            ValueError: See :func:`~optuna_popnas.predictors.base.training_data`.
        """
        batch, values = training_data(self.space, cells, accuracies, name="accuracies")
        self._quantiles = Quantiles(values)
        features = _features(batch)
        *groups, shape = feature_columns(self.space).groups
        groups += [shape, slice(shape.stop, shape.stop + 2)]
        process = GaussianProcess(groups, rng=np.random.default_rng(self.seed))
        with one_blas_thread():
            self._process = process.fit(features, self._quantiles.ranks)
        return self

    @overload
    def predict(self, cells: Sequence[Cell], return_std: Literal[False] = False) -> FloatArray: ...
    @overload
    def predict(
        self, cells: Sequence[Cell], return_std: Literal[True]
    ) -> tuple[FloatArray, FloatArray]: ...
    def predict(
        self, cells: Sequence[Cell], return_std: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Predict accuracies.

        Args:
            cells: Cells.
            return_std: Whether to return standard deviations, too.

        Returns:
            ``(n,)`` accuracies, or a pair of such arrays.
        """
        process: GaussianProcess = fitted(self._process, self)
        quantiles: Quantiles = fitted(self._quantiles, self)
        batch = encode(self.space, cells)
        ranks, spread = np.empty(len(batch)), np.empty(len(batch))

        def predict_part(rows: slice) -> None:
            mean, deviation = process.predict(_features(batch[rows]), deviations=return_std)
            ranks[rows] = mean
            if deviation is not None:
                spread[rows] = deviation

        for_parts(predict_part, len(batch))
        mean = quantiles.values(ranks)
        if not return_std:
            return mean
        return mean, (quantiles.values(ranks + spread) - quantiles.values(ranks - spread)) / 2


def _features(batch: CellBatch) -> Features:
    """Return structural features and, after them, the logarithms of parameters and FLOPs."""
    return np.concatenate([structural_features(batch), generic_costs(batch)], axis=1)
