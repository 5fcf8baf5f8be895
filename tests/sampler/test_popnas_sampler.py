"""Whole searches with made-up metrics."""

from __future__ import annotations

from collections import Counter
import pickle
import time

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
import pytest

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import NNLSTimePredictor
from optuna_popnas.search import hypervolume
from optuna_popnas.study import front
from optuna_popnas.study import level_quality
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.conftest import Opener
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of
from tests.sampler.toys import planned
from tests.sampler.toys import sampler_options
from tests.sampler.toys import trained


# A search from begin to end -----------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_search_trains_each_planned_cell_once(
    opener: Opener, make_study: Make, space: SearchSpace, n_jobs: int
) -> None:
    study = make_study(opener())
    study.optimize(objective_of(space), n_jobs=n_jobs)
    search = view_study(study)
    assert search.done
    assert [(plan.level, plan.wave) for plan in search.plans] == [(0, 0), (1, 0), (2, 0), (3, 0)]
    counts = trained(study)
    assert set(counts) == planned(study)
    assert set(counts.values()) == {1}
    for trial in search.trials:
        if trial.is_valid and trial.cell is not None:
            assert trial.user_attrs["popnas"]["cell"] == str(trial.cell)
            assert study.trials[trial.number].params == trial.cell.params()
    if n_jobs == 1:
        assert all(trial.state == "COMPLETE" for trial in search.trials)


def test_paper_space_to_five_blocks(make_study: Make) -> None:
    space = SearchSpace(max_blocks=5)
    study = make_study(space=space, max_children=32, max_exploration_children=8)
    study.optimize(objective_of(space))
    search = view_study(study)
    assert search.done
    levels = Counter(len(cell) for cell in trained(study))
    assert levels[0] == 1
    assert levels[1] == 300
    assert all(1 <= levels[b] <= 40 for b in (2, 3, 4, 5))
    assert set(trained(study).values()) == {1}
    roles = Counter(trial.role for trial in search.trials)
    assert roles["first"] == 300
    assert roles["exploration"] > 0
    assert all(quality.accuracy.rho > 0.5 for quality in level_quality(search))
    everything = [trial for trial in search.trials if trial.is_valid]
    best = front(everything)
    values = [[trial.accuracy for trial in best], [trial.seconds for trial in best]]
    assert values[0] == sorted(values[0], reverse=True)
    whole = hypervolume([t.accuracy for t in everything], [t.seconds for t in everything])
    assert hypervolume(*values, reference_cost=max(t.seconds for t in everything)) == whole


def test_single_objective_study_is_pnas(make_study: Make, space: SearchSpace) -> None:
    study = make_study(directions=("maximize",))
    study.optimize(lambda trial: made_up(space, space.suggest(trial))[0])
    search = view_study(study)
    assert search.done
    assert [len(plan.cells) for plan in search.plans] == [1, 36, 8, 8]
    assert {trial.role for trial in search.trials} == {"empty", "first", "front"}


def test_time_limit_that_no_cell_meets_ends_the_search(
    make_study: Make, space: SearchSpace
) -> None:
    study = make_study(time_limit=1e-3)
    study.optimize(objective_of(space))
    search = view_study(study)
    assert search.done
    assert len(trained(study)) == 37
    assert "within the limits" in search.plans[-1].report.message
    assert [trial.state for trial in search.trials[37:]] == ["PRUNED"]
    assert search.trials[37].cell is None
    assert (search.trials[37].reason or "").startswith("The search has ended. None of")


def test_v1_trains_equivalent_cells_as_the_paper_did(make_study: Make) -> None:
    space = SearchSpace(["identity", "3x3 conv"], max_blocks=3, lookbacks=1)
    study = make_study(
        space=space,
        mode="popnas-v1",
        time_predictor=lambda space, seed: NNLSTimePredictor(
            space, feature_set="popnas-v1", seed=seed
        ),
    )
    study.optimize(objective_of(space))
    search = view_study(study)
    assert search.done
    cells = [trial.cell for trial in search.trials if trial.is_valid]
    assert len(cells) == len(set(cells)) == sum(len(plan.cells) for plan in search.plans)


def test_speculation_trains_more_cells_but_plans_all(make_study: Make, space: SearchSpace) -> None:
    study = make_study(idle="speculate", reserve=20)
    study.optimize(lambda t: (time.sleep(0.002), made_up(space, space.suggest(t)))[1], n_jobs=8)
    search = view_study(study)
    assert search.done
    main = {
        item.cell.canonical()
        for plan in search.plans
        for item in plan.cells
        if item.role != "reserve"
    }
    assert main <= set(trained(study))
    assert set(trained(study).values()) == {1}


