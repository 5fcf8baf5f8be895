from __future__ import annotations

from datetime import datetime
from datetime import timedelta

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
import pytest

from optuna_popnas import SearchSpace
from optuna_popnas.sampler import facts
from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.facts import direction_problem
from optuna_popnas.sampler.facts import read_fact
from optuna_popnas.sampler.facts import value_problem
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.toys import objective_of
from tests.sampler.toys import planned
from tests.sampler.toys import trained


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


@pytest.mark.parametrize(
    "content",
    [
        "text",
        7,
        [],
        {},
        {"version": 99},
        {"version": 1, "cell": 3},
        {"version": 1, "cell": "[(-1, 'identity', -1, 'identity')]", "plan": "x"},
        {"version": 1, "cell": "[(", "plan": 1},
    ],
)
def test_hostile_attributes_are_left_out(
    make_study: Make, space: SearchSpace, content: object
) -> None:
    """A user's attribute of our name, or one of another version, stopped workers and readers."""
    study = make_study()
    study.optimize(objective_of(space), n_trials=3)
    storage = internals.storage_of(study)
    for state in (TrialState.RUNNING, TrialState.FAIL, TrialState.COMPLETE):
        trial = study.ask()
        number = trial._trial_id
        storage.set_trial_user_attr(number, facts.CLAIM, content)
        for key in (facts.LEAD, facts.WAIT, facts.OWNER, facts.REASON, "popnas:plan:0"):
            storage.set_trial_system_attr(number, key, content)  # type: ignore[arg-type]
        for key in ("popnas:plan:7", "popnas:plan:x", "popnas:plan:", "popnas:plan:1:2"):
            storage.set_trial_system_attr(number, key, content)  # type: ignore[arg-type]
        if state != TrialState.RUNNING:
            storage.set_trial_state_values(
                number, state, [0.5, 1.0] if state == TrialState.COMPLETE else None
            )
    study.optimize(objective_of(space))
    view = view_study(study)
    assert view.done
    assert set(trained(study)) == planned(study)


def test_clones_of_retry_callbacks_carry_no_marks(make_study: Make, space: SearchSpace) -> None:
    """A clone that Optuna's retry callback had enqueued was taken for the dead trial itself."""
    study = make_study()
    study.optimize(objective_of(space), n_trials=3)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback()
    dead = study.trials[0]
    assert facts.read_fact(dead).claim is not None
    assert facts.read_fact(dead).plans
    retry(study, dead)
    clone = study.trials[-1]
    assert facts.CLAIM in clone.user_attrs
    assert facts.read_fact(clone).claim is None
    assert facts.read_fact(clone).lead is None
    study.optimize(objective_of(space))
    assert view_study(study).done
