"""What the workers of a study agree on, and what a search that has ended may go on with."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState
import pytest

from optuna_popnas import copy_trials
from optuna_popnas import optimize_steadily
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.predictors import GaussianProcessAccuracyPredictor
from optuna_popnas.predictors import NNLSTimePredictor
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.setup import setup_from_json
from optuna_popnas.sampler.setup import setup_problem
from optuna_popnas.sampler.stored_plans import find_setup
from optuna_popnas.search import SearchConfig
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.conftest import open_rdb
from tests.sampler.conftest import Opener
from tests.sampler.toys import objective_of
from tests.sampler.toys import planned
from tests.sampler.toys import sampler_options
from tests.sampler.toys import trained


SPACE = SearchSpace(["identity", "3x3 conv"], max_blocks=3)


def test_a_worker_with_other_settings_writes_no_failed_trials(
    url: str, space: SearchSpace
) -> None:
    """With ``catch=``, a worker with other settings wrote a thousand failed trials."""

    def open_study(children: int) -> optuna.Study:
        return optuna.create_study(
            study_name="x",
            storage=open_rdb(url),
            load_if_exists=True,
            directions=["maximize", "minimize"],
            sampler=POPNASSampler(space, **sampler_options(max_children=children)),
        )

    open_study(4).optimize(objective_of(space), n_trials=3)
    other = open_study(5)
    with pytest.raises(ValueError, match="`max_children` must be 4"):
        optimize_steadily(other, objective_of(space), catch=(Exception,))
    assert len(other.trials) == 3
    with pytest.raises(ValueError, match="`max_children` must be 4"):
        other.optimize(objective_of(space), catch=(Exception,))
    assert [trial.state.name for trial in other.trials[3:]] in ([], ["PRUNED"])


def test_a_finished_search_goes_on_with_more(make_study: Make, space: SearchSpace) -> None:
    """A finished search could not go on with one more block, or with more children."""
    two = SearchSpace(space.operators, max_blocks=2)
    study = make_study(space=two, max_children=4)
    study.optimize(objective_of(two))
    before = trained(study)
    with pytest.raises(ValueError, match="max_exploration_children"):
        POPNASSampler(two, **sampler_options(max_exploration_children=2, max_children=4)).check(
            study
        )
    larger = sampler_options(max_children=4, max_exploration_children=3)
    study.sampler = POPNASSampler(space, **larger)
    study.optimize(objective_of(space))
    view = view_study(study)
    assert view.done
    assert [plan.level for plan in view.plans] == [0, 1, 2, 3]
    study.sampler = POPNASSampler(space, **{**larger, "max_children": 6})
    study.optimize(objective_of(space))
    view = view_study(study)
    assert view.done
    assert [(plan.level, plan.wave) for plan in view.plans[4:]] == [(2, 1), (3, 1)]
    assert trained(study) > before
    assert set(trained(study).values()) == {1}
    assert view.settings["max_children"] == 6


def test_one_more_operator(make_study: Make, space: SearchSpace) -> None:
    """A finished search could not get one more operator: all was to be trained again."""
    fewer = SearchSpace(space.operators[:-1], max_blocks=2)
    more = SearchSpace(space.operators, max_blocks=2)
    old = make_study(space=fewer)
    old.optimize(objective_of(fewer))
    with pytest.raises(ValueError, match="copy_trials"):
        POPNASSampler(more, **sampler_options(max_children=8, max_exploration_children=3)).check(
            old
        )
    new = optuna.create_study(
        directions=["maximize", "minimize"], sampler=POPNASSampler(more, **sampler_options())
    )
    copied = copy_trials(old, new, more)
    assert copied == len(trained(old))
    new.optimize(objective_of(more))
    assert view_study(new).done
    assert set(trained(new)) >= planned(new)
    assert set(trained(new).values()) == {1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_children": 9}, r"`max_children` must be 8, with which this study was begun, but"),
        ({"seed": 1}, "`seed` must be 0, .* but got 1"),
        ({"mode": "pnas"}, "`mode` must be 'popnas', .* but got 'pnas'"),
        (
            {"space": SearchSpace(["identity", "3x3 conv"], max_blocks=3)},
            r"`operators` must be .* but got .* 3x3 dconv, 2x2 maxpool missing\.",
        ),
        (
            {"time_predictor": NNLSTimePredictor},
            "`time_predictor` must be .*CountPredictor.* but got .*NNLSTimePredictor",
        ),
    ],
)
def test_study_of_another_setup(
    opener: Opener,
    make_study: Make,
    space: SearchSpace,
    changes: dict[str, object],
    message: str,
) -> None:
    study = make_study(opener())
    study.optimize(objective_of(space), n_trials=4)
    before = study.trials
    other = make_study(opener(), **changes)
    with pytest.raises(ValueError, match=message) as caught:
        other.optimize(objective_of(changes.get("space", space)))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert study.trials[:4] == before


def test_seed_of_the_study_is_kept(opener: Opener, make_study: Make, space: SearchSpace) -> None:
    first = make_study(opener(), seed=None)
    first.optimize(objective_of(space), n_trials=3)
    second = make_study(opener(), seed=None)
    second.optimize(objective_of(space), n_trials=3)
    assert isinstance(view_study(second).settings["seed"], int)
    assert view_study(second).settings == view_study(first).settings


def test_default_predictors_of_stored_studies_are_named() -> None:
    """The thesis' mode got the thesis' predictors: a study begun with others is told so."""
    settings = {"mode": "popnas", "accuracy_predictor": "default", "time_predictor": "default"}
    setup = setup_from_json({"space": SPACE.to_dict(), "settings": settings})
    ours = Planner(SPACE, SearchConfig()).settings()
    problem = setup_problem(setup, SPACE, ours)
    assert problem is not None
    assert "`accuracy_predictor` must be 'GaussianProcessAccuracyPredictor'" in problem
    same = Planner(SPACE, SearchConfig(), GaussianProcessAccuracyPredictor, AdditiveTimePredictor)
    assert setup_problem(setup, SPACE, same.settings()) is None


def test_predictors_are_named_without_the_modules_they_live_in() -> None:
    space = SearchSpace(["identity"], max_blocks=2)
    settings = Planner(space, SearchConfig(), seconds=AdditiveTimePredictor).settings()
    assert settings["time_predictor"] == "AdditiveTimePredictor"
    # As a study of before the modules moved has it.
    plan = {
        "fenced": [],
        "setup": {
            "space": space.to_dict(),
            "settings": {"time_predictor": "optuna_popnas.predictors.additive_time.Additive(x=1)"},
        },
    }
    fact = Fact(0, TrialState.RUNNING, None, plans=((0, plan),))
    setup = find_setup([fact])
    assert setup is not None and setup.settings == {"time_predictor": "Additive(x=1)"}


def test_settings_that_a_mode_does_not_use_are_not_compared() -> None:
    """Searches were begun with the beam of another mode, which is refused now."""
    begun = POPNASSampler(SPACE, mode="adaptive", max_children=16, seed=0)
    now = POPNASSampler(SPACE, mode="adaptive", seed=0)
    assert setup_problem(Setup(SPACE, begun.settings), SPACE, now.settings) is None
    other = POPNASSampler(SPACE, mode="adaptive", wave_size=4, seed=0)
    problem = setup_problem(Setup(SPACE, begun.settings), SPACE, other.settings)
    assert problem is not None and "`wave_size` must be 8" in problem
    levels = POPNASSampler(SPACE, mode="popnas", max_children=16, seed=0)
    thesis = POPNASSampler(SPACE, mode="popnas", seed=0)
    assert setup_problem(Setup(SPACE, levels.settings), SPACE, thesis.settings) is not None
