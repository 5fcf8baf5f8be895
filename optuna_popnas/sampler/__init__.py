"""POPNASv2 as an Optuna sampler: many workers, one study, nothing shared but the storage."""

from optuna_popnas.sampler.popnas_sampler import POPNASSampler
from optuna_popnas.sampler.records import front
from optuna_popnas.sampler.records import level_quality
from optuna_popnas.sampler.records import LevelQuality
from optuna_popnas.sampler.records import read_search
from optuna_popnas.sampler.records import SearchRecord
from optuna_popnas.sampler.records import TrialRecord
from optuna_popnas.sampler.steady import optimize_steadily
from optuna_popnas.sampler.worker import SearchEnded


__all__ = [
    "LevelQuality",
    "POPNASSampler",
    "SearchEnded",
    "SearchRecord",
    "TrialRecord",
    "front",
    "level_quality",
    "optimize_steadily",
    "read_search",
]
