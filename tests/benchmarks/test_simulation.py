"""Workers on a virtual clock do what the sampler's workers do."""

from __future__ import annotations

from collections import Counter

import optuna
from simulation import simulate
from simulation import simulate_sampler
from speculation import Oracle
from speculation import World

from optuna_popnas import SearchSpace
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.search import SearchConfig
from optuna_popnas.search.wave import _MOST_TRAININGS


SPACE = SearchSpace(("identity", "3x3 conv", "2x2 avgpool"), max_blocks=2)
WORLD = World(SPACE, 10.0, 0)


def test_a_repeated_training_is_one_training() -> None:
    """Its trial did not say which of the trainings it was, and the cell was dealt for ever."""
    config = SearchConfig(mode="adaptive", budget_seconds=250.0, first_cells=8, wave_size=4)
    ran = simulate(WORLD, Planner(SPACE, config), 4)
    trainings = Counter(cell.canonical() for cell in ran.cells)
    # Of trainings under way nobody counts.
    assert 1 < max(trainings.values()) <= 2 * _MOST_TRAININGS
    assert 0.9 * 250 < ran.busy < 1.1 * 250
    assert ran.busy <= ran.lifetime == 4 * ran.end


def test_workers_that_wait_train_the_cells_of_one_worker() -> None:
    config = SearchConfig(mode="popnas", max_children=6, max_exploration_children=0)
    alone, many = (
        simulate(WORLD, Planner(SPACE, config, Oracle(WORLD, 0), Oracle(WORLD, 1)), workers)
        for workers in (1, 8)
    )
    assert sorted(map(str, alone.cells)) == sorted(map(str, many.cells))
    assert alone.busy == alone.lifetime and many.end < alone.end
    assert many.busy < many.lifetime


def test_a_sampler_is_not_charged_for_what_it_knows() -> None:
    space = SearchSpace(("identity",), max_blocks=1)  # four cells
    ran = simulate_sampler(
        World(space, 10.0, 0), optuna.samplers.RandomSampler(seed=0), 1, horizon=12.0
    )
    first = ran.cells[:3]
    assert len(set(map(str, first))) == 3
    assert ran.busy <= 12.0
