"""What a study says, as plain data: its trials, its front, how well it was predicted."""

from optuna_popnas.study.excess import Excess
from optuna_popnas.study.excess import expected_excess
from optuna_popnas.study.front import front
from optuna_popnas.study.quality import level_quality
from optuna_popnas.study.quality import LevelQuality
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.selection import select
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.summary import summarize
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study


__all__ = [
    "Excess",
    "LevelQuality",
    "SearchSummary",
    "StudyView",
    "TrialRecord",
    "expected_excess",
    "front",
    "level_quality",
    "select",
    "summarize",
    "view_study",
]
