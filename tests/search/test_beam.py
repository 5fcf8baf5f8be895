"""Planning driven by made-up metrics: the thesis' whole algorithm without a network."""

from typing import Any

import numpy as np
import pytest

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from optuna_popnas.search import Observation
from optuna_popnas.search import Plan
from optuna_popnas.search import plan_level
from optuna_popnas.search import Predictors
from optuna_popnas.search import SearchConfig
from optuna_popnas.search.models import significant
from tests.search.made_up import made_up
from tests.search.made_up import Oracle
from tests.search.made_up import search


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


def test_large_levels_are_sampled_and_say_so() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    plans, _ = search(space, SearchConfig(max_candidates=5000))
    assert plans[2].report.encodings > 5000
    assert plans[2].report.candidates <= 5000


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
