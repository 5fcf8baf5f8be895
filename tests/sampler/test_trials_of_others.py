"""Trials that the sampler has not planned, or that are no cell's."""

from __future__ import annotations

import logging

import optuna
from optuna.trial import TrialState
import pytest

from optuna_popnas import Cell
from optuna_popnas import SearchSpace
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of
from tests.sampler.toys import planned
from tests.sampler.toys import trained


def test_enqueued_parts_of_a_cell_are_used(make_study: Make, space: SearchSpace) -> None:
    """An enqueued operator was dropped in silence where ``blocks`` was not enqueued with it."""
    study = make_study()
    study.enqueue_trial({"b1_op2": "identity"})
    study.enqueue_trial({"learning_rate": 0.5})
    study.optimize(objective_of(space))
    first = view_study(study).trials[0].cell
    assert first is not None
    assert (len(first), first[1].op2) == (2, "identity")
    assert view_study(study).done


def test_an_objective_that_never_asks_for_a_cell_is_told_so(
    make_study: Make,
) -> None:
    """It trained nothing, for ever, and nothing was said."""
    study = make_study()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lines: list[str] = []
    handler = logging.StreamHandler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("optuna").addHandler(handler)
    study.optimize(lambda trial: (trial.suggest_float("x", 0.0, 1.0), 1.0), n_trials=4)
    logging.getLogger("optuna").removeHandler(handler)
    assert len([line for line in lines if "Call `cell = space.suggest(trial)`" in line]) == 1


def test_enqueued_cells_are_trained_and_used(make_study: Make, space: SearchSpace) -> None:
    """There was no public way from a cell to ``enqueue_trial``."""
    deep = Cell([(-1, "3x3 conv", -1, "3x3 conv"), (-1, "3x3 conv", 0, "3x3 conv")])
    flat = Cell([(-1, "3x3 conv", -2, "3x3 conv")])  # in the first level, mirrored
    study = make_study()
    for cell in (deep, flat):
        study.enqueue_trial(cell.params())
    study.optimize(objective_of(space))
    search = view_study(study)
    assert [trial.cell for trial in search.trials[:2]] == [deep, flat]
    assert [trial.role for trial in search.trials[:2]] == ["enqueued", "enqueued"]
    counts = trained(study)
    assert set(counts) == planned(study) | {deep.canonical()}
    assert set(counts.values()) == {1}


def test_enqueued_part_of_a_cell_is_completed(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    study.enqueue_trial({"blocks": 1, "b0_op1": "identity"})
    study.optimize(objective_of(space), n_trials=2)
    first = view_study(study).trials[0]
    assert first.cell is not None
    assert (len(first.cell), first.cell[0].op1) == (1, "identity")


def test_other_parameters_go_to_the_independent_sampler(
    make_study: Make, space: SearchSpace
) -> None:
    class Half(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, name, distribution):  # type: ignore
            assert name == "learning_rate"
            return 0.5

    study = make_study(independent_sampler=Half())

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        assert trial.suggest_float("learning_rate", 0.0, 1.0) == 0.5
        return made_up(space, space.suggest(trial))

    study.optimize(objective)
    assert view_study(study).done


def test_trials_that_ask_for_no_cell_are_left_alone(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    foreign = [study.ask() for _ in range(3)]
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=2)
    study.optimize(objective_of(space))
    assert set(trained(study)) == planned(study)
    assert all(study.trials[t.number].state == TrialState.RUNNING for t in foreign)


def test_a_part_of_all_cells_cannot_be_fixed(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    own = study.sampler
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.sampler = optuna.samplers.PartialFixedSampler({"b0_op1": "identity"}, own)
    with pytest.raises(ValueError, match=r"`fixed_params` must hold no parameter of a cell"):
        study.optimize(objective_of(space))
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.sampler = optuna.samplers.PartialFixedSampler({"rate": 0.5}, own)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        assert trial.suggest_float("rate", 0.0, 1.0) == 0.5
        return made_up(space, space.suggest(trial))

    study.optimize(objective)
    assert set(trained(study)) == planned(study)
