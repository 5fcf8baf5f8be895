"""Where a search stands."""

import numpy as np
import pytest

from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from optuna_popnas.search import descends
from optuna_popnas.search import expected_trials
from optuna_popnas.search import prediction_quality
from optuna_popnas.search import SearchConfig
from tests.search.made_up import search


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
