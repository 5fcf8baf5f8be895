"""Linear time predictors: NNLS and ridge regression (Sec. 5.4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.time_model import FeatureTimePredictor


class NNLSTimePredictor(FeatureTimePredictor):
    """Non-negative least squares on time features, with an intercept."""

    _weights: FloatArray | None = None

    def _fit(self, features: FloatArray, seconds: FloatArray) -> None:
        from scipy.optimize import nnls

        design = np.column_stack([features, np.ones(len(features))])
        self._weights = nnls(design, seconds)[0]

    def _predict(self, features: FloatArray) -> FloatArray:
        weights: FloatArray = fitted(self._weights, self)
        return features @ weights[:-1] + weights[-1]


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
        prediction: FloatArray = fitted(self._model, self).predict(features)
        return prediction
