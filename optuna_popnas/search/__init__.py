"""The search itself (Sec. 4.3): fronts, exploration, plans. Pure: no Optuna, no PyTorch."""

from optuna_popnas.predictors.base import PredictorLike
from optuna_popnas.search.adaptive import plan_wave
from optuna_popnas.search.beam import plan_level
from optuna_popnas.search.exploration import exploration_front
from optuna_popnas.search.exploration import exploration_sets
from optuna_popnas.search.exploration import ExplorationSets
from optuna_popnas.search.models import LevelEstimates
from optuna_popnas.search.models import Predictors
from optuna_popnas.search.observation import Observation
from optuna_popnas.search.observation import Probe
from optuna_popnas.search.observation import Running
from optuna_popnas.search.pareto import hypervolume
from optuna_popnas.search.pareto import pareto_front
from optuna_popnas.search.pareto import thin_front
from optuna_popnas.search.pareto import top_accuracy
from optuna_popnas.search.plan import decode_cell
from optuna_popnas.search.plan import encode_cell
from optuna_popnas.search.plan import Plan
from optuna_popnas.search.plan import PlannedCell
from optuna_popnas.search.plan import PlanReport
from optuna_popnas.search.progress import descends
from optuna_popnas.search.progress import expected_trials
from optuna_popnas.search.progress import most_trials
from optuna_popnas.search.progress import next_wave
from optuna_popnas.search.progress import prediction_quality
from optuna_popnas.search.progress import PredictionQuality
from optuna_popnas.search.settings import MODES
from optuna_popnas.search.settings import SearchConfig
from optuna_popnas.search.settings import unused_settings


__all__ = [
    "MODES",
    "ExplorationSets",
    "LevelEstimates",
    "Observation",
    "Plan",
    "PlanReport",
    "PlannedCell",
    "PredictionQuality",
    "PredictorLike",
    "Predictors",
    "Probe",
    "Running",
    "SearchConfig",
    "decode_cell",
    "descends",
    "encode_cell",
    "expected_trials",
    "exploration_front",
    "exploration_sets",
    "hypervolume",
    "most_trials",
    "next_wave",
    "pareto_front",
    "plan_level",
    "plan_wave",
    "prediction_quality",
    "thin_front",
    "top_accuracy",
    "unused_settings",
]
