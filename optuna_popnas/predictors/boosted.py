"""Boosted trees on time features: the thesis' CatBoost (Sec. 4.4.2, 6.1) and XGBoost (5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.regression.threads import cores
from optuna_popnas.predictors.regressors import FeatureSet
from optuna_popnas.predictors.regressors import FeatureTimePredictor
from optuna_popnas.predictors.regressors import Indexing
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


_FOLDS = 5


class CatBoostTimePredictor(FeatureTimePredictor):
    """Gradient boosting by CatBoost on time features.

    Hyperparameters are drawn from the ranges of Sec. 6.1 and judged on 5 folds with early
    stopping; the best set is trained again on all data, with the mean of its folds' best numbers
    of trees.

    Args:
        space: The search space.
        total_cells: Cells of a network that reads lookback -1: M (N + 1) - 1.
        feature_set: See :class:`~optuna_popnas.predictors.regressors.FeatureTimePredictor`.
        seed: Seed of the random search and of CatBoost.
        candidates: How many sets of hyperparameters are drawn.
        max_trees: The largest number of trees.
        patience: Trees without a better error on the fold held out, after which it stops.
        jobs: Sets judged at the same time; one per core if left out. The result does not depend
            on it.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        total_cells: int = 8,
        feature_set: FeatureSet = "popnas",
        seed: int | None = None,
        candidates: int = 20,
        max_trees: int = 2500,
        patience: int = 50,
        jobs: int | None = None,
    ) -> None:
        super().__init__(space, total_cells=total_cells, feature_set=feature_set, seed=seed)
        for name, value in [
            ("candidates", candidates),
            ("max_trees", max_trees),
            ("patience", patience),
            ("jobs", 1 if jobs is None else jobs),
        ]:
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1, but got {value}.")
        self.candidates = candidates
        self.max_trees = max_trees
        self.patience = patience
        self.jobs = jobs
        #: The hyperparameters that won, and their number of trees, after a fit.
        self.best_parameters: dict[str, float] | None = None
        self._model: Any = None

    def _draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Draw one set of hyperparameters (Sec. 6.1)."""
        return {
            "learning_rate": float(rng.uniform(0.02, 0.2)),
            "depth": int(rng.integers(3, 8)),
            "l2_leaf_reg": float(rng.uniform(0.1, 5.0)),
            "random_strength": float(rng.uniform(0.3, 3.0)),
            "bagging_temperature": float(rng.uniform(0.3, 3.0)),
        }

    def _relative_error(self, features: FloatArray, seconds: FloatArray) -> float:
        rng = np.random.default_rng(self.seed)
        options = {"random_seed": int(rng.integers(2**31))}
        if len(seconds) < _FOLDS:
            self.best_parameters = {**self._draw(rng), **options, "iterations": 100}
            return super()._relative_error(features, seconds)
        folds = np.array_split(rng.permutation(len(seconds)), _FOLDS)
        drawn = [{**self._draw(rng), **options} for _ in range(self.candidates)]

        def judge(parameters: dict[str, float]) -> _Judged:
            return self._judge(parameters, features, seconds, folds)

        # CatBoost lets go of Python's lock; one thread each keeps its results the same.
        with ThreadPoolExecutor(self.jobs or cores()) as pool:
            judged = list(pool.map(judge, drawn))
        best = min(judged, key=lambda item: item.error)
        self.best_parameters = {**best.parameters, "iterations": best.trees}
        return best.relative_error

    def _judge(
        self,
        parameters: dict[str, float],
        features: FloatArray,
        seconds: FloatArray,
        folds: list[npt.NDArray[np.intp]],
    ) -> _Judged:
        out = np.empty_like(seconds)
        trees = []
        for fold in folds:
            kept = np.setdiff1d(np.arange(len(seconds)), fold)
            model = _train(
                {**parameters, "iterations": self.max_trees},
                features[kept],
                seconds[kept],
                eval_set=(features[fold], seconds[fold]),
                early_stopping_rounds=self.patience,
            )
            out[fold] = model.predict(features[fold])
            trees.append(model.tree_count_)
        error = float(np.sqrt(np.mean(np.square(out - seconds))))
        relative = (np.maximum(out, 0.0) - seconds) / np.maximum(seconds, 1e-12)
        relative_error = float(np.sqrt(np.mean(np.square(relative))))
        return _Judged(parameters, error, relative_error, max(1, round(float(np.mean(trees)))))

    def _fit(self, features: FloatArray, seconds: FloatArray) -> None:
        self._model = _train(fitted(self.best_parameters, self), features, seconds)

    def _predict(self, features: FloatArray) -> FloatArray:
        return np.asarray(fitted(self._model, self).predict(features), dtype=np.float64)

    def feature_importance(self) -> FloatArray:
        """Return how much each feature changes predictions, ``(d,)`` in percent.

        Raises:
            RuntimeError: The predictor was not fitted.
        """
        model = fitted(self._model, self)
        if isinstance(model, _Constant):
            return np.zeros(self.features([Cell()]).shape[1])
        return np.asarray(model.get_feature_importance(thread_count=1), dtype=np.float64)

    def shap_values(self, cells: Sequence[Cell]) -> FloatArray:
        """Return how many seconds each feature adds to each prediction: ``(n, d)`` SHAP values.

        Raises:
            RuntimeError: The predictor was not fitted.
        """
        model = fitted(self._model, self)
        features = self.features(cells)
        if isinstance(model, _Constant):
            return np.zeros_like(features)
        from catboost import Pool

        values = model.get_feature_importance(Pool(features), type="ShapValues", thread_count=1)
        # The last column is the mean prediction.
        return np.asarray(values, dtype=np.float64)[:, :-1]


class _Judged(NamedTuple):
    parameters: dict[str, float]
    error: float
    relative_error: float
    trees: int


class _Constant:
    """Stands in where CatBoost refuses to learn: equal seconds, or equal features."""

    tree_count_ = 1

    def __init__(self, value: float) -> None:
        self.value = value

    def predict(self, features: FloatArray) -> FloatArray:
        return np.full(len(features), self.value)


def _train(
    parameters: dict[str, float], features: FloatArray, seconds: FloatArray, **options: Any
) -> Any:
    from catboost import CatBoostRegressor

    if np.ptp(seconds) == 0 or (features == features[0]).all():
        return _Constant(float(seconds.mean()))
    model = CatBoostRegressor(
        **parameters,
        loss_function="RMSE",
        bootstrap_type="Bayesian",
        thread_count=1,  # the same trees whatever the machine
        allow_writing_files=False,
        verbose=False,
    )
    return model.fit(features, seconds, **options)


class XGBoostTimePredictor(FeatureTimePredictor):
    """Gradient boosting by XGBoost on time features.

    Args:
        space: The search space.
        total_cells: Cells of a network that reads lookback -1.
        feature_set: See :class:`~optuna_popnas.predictors.regressors.FeatureTimePredictor`.
        seed: Seed.
        options: Options of ``xgboost.XGBRegressor`` that replace those used here.
        indexing: As ``feature_set``.
        sliding: Likewise.

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
        indexing: Indexing = "dynamic",
        sliding: bool = False,
    ) -> None:
        super().__init__(
            space,
            total_cells=total_cells,
            feature_set=feature_set,
            indexing=indexing,
            sliding=sliding,
            seed=seed,
        )
        try:
            import xgboost
        except ImportError:
            raise ImportError(
                "`XGBoostTimePredictor` needs XGBoost, but it is not installed. "
                "Run `pip install xgboost`."
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