# The same lines resume it --------------------------------------------------------------------


def test_stopped_anywhere_it_goes_on_as_if_it_had_not_been(
    opener: Opener, make_study: Make, space: SearchSpace
) -> None:
    whole = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=POPNASSampler(
            space, **sampler_options(max_children=8, max_exploration_children=3)
        ),
    )
    whole.optimize(objective_of(space))
    for part in (1, 30, 10, None):
        make_study(opener()).optimize(objective_of(space), n_trials=part)
    study = make_study(opener())
    assert trained(study) == trained(whole)
    ours, theirs = view_study(study).plans, view_study(whole).plans
    assert [plan.cells for plan in ours] == [plan.cells for plan in theirs]
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)


def test_finished_study_run_again_trains_nothing(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    study.optimize(objective_of(space))
    before = trained(study)
    study.optimize(objective_of(space))
    assert trained(study) == before
    added = study.trials[sum(before.values()) :]
    assert [trial.state for trial in added] == [TrialState.PRUNED]
    # A pruned trial without parameters would hide all others' in optuna-dashboard.
    assert added[0].params == {"blocks": 0}


# Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": None}, "`space` must be a SearchSpace"),
        ({"mode": "fast"}, "`mode` must be one of 'adaptive', 'popnas', 'pnas', 'popnas-v1'"),
        ({"max_children": 0}, "`max_children` must be an integer of at least 1"),
        ({"max_exploration_children": -1}, "`max_exploration_children` must be"),
        ({"time_limit": 0.0}, "`time_limit` must be greater than 0"),
        ({"max_tries": 0}, "`max_tries` must be an integer of at least 1"),
        ({"stale_after": 0}, "`stale_after` must be a number of seconds greater than 0"),
        ({"idle": "sleep"}, "`idle` must be 'wait' or 'speculate'"),
        ({"mode": "popnas-v1"}, "`lookbacks` must be 1 in mode 'popnas-v1'"),
    ],
)
def test_bad_settings(changes: dict[str, object], message: str) -> None:
    options = {"space": SearchSpace(), **changes}
    with pytest.raises(ValueError, match=message):
        POPNASSampler(options.pop("space"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "directions",
    [
        ("minimize",),
        ("minimize", "maximize"),
        ("maximize", "maximize"),
        ("maximize", "minimize", "minimize"),
    ],
)
def test_wrong_directions(
    make_study: Make, space: SearchSpace, directions: tuple[str, ...]
) -> None:
    study = make_study(directions=directions)
    with pytest.raises(ValueError, match=r"`directions` must be \['maximize', 'minimize'\]"):
        study.optimize(objective_of(space))


def test_suggesting_from_another_space(make_study: Make) -> None:
    study = make_study()
    other = SearchSpace(["identity", "5x5 conv"], max_blocks=3)
    with pytest.raises(ValueError, match="`b0_in1`|`b0_op1` must have the distribution"):
        study.optimize(objective_of(other), n_trials=2)


# Odds and ends -------------------------------------------------------------------------------


def test_sampler_can_be_pickled(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    study.optimize(objective_of(space), n_trials=3)
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    study.optimize(objective_of(space))
    assert set(trained(study)) == planned(study)


def test_callbacks_see_complete_trials(make_study: Make, space: SearchSpace) -> None:
    states: list[TrialState] = []

    def callback(study: optuna.Study, trial: FrozenTrial) -> None:
        states.append(trial.state)

    study = make_study()
    study.optimize(objective_of(space), n_jobs=2, callbacks=[callback])
    assert Counter(states)[TrialState.COMPLETE] == len(planned(study))


def test_an_adaptive_search(make_study: Make, space: SearchSpace) -> None:
    """Waves are small, follow each other without a barrier, and end within the budget."""
    options = {"accuracy_predictor": None, "time_predictor": None, "wave_size": 4}
    study = make_study(mode="adaptive", budget_seconds=120.0, first_cells=6, **options)
    study.optimize(lambda t: (time.sleep(0.002), objective_of(space)(t))[1], n_jobs=3)
    view = view_study(study)
    assert view.done
    assert len(view.plans) > 3
    assert set(trained(study)) == planned(study)
    spent = sum(trial.seconds for trial in view.trials if trial.seconds is not None)
    assert 60 < spent < 130  # the last cells may take longer than was predicted
