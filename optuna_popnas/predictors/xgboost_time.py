"""A time predictor by XGBoost (Sec. 5.4), an optional extra."""

from __future__ import annotations

from typing import Any

import numpy as np

from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.time_model import FeatureSet
from optuna_popnas.predictors.time_model import FeatureTimePredictor
from optuna_popnas.space import SearchSpace


class XGBoostTimePredictor(FeatureTimePredictor):
    """Gradient boosting by XGBoost on time features.

    Args:
        space: The search space.
        total_cells: Cells of a network that reads lookback -1.
        feature_set: See :class:`~optuna_popnas.predictors.time_model.FeatureTimePredictor`.
        seed: Seed.
        options: Options of ``xgboost.XGBRegressor`` that replace those used here.

    Raises:
        ImportError: XGBoost is not installed.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        total_cells: int = 8,
        feature_set: FeatureSet = "popnas",
        seed: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(space, total_cells=total_cells, feature_set=feature_set, seed=seed)
        try:
            import xgboost
        except ImportError:
            raise ImportError(
                "`XGBoostTimePredictor` needs XGBoost, but it is not installed. "
                'Run `pip install "optuna-popnas[xgboost]"`.'
            ) from None
        self._regressor = xgboost.XGBRegressor
        self.options = options or {}
        self._model: Any = None

    def _fit(self, features: FloatArray, seconds: FloatArray) -> None:
        options: dict[str, Any] = {
            "n_estimators": 400,
            "learning_rate": 0.05,
            "max_depth": 4,
            "subsample": 0.8,
            "random_state": self.seed,
            "n_jobs": 1,  # the same trees whatever the machine
        }
        self._model = self._regressor(**{**options, **self.options}).fit(features, seconds)

    def _predict(self, features: FloatArray) -> FloatArray:
        return np.asarray(fitted(self._model, self).predict(features), dtype=np.float64)
