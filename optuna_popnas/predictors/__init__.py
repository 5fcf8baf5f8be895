"""Predictors of a cell's accuracy and training seconds (Sec. 4.4)."""

from __future__ import annotations

from importlib import import_module
from typing import Any, TYPE_CHECKING


if TYPE_CHECKING:
    from optuna_popnas.predictors.accuracy import GaussianProcessAccuracyPredictor
    from optuna_popnas.predictors.base import Prediction
    from optuna_popnas.predictors.base import Predictor
    from optuna_popnas.predictors.boosted import CatBoostTimePredictor
    from optuna_popnas.predictors.boosted import XGBoostTimePredictor
    from optuna_popnas.predictors.features.reindex import operator_scores
    from optuna_popnas.predictors.features.reindex import operator_scores_v1
    from optuna_popnas.predictors.features.structure import structural_features
    from optuna_popnas.predictors.features.time_features import TIME_FEATURES
    from optuna_popnas.predictors.features.time_features import time_features
    from optuna_popnas.predictors.features.v1_features import v1_features
    from optuna_popnas.predictors.lstm import LSTMAccuracyPredictor
    from optuna_popnas.predictors.regressors import NNLSTimePredictor
    from optuna_popnas.predictors.regressors import RidgeTimePredictor
    from optuna_popnas.predictors.size_aware import ExploringAccuracyPredictor
    from optuna_popnas.predictors.size_aware import SizeAwareAccuracyPredictor
    from optuna_popnas.predictors.size_aware import SizeAwareAccuracyPredictor as AccuracyPredictor
    from optuna_popnas.predictors.size_aware import SizeAwareTimePredictor
    from optuna_popnas.predictors.spread import spread_cells
    from optuna_popnas.predictors.time import AdditiveTimePredictor
    from optuna_popnas.predictors.time import AdditiveTimePredictor as TimePredictor

# Loaded when first asked for: CatBoost and PyTorch take seconds to import.
_HOMES = {
    "AccuracyPredictor": ("size_aware", "SizeAwareAccuracyPredictor"),
    "AdditiveTimePredictor": ("time", "AdditiveTimePredictor"),
    "CatBoostTimePredictor": ("boosted", "CatBoostTimePredictor"),
    "ExploringAccuracyPredictor": ("size_aware", "ExploringAccuracyPredictor"),
    "GaussianProcessAccuracyPredictor": ("accuracy", "GaussianProcessAccuracyPredictor"),
    "LSTMAccuracyPredictor": ("lstm", "LSTMAccuracyPredictor"),
    "NNLSTimePredictor": ("regressors", "NNLSTimePredictor"),
    "Prediction": ("base", "Prediction"),
    "Predictor": ("base", "Predictor"),
    "RidgeTimePredictor": ("regressors", "RidgeTimePredictor"),
    "SizeAwareAccuracyPredictor": ("size_aware", "SizeAwareAccuracyPredictor"),
    "SizeAwareTimePredictor": ("size_aware", "SizeAwareTimePredictor"),
    "TIME_FEATURES": ("features.time_features", "TIME_FEATURES"),
    "TimePredictor": ("time", "AdditiveTimePredictor"),
    "XGBoostTimePredictor": ("boosted", "XGBoostTimePredictor"),
    "spread_cells": ("spread", "spread_cells"),
    "structural_features": ("features.structure", "structural_features"),
    "operator_scores": ("features.reindex", "operator_scores"),
    "operator_scores_v1": ("features.reindex", "operator_scores_v1"),
    "time_features": ("features.time_features", "time_features"),
    "v1_features": ("features.v1_features", "v1_features"),
}

__all__ = [
    "AccuracyPredictor",
    "AdditiveTimePredictor",
    "CatBoostTimePredictor",
    "ExploringAccuracyPredictor",
    "GaussianProcessAccuracyPredictor",
    "LSTMAccuracyPredictor",
    "NNLSTimePredictor",
    "Prediction",
    "Predictor",
    "RidgeTimePredictor",
    "SizeAwareAccuracyPredictor",
    "SizeAwareTimePredictor",
    "TIME_FEATURES",
    "TimePredictor",
    "XGBoostTimePredictor",
    "operator_scores",
    "operator_scores_v1",
    "spread_cells",
    "structural_features",
    "time_features",
    "v1_features",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
