from __future__ import annotations

from collections.abc import Callable
import json

import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import SearchSpace
from optuna_popnas.study import front
from optuna_popnas.study import level_quality
from optuna_popnas.study import view_study
from tests.sampler.conftest import Opener
from tests.sampler.toys import made_up


def test_studies_of_other_samplers_are_read_from_their_parameters(space: SearchSpace) -> None:
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(lambda trial: made_up(space, space.suggest(trial)), n_trials=20)
    search = view_study(study)
    assert (search.stored_space, search.plans, search.done) == (None, (), False)
    for record, trial in zip(search.trials, study.trials):
        assert record.cell is not None
        assert record.level == trial.params["blocks"] == len(record.cell)
        assert (record.role, record.wave) == (None, None)
        assert (record.accuracy, record.seconds) == tuple(trial.values)


def test_front_holds_what_no_trial_dominates(space: SearchSpace) -> None:
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(lambda trial: made_up(space, space.suggest(trial)), n_trials=40)
    records = front(view_study(study).trials)
    best = {trial.number for trial in study.best_trials}
    assert {record.number for record in records} <= best
    assert {record.values for record in records} == {
        tuple(study.trials[number].values) for number in best
    }
    assert front([]) == ()


def test_front_of_accuracies_alone_is_the_best(space: SearchSpace) -> None:
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(lambda trial: made_up(space, space.suggest(trial))[0], n_trials=20)
    assert [record.number for record in front(view_study(study).trials)] == [
        study.best_trial.number
    ]


def test_a_search_is_read_back_from_the_storage_alone(
    opener: Opener, make_study: Callable[..., optuna.Study], space: SearchSpace
) -> None:
    study = make_study(opener())
    study.optimize(lambda trial: made_up(space, space.suggest(trial)), n_trials=40)
    search = view_study(study)
    assert not search.done
    again = view_study(optuna.load_study(study_name="study", storage=opener()))
    assert again == search
    assert again.space == space
    assert again.settings["max_children"] == 8
    assert again.directions == ("maximize", "minimize")
    last = again.trials[-1]
    assert last.level == 2
    assert last.predicted_accuracy == pytest.approx(last.accuracy, abs=0.3)
    assert last.predicted_seconds is not None
    assert last.worker is not None
    json.dumps([trial.user_attrs for trial in again.trials])


def test_quality_of_predictions_by_level(
    make_study: Callable[..., optuna.Study], space: SearchSpace
) -> None:
    study = make_study()
    study.optimize(lambda trial: made_up(space, space.suggest(trial)))
    search = view_study(study)
    qualities = level_quality(search)
    assert [quality.level for quality in qualities] == [2, 3]
    for quality in qualities:
        rows = [t for t in search.trials if t.level == quality.level]
        assert quality.accuracy.cells == len(rows)
        errors = [abs(t.predicted_seconds - t.seconds) / t.seconds for t in rows]
        assert quality.seconds is not None
        assert quality.seconds.mape == pytest.approx(100 * sum(errors) / len(errors))


def test_cells_of_an_unknown_operator_do_not_stop_the_reading() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    trial = study.ask()
    trial.suggest_int("blocks", 0, 1)
    study.tell(trial, (0.5, 1.0))
    record = view_study(study).trials[0]
    assert record.cell in (None, Cell())
