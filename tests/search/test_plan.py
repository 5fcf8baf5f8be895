"""Planning driven by made-up metrics: the thesis' whole algorithm without a network."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.search import decode_cell
from optuna_popnas.search import descends
from optuna_popnas.search import encode_cell
from optuna_popnas.search import expected_trials
from optuna_popnas.search import next_wave
from optuna_popnas.search import Observation
from optuna_popnas.search import Plan
from optuna_popnas.search import plan_level
from optuna_popnas.search import PlannedCell
from optuna_popnas.search import PlanReport
from optuna_popnas.search import prediction_quality
from optuna_popnas.search import Predictors
from optuna_popnas.search import Probe
from optuna_popnas.search import SearchConfig
from optuna_popnas.search.models import significant


WEIGHTS = np.random.default_rng(5).uniform(0.1, 1.0, size=12)


def made_up(batch: CellBatch) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Accuracy and seconds of cells: heavier operators are better and slower, plus noise."""
    heavy = (WEIGHTS[batch.operators] * batch.present[:, :, None]).sum(axis=(1, 2))
    noise = (batch.keys % np.uint64(101)).astype(np.float64) / 101
    deep = ((batch.inputs >= 0) & batch.present[:, :, None]).sum(axis=(1, 2))
    return 1 - 1 / (1.5 + heavy + 0.3 * deep + 0.5 * noise), 1.0 + heavy + 0.5 * noise


