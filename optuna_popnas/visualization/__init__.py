"""See a search: figures, drawings, a report, optuna-dashboard.

Everything is imported when it is first used; plotly loads with the first figure. Figures take a
study, or what :func:`view_study` read of it once.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, TYPE_CHECKING


if TYPE_CHECKING:
    from optuna_popnas.visualization.comparison import plot_comparison
    from optuna_popnas.visualization.correlation import plot_feature_correlation
    from optuna_popnas.visualization.dashboard import DashboardCallback
    from optuna_popnas.visualization.dashboard import update_dashboard
    from optuna_popnas.visualization.drawing.cell_drawing import draw_cell
    from optuna_popnas.visualization.drawing.cell_drawing import draw_cells
    from optuna_popnas.visualization.drawing.network_drawing import draw_network
    from optuna_popnas.visualization.effects import plot_operator_effects
    from optuna_popnas.visualization.hypervolume import plot_hypervolume
    from optuna_popnas.visualization.learning_curves import plot_learning_curves
    from optuna_popnas.visualization.levels import plot_levels
    from optuna_popnas.visualization.operators import plot_operators
    from optuna_popnas.visualization.page.report import report
    from optuna_popnas.visualization.pareto_front import plot_pareto_front
    from optuna_popnas.visualization.planned import plot_estimates
    from optuna_popnas.visualization.planned import plot_predicted_front
    from optuna_popnas.visualization.predictions import plot_predictions
    from optuna_popnas.visualization.time_model import plot_time_importance
    from optuna_popnas.visualization.time_model import plot_time_shap
    from optuna_popnas.visualization.trial_pictures import with_pictures
    from optuna_popnas.visualization.usage import plot_usage
    from optuna_popnas.visualization.workers import plot_workers

_HOMES = {
    "DashboardCallback": "dashboard",
    "draw_cell": "drawing.cell_drawing",
    "draw_cells": "drawing.cell_drawing",
    "draw_network": "drawing.network_drawing",
    "plot_comparison": "comparison",
    "plot_estimates": "planned",
    "plot_feature_correlation": "correlation",
    "plot_hypervolume": "hypervolume",
    "plot_learning_curves": "learning_curves",
    "plot_levels": "levels",
    "plot_operator_effects": "effects",
    "plot_operators": "operators",
    "plot_pareto_front": "pareto_front",
    "plot_predicted_front": "planned",
    "plot_predictions": "predictions",
    "plot_time_importance": "time_model",
    "plot_time_shap": "time_model",
    "plot_usage": "usage",
    "plot_workers": "workers",
    "report": "page.report",
    "update_dashboard": "dashboard",
    "with_pictures": "trial_pictures",
}

__all__ = [
    "DashboardCallback",
    "draw_cell",
    "draw_cells",
    "draw_network",
    "plot_comparison",
    "plot_estimates",
    "plot_feature_correlation",
    "plot_hypervolume",
    "plot_learning_curves",
    "plot_levels",
    "plot_operator_effects",
    "plot_operators",
    "plot_pareto_front",
    "plot_predicted_front",
    "plot_predictions",
    "plot_time_importance",
    "plot_time_shap",
    "plot_usage",
    "plot_workers",
    "report",
    "update_dashboard",
    "with_pictures",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
