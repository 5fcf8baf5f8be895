from __future__ import annotations

import time

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
import pytest

from optuna_popnas import SearchSpace
from optuna_popnas.sampler.facts import CLAIM
from optuna_popnas.sampler.steady import optimize_steadily
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.toys import Flaky
from tests.sampler.toys import made_up


@pytest.fixture(autouse=True)
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    nap = time.sleep
    monkeypatch.setattr("optuna_popnas.sampler.patience.time.sleep", lambda s: nap(min(s, 0.01)))


@pytest.mark.parametrize("method", ["create_new_trial", "set_trial_param", "get_all_trials"])
def test_a_storage_that_is_away_for_a_moment(
    make_study: Make, space: SearchSpace, method: str
) -> None:
    study = make_study()
    calls = []

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        calls.append(trial.number)
        if len(calls) == 10:
            Flaky(study._storage, method, failures=3)
        return made_up(space, space.suggest(trial))

    optimize_steadily(study, objective)
    assert view_study(study).done


def test_a_result_is_put_on_record_with_patience(make_study: Make, space: SearchSpace) -> None:
    study = make_study()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        if trial.number == 5:
            Flaky(study._storage, "set_trial_state_values", failures=2)
            Flaky(study._storage, "set_trial_user_attr", failures=2)
        cell = space.suggest(trial)
        trial.set_user_attr("own", 1)
        return made_up(space, cell)

    study.optimize(objective)  # even so
    view = view_study(study)
    assert view.done
    assert {trial.state for trial in view.trials} == {"COMPLETE"}


@pytest.mark.parametrize("number", [5, 36, 37])  # 36 gets the last cell of level 1, 37 plans
def test_a_claim_that_could_not_be_checked_blocks_nobody(
    make_study: Make, space: SearchSpace, number: int
) -> None:
    study = make_study()
    storage = study._storage
    write = storage.set_trial_user_attr
    flaky: list[Flaky] = []

    def write_and_break(trial_id: int, key: str, value: object) -> None:
        write(trial_id, key, value)
        if key == CLAIM and trial_id == number and not flaky:
            flaky.append(Flaky(storage, "get_all_trials", failures=1))

    storage.set_trial_user_attr = write_and_break  # type: ignore[method-assign]
    optimize_steadily(study, lambda trial: made_up(space, space.suggest(trial)))
    assert flaky
    search = view_study(study)
    assert search.done
    assert all(trial.state == "COMPLETE" for trial in search.trials)


def test_a_trial_that_others_declared_dead(make_study: Make, space: SearchSpace) -> None:
    study = make_study()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if trial.number == 5:
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        return made_up(space, cell)

    optimize_steadily(study, objective)
    assert view_study(study).done


def test_errors_of_the_objective_are_raised(make_study: Make) -> None:
    with pytest.raises(ZeroDivisionError):
        optimize_steadily(make_study(), lambda trial: 1 / 0)


def test_patience_ends(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    Flaky(study._storage, "create_new_trial", failures=10**9)
    with pytest.raises(StorageInternalError):
        optimize_steadily(study, lambda t: made_up(space, space.suggest(t)), patience=0.2)


def test_limits_hold_over_all_calls(make_study: Make, space: SearchSpace) -> None:
    study = make_study()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        if trial.number == 3:
            Flaky(study._storage, "create_new_trial", failures=2)
        return made_up(space, space.suggest(trial))

    optimize_steadily(study, objective, n_trials=8)
    assert len(study.trials) == 8
    started = time.monotonic()
    optimize_steadily(
        study, lambda t: (time.sleep(0.2), made_up(space, space.suggest(t)))[1], timeout=0.5
    )
    assert time.monotonic() - started < 5
