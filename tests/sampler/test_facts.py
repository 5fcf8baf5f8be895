from __future__ import annotations

from datetime import datetime
from datetime import timedelta

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
import pytest

from optuna_popnas.sampler.facts import direction_problem
from optuna_popnas.sampler.facts import read_fact
from optuna_popnas.sampler.facts import value_problem


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ((0.5, 1.0), None),
        ((0.5,), None),
        ((float("nan"), 1.0), "accuracy must be a finite number, but got nan"),
        ((float("-inf"), 1.0), "accuracy must be a finite number, but got -inf"),
        ((0.5, 0.0), "greater than 0, but got 0.0"),
        ((0.5, -1.0), "greater than 0, but got -1.0"),
        ((0.5, float("inf")), "finite number of seconds greater than 0, but got inf"),
    ],
)
def test_values_that_count_as_failed(values: tuple[float, ...], problem: str | None) -> None:
    found = value_problem(values)
    assert found is None if problem is None else problem in (found or "")


def test_more_objectives_need_more_directions() -> None:
    maximize, minimize = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    assert direction_problem([maximize, minimize, minimize], ["parameters"]) is None
    text = direction_problem([maximize, minimize], ["parameters"])
    assert text is not None
    assert "['maximize', 'minimize', 'minimize'] (accuracy, seconds, parameters), but" in text


def test_a_budget_is_spent_by_training_not_by_the_clock() -> None:
    """Trainings that were ended early cost their wall time: a busy machine ate the budget."""
    start = datetime(2026, 1, 1)
    trial = FrozenTrial(
        number=0,
        trial_id=0,
        state=TrialState.PRUNED,
        value=None,
        datetime_start=start,
        datetime_complete=start + timedelta(seconds=60),
        params={},
        distributions={},
        user_attrs={"learning_curve": [0.5], "stopped": 1, "seconds": 9.0},
        system_attrs={},
        intermediate_values={},
    )
    assert read_fact(trial).spent == 60.0  # nobody says better
    trial.user_attrs["time_parts"] = {"train_seconds": 2.5, "setup_seconds": 1.0}
    assert read_fact(trial).spent == 2.5
    trial.user_attrs["time_parts"] = {"train_seconds": "soon"}
    assert read_fact(trial).spent == 60.0
