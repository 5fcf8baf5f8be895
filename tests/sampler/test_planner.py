"""Tests of what a planner hands to its predictors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.predictors import GaussianProcessAccuracyPredictor
from optuna_popnas.predictors import NNLSTimePredictor
from optuna_popnas.sampler.board import Upcoming
from optuna_popnas.sampler.planner import Knowledge
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.search import SearchConfig
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of
from tests.sampler.toys import sampler_options
from tests.sampler.toys import Unsound


SPACE = SearchSpace(["identity", "3x3 conv"], max_blocks=3)


def searched(total: int | None, told: list[int]) -> list[int]:
    """Return the cells that time predictors were told of, of a search of two levels."""
    seen: list[int] = []

    class Spy(NNLSTimePredictor):
        def __init__(self, space: SearchSpace, *, total_cells: int, seed: int | None) -> None:
            super().__init__(space, total_cells=total_cells, seed=seed)
            seen.append(total_cells)

    space = SearchSpace(["identity", "3x3 conv"], max_blocks=2)
    sampler = POPNASSampler(
        space,
        mode="popnas",
        max_children=2,
        total_cells=total,
        accuracy_predictor=GaussianProcessAccuracyPredictor,
        time_predictor=Spy,
        seed=0,
    )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if told:
            trial.set_user_attr("total_cells", told[trial.number % len(told)])
        return 0.5 + 0.01 * trial.number, 1.0 + len(cell)

    study.optimize(objective)
    return seen


def test_the_number_of_cells_is_learnt_from_the_trials() -> None:
    """Left at 8, time predictions at b=2 were twice as far off for networks of 3 cells."""
    assert set(searched(None, [3])) == {3}
    assert set(searched(None, [])) == {8}
    assert set(searched(5, [5])) == {5}


@pytest.mark.parametrize(("total", "told"), [(8, [3]), (None, [3, 5])])
def test_networks_of_other_sizes_are_an_error(total: int | None, told: list[int]) -> None:
    with pytest.raises(ValueError, match="`total_cells` must be that of the networks of all tri"):
        searched(total, told)


def test_no_cell_is_no_network() -> None:
    with pytest.raises(ValueError, match="`total_cells` must be an integer of at least 1, but"):
        POPNASSampler(SPACE, total_cells=0)


def test_limits_need_a_cost() -> None:
    with pytest.raises(ValueError, match="no cost and a limit of 'parameters'"):
        POPNASSampler(SPACE, limits={"parameters": 1e6})
    POPNASSampler(SPACE, limits={"latency": 1.0}, objectives=["latency"])


def test_a_search_with_a_measured_objective() -> None:
    sampler = POPNASSampler(
        SPACE,
        mode="popnas",
        objectives=["latency"],
        max_children=5,
        accuracy_predictor=GaussianProcessAccuracyPredictor,
        time_predictor=AdditiveTimePredictor,
        seed=0,
    )
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float, float]:
        cell = SPACE.suggest(trial)
        work = 1.0 + sum(2.0 if "conv" in name else 1.0 for name in cell.operators)
        latency = float("nan") if trial.number == 3 else 0.01 * work
        return 1 - 1 / (1 + work), work, latency

    study.optimize(objective)
    bad, *_ = (trial for trial in study.trials if trial.state.name == "FAIL")
    assert bad.number == 3
    assert view_study(study).done
    assert {trial.level for trial in view_study(study).trials if trial.is_valid} == {0, 1, 2, 3}


def test_of_settings_of_time_nothing_is_left_in_a_study_of_accuracy_alone() -> None:
    """A plan of level 2 raised where ``beam`` or ``time_limit`` were set."""
    sampler = POPNASSampler(
        SPACE, **sampler_options(beam="accuracy", time_limit=5.0, max_children=2)
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: float(len(SPACE.suggest(trial))))
    assert max(len(plan.cells) for plan in view_study(study).plans[2:]) == 2


def test_reserve_cells_of_popnas_v1_are_flat() -> None:
    """Spare cells for idle workers had blocks that read blocks, which that mode has not."""
    planner = Planner(
        SearchSpace(["identity", "3x3 conv"], max_blocks=2, lookbacks=1),
        SearchConfig(mode="popnas-v1", reserve=30),
    )
    plan = planner.plan(Upcoming(1, 0), Knowledge((), (), ()), seed=0)
    spare = [item.cell for item in plan.cells if item.role == "reserve"]
    assert spare and all(value == -1 for cell in spare for value in cell.inputs)


def test_plans_without_memory_end_in_a_sentence(space: SearchSpace) -> None:
    def no_memory(n: int) -> Any:
        raise MemoryError

    options = {**sampler_options(), "accuracy_predictor": Unsound(no_memory)}
    sampler = POPNASSampler(space, max_children=4, **options)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    with pytest.raises(MemoryError, match="Planning level 2 found no memory.*`max_candidates`"):
        study.optimize(lambda trial: made_up(space, space.suggest(trial)))


def test_a_worker_whose_time_is_up_while_it_plans_trains_nothing_more(space: SearchSpace) -> None:
    """Deep levels were planned for minutes past the timeout, and then trained."""

    class Slow(Unsound):
        def fit(self, cells: Sequence[Cell], values: Any) -> None:
            study.stop()

    options = {**sampler_options(), "accuracy_predictor": Slow(np.ones)}
    sampler = POPNASSampler(space, max_children=4, **options)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(lambda trial: made_up(space, space.suggest(trial)))
    assert study.trials[-1].state.name == "PRUNED"
    assert max(trial.params["blocks"] for trial in study.trials[:-1]) == 1
    plans = len(view_study(study).plans)
    options["accuracy_predictor"] = sampler_options()["accuracy_predictor"]
    study.optimize(lambda trial: made_up(space, space.suggest(trial)), n_trials=2)
    assert len(view_study(study).plans) == plans


def test_a_probe_that_raises_is_no_probe(make_study: Make, space: SearchSpace) -> None:
    """A probe that found no memory ended the search for all, for good."""

    def probe(cell: Cell) -> float:
        if str(cell).count("conv") > 2:
            raise MemoryError("no memory")
        return made_up(space, cell)[1]

    study = make_study(time_probe=probe, probes=5)
    study.optimize(objective_of(space))
    assert view_study(study).done


def test_probes_are_stored_and_used_again(make_study: Make, space: SearchSpace) -> None:
    calls: Counter[Cell] = Counter()

    def probe(cell: Cell) -> float:
        calls[cell.canonical()] += 1
        return made_up(space, cell)[1]

    study = make_study(time_probe=probe, probes=5)
    study.optimize(objective_of(space))
    assert set(calls.values()) == {1}
    stored = [code for plan in view_study(study).plans for code in plan.report.probes]
    assert len(stored) == len(calls) >= 10
