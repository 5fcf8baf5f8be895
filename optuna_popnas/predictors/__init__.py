"""Predictors of a cell's accuracy and training seconds (Sec. 4.4)."""

from __future__ import annotations

from importlib import import_module
from typing import Any, TYPE_CHECKING


if TYPE_CHECKING:
    from optuna_popnas.predictors.additive_time import AdditiveTimePredictor
    from optuna_popnas.predictors.additive_time import AdditiveTimePredictor as TimePredictor
    from optuna_popnas.predictors.base import Predictor
    from optuna_popnas.predictors.catboost_time import CatBoostTimePredictor
    from optuna_popnas.predictors.gp_accuracy import GaussianProcessAccuracyPredictor
    from optuna_popnas.predictors.gp_accuracy import (
        GaussianProcessAccuracyPredictor as AccuracyPredictor,
    )
    from optuna_popnas.predictors.linear_time import NNLSTimePredictor
    from optuna_popnas.predictors.linear_time import RidgeTimePredictor
    from optuna_popnas.predictors.lstm import LSTMAccuracyPredictor
    from optuna_popnas.predictors.nine_features import TIME_FEATURES
    from optuna_popnas.predictors.nine_features import time_features
    from optuna_popnas.predictors.popnas_v1 import v1_features
    from optuna_popnas.predictors.reindex import operator_scores
    from optuna_popnas.predictors.reindex import operator_scores_v1
    from optuna_popnas.predictors.spread import spread_cells
    from optuna_popnas.predictors.structure import structural_features
    from optuna_popnas.predictors.xgboost_time import XGBoostTimePredictor

# Loaded when first asked for: CatBoost and PyTorch take seconds to import.
_HOMES = {
    "AccuracyPredictor": ("gp_accuracy", "GaussianProcessAccuracyPredictor"),
    "AdditiveTimePredictor": ("additive_time", "AdditiveTimePredictor"),
    "CatBoostTimePredictor": ("catboost_time", "CatBoostTimePredictor"),
    "GaussianProcessAccuracyPredictor": ("gp_accuracy", "GaussianProcessAccuracyPredictor"),
    "LSTMAccuracyPredictor": ("lstm", "LSTMAccuracyPredictor"),
    "NNLSTimePredictor": ("linear_time", "NNLSTimePredictor"),
    "Predictor": ("base", "Predictor"),
    "RidgeTimePredictor": ("linear_time", "RidgeTimePredictor"),
    "TIME_FEATURES": ("nine_features", "TIME_FEATURES"),
    "TimePredictor": ("additive_time", "AdditiveTimePredictor"),
    "XGBoostTimePredictor": ("xgboost_time", "XGBoostTimePredictor"),
    "spread_cells": ("spread", "spread_cells"),
    "structural_features": ("structure", "structural_features"),
    "operator_scores": ("reindex", "operator_scores"),
    "operator_scores_v1": ("reindex", "operator_scores_v1"),
    "time_features": ("nine_features", "time_features"),
    "v1_features": ("popnas_v1", "v1_features"),
}

__all__ = [
    "AccuracyPredictor",
    "AdditiveTimePredictor",
    "CatBoostTimePredictor",
    "GaussianProcessAccuracyPredictor",
    "LSTMAccuracyPredictor",
    "NNLSTimePredictor",
    "Predictor",
    "RidgeTimePredictor",
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