class Oracle:
    """A predictor that knows the made-up metrics."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.fitted_cells: list[Cell] = []

    def fit(self, cells, values):
        assert len(cells) == len(values)
        self.fitted_cells = list(cells)
        return self

    def predict(self, cells):
        return made_up(cells)[self.index]


def search(
    space: SearchSpace,
    config: SearchConfig,
    seed: int = 0,
    shuffle: bool = False,
    probe=None,
) -> tuple[list[Plan], list[Observation]]:
    plans: list[Plan] = []
    observations: list[Observation] = []
    while (step := next_wave(plans, space)) is not None:
        level, wave = step
        known = list(observations)
        if shuffle:
            np.random.default_rng(level).shuffle(known)  # type: ignore[arg-type]
        plan = plan_level(
            space,
            level,
            known,
            config,
            Predictors(Oracle(0), Oracle(1), probe),
            wave=wave,
            rng=np.random.default_rng([seed, level, wave]),
        )
        plans.append(Plan.from_json(json.loads(json.dumps(plan.to_json(space))), space))
        cells = [planned.cell for planned in plan.cells if planned.role != "reserve"]
        if cells:
            accuracy, seconds = made_up(CellBatch.from_cells(space, cells))
            observations += map(Observation, cells, accuracy.tolist(), seconds.tolist())
    return plans, observations


def test_algorithm_4_1_to_five_blocks_with_twelve_operators() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=5)
    plans, observations = search(space, SearchConfig())
    assert [(plan.level, plan.wave) for plan in plans] == [(b, 0) for b in range(6)]
    assert [len(plans[0].cells), len(plans[1].cells)] == [1, 300]
    keys = CellBatch.from_cells(space, [item.cell for item in observations]).keys
    assert len(set(keys.tolist())) == len(keys)
    for plan in plans[2:]:
        roles = [planned.role for planned in plan.cells]
        assert roles == sorted(roles, key=["front", "exploration"].index)
        assert 1 <= roles.count("front") <= 128
        assert roles.count("exploration") <= (16 if plan.level < 5 else 0)
        front = [planned for planned in plan.cells if planned.role == "front"]
        # A front: falling accuracy, falling time (stored with six digits).
        assert all(a.accuracy >= b.accuracy for a, b in zip(front, front[1:]))
        assert all(a.seconds >= b.seconds for a, b in zip(front, front[1:]))


def test_the_plan_does_not_depend_on_the_order_in_which_cells_finished() -> None:
    space = SearchSpace(PAPER_OPERATORS[:5], max_blocks=4)
    assert search(space, SearchConfig())[0][2:] != []

    def cells(shuffle: bool) -> list[list[Cell]]:
        plans, _ = search(space, SearchConfig(), shuffle=shuffle)
        return [[planned.cell for planned in plan.cells] for plan in plans]

    assert cells(shuffle=False) == cells(shuffle=True)


def test_front_and_exploration_cells_alike_are_expanded() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=4)
    plans, _ = search(space, SearchConfig(beam="accuracy"))
    parents = plans[2].cells
    assert {planned.role for planned in parents} == {"front", "exploration"}
    assert plans[3].report.parents == len(parents)
    assert plans[3].report.encodings == len(parents) * 1176


def test_predictors_see_every_finished_cell_and_the_empty_one() -> None:
    space = SearchSpace(PAPER_OPERATORS[:4], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:4], max_blocks=1), SearchConfig())
    oracle = Oracle(0)
    plan_level(
        space,
        2,
        observations,
        SearchConfig(),
        Predictors(oracle, Oracle(1)),
        rng=np.random.default_rng(0),
    )
    assert Cell() in oracle.fitted_cells
    assert len(oracle.fitted_cells) == 1 + 36


def test_pnas_trains_the_k_most_accurate_of_every_level() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=5)
    plans, observations = search(space, SearchConfig(mode="pnas"))
    assert [len(plan.cells) for plan in plans] == [1, 300, 128, 128, 128, 128]
    assert len(observations) == 813
    candidates = space.expand([planned.cell for planned in plans[1].cells])
    accuracy = np.sort(made_up(candidates)[0])[::-1]
    chosen = [planned.accuracy for planned in plans[2].cells]
    assert np.allclose(chosen, accuracy[:128], atol=1e-6)
    assert all(planned.seconds is None for plan in plans for planned in plan.cells)


def test_the_beam_keeps_both_ends_of_the_front() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)

    def seconds(**settings: Any) -> list[float]:
        plans, _ = search(space, SearchConfig(max_exploration_children=0, **settings))
        return [planned.seconds for planned in plans[2].cells]

    everything = seconds(max_children=10_000, beam="accuracy")
    spread = seconds(max_children=20)
    accurate = seconds(max_children=20, beam="accuracy")
    assert len(spread) == len(accurate) == 20 < len(everything)
    assert (accurate[0], accurate[-1]) == (everything[0], everything[19])
    assert spread[0] == everything[0] and spread[-1] < everything[9_000]


def test_popnas_v1_is_flat_keeps_equivalent_cells_and_does_not_explore() -> None:
    """Sec. 3.4: no block reads a block (its cells did), parents in both orders are expanded."""
    space = SearchSpace(PAPER_OPERATORS[:3], max_blocks=5, lookbacks=1)
    plans, observations = search(space, SearchConfig(mode="popnas-v1", max_children=12))
    assert [plan.level for plan in plans] == [0, 1, 2, 3, 4, 5]
    assert {planned.role for plan in plans[2:] for planned in plan.cells} == {"front"}
    assert {value for item in observations for value in item.cell.inputs} == {-1}
    for before, plan in zip(plans[1:], plans[2:]):
        parents = {item.cell for item in before.cells}
        # Three operators make six blocks that read lookback -1.
        assert plan.report.encodings == plan.report.candidates == 6 * len(parents)
        assert plan.report.merged == 0
        assert {Cell(item.cell[:-1]) for item in plan.cells} <= parents
    with pytest.raises(ValueError, match="`lookbacks` must be 1 in mode 'popnas-v1'"):
        SearchConfig(mode="popnas-v1").check_space(SearchSpace(PAPER_OPERATORS, max_blocks=2))


def test_time_limit_drops_slow_candidates() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    limited, _ = search(space, SearchConfig(time_limit=3.0))
    assert max(planned.seconds for planned in limited[2].cells) <= 3.0
    assert limited[2].report.over_limit > 0


def test_time_limit_that_nothing_meets_ends_the_search_with_a_message() -> None:
    space = SearchSpace(PAPER_OPERATORS[:4], max_blocks=3)
    plans, observations = search(space, SearchConfig(time_limit=0.5))
    assert len(plans[-1].cells) == 0 and plans[-1].level == 2
    assert "within the limits, so the search ends here" in plans[-1].report.message
    assert len(observations) == 1 + 36


def test_a_level_without_finished_parents_ends_the_search() -> None:
    space = SearchSpace(PAPER_OPERATORS[:2], max_blocks=3)
    plan = plan_level(
        space,
        2,
        [Observation(Cell(), 0.1, 1.0)],
        SearchConfig(),
        Predictors(Oracle(0), Oracle(1)),
        rng=np.random.default_rng(0),
    )
    assert plan.cells == () and "none can grow" in plan.report.message


def test_reserves_are_the_next_fronts() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    plans, _ = search(space, SearchConfig(reserve=40))
    roles = [planned.role for planned in plans[2].cells]
    assert roles.count("reserve") == 40
    keys = CellBatch.from_cells(space, [planned.cell for planned in plans[2].cells]).keys
    assert len(set(keys.tolist())) == len(keys)


def test_a_pilot_wave_comes_first() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    plans, observations = search(space, SearchConfig(pilot=12))
    steps = [(plan.level, plan.wave) for plan in plans]
    assert steps == [(0, 0), (1, 0), (2, 0), (2, 1), (3, 0), (3, 1)]
    assert [planned.role for planned in plans[2].cells] == ["pilot"] * 12
    keys = CellBatch.from_cells(space, [item.cell for item in observations]).keys
    assert len(set(keys.tolist())) == len(keys)


def test_probes_are_given_to_the_time_model_and_recorded() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    probed: list[Cell] = []

    def probe(cell: Cell) -> float:
        probed.append(cell)
        return float(made_up(CellBatch.from_cells(space, [cell]))[1][0])

    plans, _ = search(space, SearchConfig(probes=10), probe=probe)
    front = [planned.cell for planned in plans[2].cells if planned.role == "front"]
    assert set(front) <= set(probed)
    assert len(probed) == len(set(probed)) >= 10
    assert [item.cell for item in plans[2].report.probes] == probed


def test_computed_costs_can_be_objectives_and_limits() -> None:
    space = SearchSpace(PAPER_OPERATORS[:6], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:6], max_blocks=1), SearchConfig())

    def cost(batch: CellBatch) -> dict[str, npt.NDArray[np.int64]]:
        return {"parameters": (batch.keys % np.uint64(1000)).astype(np.int64)}

    config = SearchConfig(
        max_children=10_000, objectives=("parameters",), limits={"parameters": 500}
    )
    predictors = Predictors(Oracle(0), Oracle(1), cost=cost)
    rng = np.random.default_rng(0)
    plan = plan_level(space, 2, observations, config, predictors, rng=rng)
    batch = CellBatch.from_cells(space, [planned.cell for planned in plan.cells])
    assert (cost(batch)["parameters"] <= 500).all()
    # Three objectives keep more than two do.
    plain_config = SearchConfig(max_children=10_000, limits={"parameters": 500})
    plain = plan_level(space, 2, observations, plain_config, predictors, rng=rng)
    assert len(plan.cells) > len(plain.cells)


def test_measured_objectives_are_predicted() -> None:
    space = SearchSpace(PAPER_OPERATORS[:6], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:6], max_blocks=1), SearchConfig())
    # Here latency is the number of slots with the first operator, plus one.
    batch = CellBatch.from_cells(space, [item.cell for item in observations])

    def latency(cells: CellBatch) -> npt.NDArray[np.float64]:
        chosen = (cells.operators == 0) & cells.present[:, :, None]
        return 1.0 + chosen.sum(axis=(1, 2)).astype(np.float64)

    known = [item._replace(others=(value,)) for item, value in zip(observations, latency(batch))]
    asked: list[int] = []

    def other(number: int) -> AdditiveTimePredictor:
        asked.append(number)
        return AdditiveTimePredictor(space, seed=0)

    predictors = Predictors(Oracle(0), Oracle(1), other=other)
    config = SearchConfig(max_children=10_000, objectives=("latency",), limits={"latency": 2.5})
    rng = np.random.default_rng(0)
    plan = plan_level(space, 2, known, config, predictors, rng=rng)
    assert asked == [0]
    chosen = latency(CellBatch.from_cells(space, [planned.cell for planned in plan.cells]))
    assert (chosen <= 2.0).mean() > 0.95 and chosen.max() <= 3.0  # candidates go up to 5
    free = SearchConfig(max_children=10_000)
    plain = plan_level(space, 2, known, free, Predictors(Oracle(0), Oracle(1)), rng=rng)
    both = plan_level(
        space,
        2,
        known,
        SearchConfig(max_children=10_000, objectives=("latency",)),
        predictors,
        rng=rng,
    )
    assert len(both.cells) > len(plain.cells)
    with pytest.raises(ValueError, match="but got 'latency'"):
        plan_level(space, 2, observations, config, predictors, rng=rng)


def test_optimism_judges_by_the_upper_bound() -> None:
    class Unsure(Oracle):
        def estimate(self, cells):
            return made_up(cells)[0], (cells.keys % np.uint64(7)).astype(float)

    space = SearchSpace(PAPER_OPERATORS[:6], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:6], max_blocks=1), SearchConfig())
    plan = plan_level(
        space,
        2,
        observations,
        SearchConfig(optimism=1.0),
        Predictors(Unsure(0), Oracle(1)),
        rng=np.random.default_rng(0),
    )
    assert plan.cells[0].accuracy_std == 6.0


def test_large_levels_are_sampled_and_say_so() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    plans, _ = search(space, SearchConfig(max_candidates=5000))
    assert plans[2].report.encodings > 5000
    assert plans[2].report.candidates <= 5000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"mode": "nas"},
            "`mode` must be one of 'adaptive', 'popnas', 'pnas', 'popnas-v1', but got 'nas'",
        ),
        (
            {"mode": "pnas", "time_limit": 3.0},
            "`time_limit` must be left out in mode 'pnas', as it predicts no times, but got 3.0",
        ),
        ({"mode": "pnas", "objectives": ("parameters",)}, "as accuracy is its only objective"),
        ({"mode": "pnas", "max_exploration_children": 4}, "as it has no exploration step"),
        ({"mode": "popnas-v1", "max_exploration_children": 4}, "as it has no exploration step"),
        ({"mode": "adaptive", "beam": "accuracy"}, "as it chooses small waves of cells"),
        ({"mode": "popnas-v1", "time_range": (1, 2)}, "as it chooses a level at a time"),
        ({"mode": "popnas", "first_cells": 20}, "as it chooses a level at a time, not waves"),
        ({"mode": "pnas", "wave_size": 4}, "`wave_size` must be left out in mode 'pnas'"),
        ({"beam": "x"}, "`beam` must be one of 'hypervolume', 'accuracy', but got 'x'"),
        ({"max_children": 0}, "`max_children` must be an integer of at least 1, but got 0"),
        ({"max_exploration_children": -1}, "of at least 0, but got -1"),
        ({"max_children": 2.5}, "must be an integer of at least 1, but got 2.5"),
        ({"time_limit": 0.0}, "`time_limit` must be greater than 0, but got 0.0"),
        ({"time_limit": float("nan")}, "must be greater than 0, but got nan"),
        ({"limits": {"parameters": -1}}, "`parameters` must be greater than 0"),
        ({"optimism": -1.0}, "`optimism` must be at least 0"),
    ],
)
def test_bad_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchConfig(**settings)  # type: ignore[arg-type]


def test_stored_plans_of_other_versions_and_spaces_are_refused() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    rng = np.random.default_rng(0)
    data = plan_level(space, 1, [], SearchConfig(), rng=rng).to_json(space)
    with pytest.raises(ValueError, match="must have version 1 to 2, but got 99"):
        Plan.from_json({**data, "version": 99}, space)
    other = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    with pytest.raises(ValueError, match="must be of this search space"):
        Plan.from_json(data, other)


def test_plans_of_version_1_are_read() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    cell = space.first_level()[7]
    data = {
        "version": 1,
        "space": space.fingerprint,
        "level": 2,
        "wave": 0,
        "cells": [encode_cell(cell, space)],
        "roles": ["front"],
        "accuracy": [0.5],
        "seconds": [2.0],
        "facts": {
            "candidates": 9,
            "already_trained": 3,
            "plan_seconds": 1.5,
            "fit_time_seconds": 0.1,
            "sample": [[0.5, 2.0]],
            "probes": [[encode_cell(cell, space), 4.0]],
            "exploration_inputs": [-2],
        },
    }
    plan = Plan.from_json(data, space)
    assert plan.cells == (PlannedCell(cell, "front", 0.5, 2.0),)
    assert plan.report == PlanReport(
        candidates=9, known=3, seconds=1.5, sample=((0.5, 2.0),), probes=(Probe(cell, 4.0),)
    )


def test_reports_are_stored_whole() -> None:
    space = SearchSpace(PAPER_OPERATORS[:4], max_blocks=3)
    full = PlanReport(
        message="so",
        parents=1,
        encodings=2,
        merged=0,
        known=0,
        candidates=3,
        over_limit=0,
        equivalents=4,
        sample=((0.25, 1.0),),
        probes=(Probe(space.first_level()[3], 2.5),),
        seconds=0.5,
        expected_gain=0.125,
        budget_left=60.0,
    )
    for report in (full, PlanReport()):
        plan = Plan(2, 0, (), report)
        assert Plan.from_json(json.loads(json.dumps(plan.to_json(space))), space) == plan


def walked(space: SearchSpace, plan: Plan, parents: list[Cell], config: SearchConfig) -> int:
    """Equivalents met by a walk over all encodings, by the words of Sec. 4.3.1 and 5.1."""
    encodings = space.expand(CellBatch.from_cells(space, parents).unique(), merge_equivalent=False)
    accuracy, seconds = map(significant, made_up(encodings.canonical()))
    chosen: list[int] = []
    met = 0
    for row in np.lexsort([encodings.keys, seconds, -accuracy]).tolist():
        same = any(encodings.keys[row] == encodings.keys[other] for other in chosen)
        if config.mode == "popnas" and chosen:
            last = chosen[-1]
            if not same and seconds[last] <= seconds[row]:
                continue
        met += same
        if not same:
            if len(chosen) == config.max_children:
                break
            chosen.append(row)
    planned = [item.cell for item in plan.cells if item.role == "front"]
    assert set(planned) == {encodings.canonical()[row] for row in chosen}
    return met


@pytest.mark.parametrize("mode", ["popnas", "pnas"])
def test_equivalents_are_counted_as_a_walk_over_encodings_meets_them(mode: str) -> None:
    space = SearchSpace(PAPER_OPERATORS[:4], max_blocks=3)
    beam = "accuracy" if mode == "popnas" else None
    config = SearchConfig(mode=mode, max_children=60, max_exploration_children=0, beam=beam)
    plans, _ = search(space, config)
    for before, plan in zip(plans[1:], plans[2:]):
        parents = [item.cell for item in before.cells]
        report = plan.report
        distinct = len(space.expand(parents))
        assert report.encodings == len(parents) * len(space.new_blocks(plan.level - 1))
        assert report.merged == report.encodings - distinct
        assert report.equivalents == walked(space, plan, parents, config)


def test_descent_from_exploration_cells() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    plans, _ = search(space, SearchConfig(beam="accuracy"))
    explored = [item.cell for item in plans[2].cells if item.role == "exploration"]
    assert explored
    grown = set(space.expand(explored))
    cells = [item.cell for item in plans[3].cells]
    assert descends(cells, explored) == tuple(cell in grown for cell in cells)
    assert descends(list(grown)[:50], explored) == (True,) * 50
    assert descends(cells, []) == (False,) * len(cells)


def test_cells_as_integers_round_trip() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    for cell in [Cell(), *space.expand(space.first_level())[:20]]:
        assert decode_cell(encode_cell(cell, space), space) == cell


def test_expected_trials_counts_what_is_left() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=5)
    assert expected_trials(SearchConfig(mode="pnas"), space, []) == 813
    assert expected_trials(SearchConfig(), space, []) == 813 + 3 * 16
    plans, observations = search(space, SearchConfig())
    assert expected_trials(SearchConfig(), space, plans) == len(observations)
    # Levels to come count as the last one that was chosen.
    sizes = [sum(planned.role != "reserve" for planned in plan.cells) for plan in plans]
    assert expected_trials(SearchConfig(), space, plans[:3]) == sum(sizes[:3]) + 3 * min(
        sizes[2], 128
    )


def test_prediction_quality() -> None:
    quality = prediction_quality([1.0, 2.0, 3.0, np.nan], [2.0, 4.0, 5.0, 1.0])
    assert quality.cells == 3
    assert quality.rho == pytest.approx(1.0)
    assert quality.mape == pytest.approx(100 * (0.5 + 0.5 + 0.4) / 3)
    assert prediction_quality([1.0, 1.0], [1.0, 2.0]).rho is None
    assert prediction_quality([], []) == (0, None, None)


@pytest.mark.parametrize(("probes", "fits"), [(0, 1), (10, 2)])
def test_the_time_model_is_fitted_only_to_something_new(probes: int, fits: int) -> None:
    class Counting(Oracle):
        count = 0

        def fit(self, cells, values):
            self.count += 1
            return super().fit(cells, values)

    space = SearchSpace(PAPER_OPERATORS[:6], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:6], max_blocks=1), SearchConfig())
    model = Counting(1)
    plan_level(
        space,
        2,
        observations,
        SearchConfig(probes=probes),
        Predictors(Oracle(0), model, probe=lambda cell: 1.0 + len(cell)),
        rng=np.random.default_rng(0),
    )
    assert model.count == fits
