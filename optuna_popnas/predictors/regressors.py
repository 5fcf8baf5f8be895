"""Regressors on time features: what they share (Sec. 4.4.2), and the linear ones (Sec. 5.4)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import encode
from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.base import Prediction
from optuna_popnas.predictors.base import Predictor
from optuna_popnas.predictors.base import training_data
from optuna_popnas.predictors.base import unique_rows
from optuna_popnas.predictors.features.reindex import operator_scores
from optuna_popnas.predictors.features.reindex import operator_scores_v1
from optuna_popnas.predictors.features.reindex import static_indices
from optuna_popnas.predictors.features.time_features import time_features
from optuna_popnas.predictors.features.v1_features import v1_features
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


FeatureSet = Literal["popnas", "popnas-v1"]
Indexing = Literal["dynamic", "static"]

_Self = TypeVar("_Self", bound="FeatureTimePredictor")


class FeatureTimePredictor(Predictor):
    """A regressor on time features; a subclass brings the regressor.

    Standard deviations are the relative error on data held out, times the prediction.

    Args:
        space: The search space.
        total_cells: Cells of a network that reads lookback -1: M (N + 1) - 1.
        feature_set: "popnas": the nine features of Sec. 5.3.3; "popnas-v1": those of
            Sec. 5.3.1.
        indexing: Of operators in the features of POPNASv1: "dynamic", by seconds, or "static",
            by rank (Sec. 3.4.3).
        sliding: Whether a cell with fewer blocks than the space allows is learnt at every place
            of POPNASv1's features, not at the first alone (the sliding blocks of Sec. 5.3.1).
        seed: Seed of the regressor's randomness; None for another one each time.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        total_cells: int = 8,
        feature_set: FeatureSet = "popnas",
        indexing: Indexing = "dynamic",
        sliding: bool = False,
        seed: int | None = None,
    ) -> None:
        if feature_set not in ("popnas", "popnas-v1"):
            raise ValueError(
                f'`feature_set` must be "popnas" or "popnas-v1", but got {feature_set!r}.'
            )
        if indexing not in ("dynamic", "static"):
            raise ValueError(f'`indexing` must be "dynamic" or "static", but got {indexing!r}.')
        if feature_set == "popnas" and (sliding or indexing == "static"):
            raise ValueError(
                '`feature_set` must be "popnas-v1" for `indexing` or `sliding`, but got "popnas".'
            )
        if total_cells < 1:
            raise ValueError(f"`total_cells` must be at least 1, but got {total_cells}.")
        super().__init__(space, seed=seed)
        self.total_cells = total_cells
        self.feature_set = feature_set
        self.indexing = indexing
        self.sliding = sliding
        self._scores: Mapping[str, float] | None = None
        self._error: float | None = None

    @abstractmethod
    def _fit(self, features: FloatArray, seconds: FloatArray) -> None:
        """Fit the regressor to ``(n, d)`` features and ``(n,)`` seconds."""

    @abstractmethod
    def _predict(self, features: FloatArray) -> FloatArray:
        """Return ``(n,)`` seconds of ``(n, d)`` features."""

    def _relative_error(self, features: FloatArray, seconds: FloatArray) -> float:
        """Return the root mean square of the relative errors on data not fitted to."""
        rng = np.random.default_rng(self.seed)
        folds = np.array_split(rng.permutation(len(seconds)), min(5, len(seconds)))
        if len(folds) < 2:
            return 0.0
        errors = []
        for fold in folds:
            kept = np.setdiff1d(np.arange(len(seconds)), fold)
            self._fit(features[kept], seconds[kept])
            predicted = np.maximum(self._predict(features[fold]), 0.0)
            errors.append((predicted - seconds[fold]) / np.maximum(seconds[fold], 1e-12))
        return float(np.sqrt(np.mean(np.square(np.concatenate(errors)))))

    def features(self, cells: Sequence[Cell]) -> FloatArray:
        """Return the features of some cells, ``(n, d)``, with the scores that were learnt.

        Raises:
            RuntimeError: The predictor was not fitted.
        """
        scores: Mapping[str, float] = fitted(self._scores, self)
        if self.feature_set == "popnas":
            return time_features(encode(self.space, cells), scores, self.total_cells)
        return v1_features(self.space, cells, scores)

    def fit(self: _Self, cells: Sequence[Cell], values: npt.ArrayLike) -> _Self:
        canonical, seconds = training_data(self.space, cells, values, name="seconds", lowest=0.0)
        first = static_indices if self.indexing == "static" else operator_scores_v1
        scores = operator_scores if self.feature_set == "popnas" else first
        self._scores = scores(self.space, canonical, seconds)
        features = self.features(CellBatch.from_cells(self.space, cells))
        self._error = self._relative_error(features, seconds)
        if self.sliding:
            features, seconds = _slide(features, seconds, self.space.max_blocks)
        self._fit(features, seconds)
        return self

    def estimate(self, cells: Sequence[Cell]) -> Prediction:
        if not len(cells):
            mean = np.zeros(0)
        else:
            rows, inverse = unique_rows(self.features(cells))
            mean = np.maximum(self._predict(rows), 0.0)[inverse]
        return Prediction(mean, mean * float(fitted(self._error, self)))


def _slide(
    features: FloatArray, seconds: FloatArray, blocks: int
) -> tuple[FloatArray, FloatArray]:
    """Return POPNASv1's features with the blocks of each cell at every place they can take."""
    slots = features[:, 1:].reshape(len(features), blocks, 4)
    rows, times = [], []
    for shift in range(blocks):
        fits = features[:, 0] + shift <= blocks if shift else np.ones(len(features), dtype=bool)
        moved = np.roll(slots[fits], shift, axis=1).reshape(fits.sum(), -1)
        rows.append(np.column_stack([features[fits, :1], moved]))
        times.append(seconds[fits])
    return np.concatenate(rows), np.concatenate(times)


class NNLSTimePredictor(FeatureTimePredictor):
    """Non-negative least squares on time features, with an intercept."""

    _weights: FloatArray | None = None

    def _fit(self, features: FloatArray, seconds: FloatArray) -> None:
        from scipy.optimize import nnls

        design = np.column_stack([features, np.ones(len(features))])
        self._weights = nnls(design, seconds)[0]

    def _predict(self, features: FloatArray) -> FloatArray:
        weights: FloatArray = fitted(self._weights, self)
        return _linear(features, weights[:-1], float(weights[-1]))


class RidgeTimePredictor(FeatureTimePredictor):
    """Ridge regression on standardised time features; its strength by leave-one-out."""

    _model: Any = None

    def _fit(self, features: FloatArray, seconds: FloatArray) -> None:
        from sklearn.linear_model import Ridge
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        regressor = RidgeCV(alphas=np.logspace(-4, 3, 15)) if len(seconds) > 2 else Ridge()
        self._model = make_pipeline(StandardScaler(), regressor).fit(features, seconds)

    def _predict(self, features: FloatArray) -> FloatArray:
        scaler, regressor = fitted(self._model, self)
        return _linear(scaler.transform(features), regressor.coef_, float(regressor.intercept_))


def _linear(features: FloatArray, weights: FloatArray, intercept: float) -> FloatArray:
    """Return sums row by row: those of BLAS depend on a row's place, on some processors."""
    sums: FloatArray = (features * weights).sum(axis=1) + intercept
    return sums
