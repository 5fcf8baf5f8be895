"""Whole searches by several workers, disturbed at random: nothing is lost, nothing done twice."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
import pytest

from optuna_popnas.sampler.tally import MAX_DEATHS
from optuna_popnas.search import Plan
from optuna_popnas.study import StudyView
from optuna_popnas.study import view_study
from tests.sampler.disturbed import MAX_TRIES
from tests.sampler.disturbed import NAME
from tests.sampler.disturbed import no_clocks
from tests.sampler.disturbed import SPACE
from tests.sampler.disturbed import train
from tests.sampler.disturbed import World
from tests.verdict import ends
from tests.verdict import planned


def judge(view: StudyView, undisturbed: Sequence[Plan] | None) -> None:
    """Nothing is lost, and nothing is trained twice without a declared death."""
    assert view.done
    done, failed, excused = ends(view)
    for key in planned(view):
        tried = failed[key] >= MAX_TRIES or excused[key] >= MAX_DEATHS
        assert done[key] or tried, f"lost: {key}"
        assert done[key] <= 1 + excused[key], f"twice: {key}"
    if undisturbed is not None and max(excused.values(), default=0) < MAX_DEATHS:
        expected = [{item.cell for item in plan.cells} for plan in undisturbed]
        assert [{item.cell for item in plan.cells} for plan in view.plans] == expected


@pytest.fixture(scope="module")
def undisturbed() -> Sequence[Plan]:
    """Return the plans of a search by one worker whom nobody disturbs."""
    world = World("popnas", 0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=world.sampler())

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        return train(SPACE.suggest(trial))

    study.optimize(objective, catch=(ArithmeticError,))
    return view_study(study).plans


@pytest.mark.parametrize("mode", ["popnas", "adaptive"])
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 5))]
)
def test_random_schedules(undisturbed: Sequence[Plan], mode: str, part: int) -> None:
    for seed in range(100 * part, 100 * (part + 1)):
        world = World(mode, seed)
        with no_clocks(world):
            try:
                world.play()
                for worker in world.workers:
                    assert worker.error is None, repr(worker.error)
                study = optuna.load_study(study_name=NAME, storage=world.storage)
                # The cell of a plan that arrives late may be trained; the next plan knows of it.
                same = mode == "popnas" and not world.late
                judge(view_study(study), undisturbed if same else None)
            except AssertionError as error:
                raise AssertionError(f"schedule {seed}: {error}") from error
