"""Tests of what a planner hands to its predictors."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from optuna_popnas import NetworkConfig
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.predictors import CatBoostTimePredictor
from optuna_popnas.predictors import NNLSTimePredictor
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.search import SearchConfig


SPACE = SearchSpace(["identity", "3x3 conv"], max_blocks=3)


@pytest.mark.parametrize("spec", [None, CatBoostTimePredictor, partial(NNLSTimePredictor)])
def test_time_predictors_know_how_many_cells_a_network_has(spec: Any) -> None:
    total = NetworkConfig(motifs=2, normal_cells=1).total_cells
    planner = Planner(SPACE, SearchConfig(total_cells=total), seconds=spec)
    made: Any = planner._predictors(True, lambda stream: stream).seconds
    assert made.total_cells == total == 3


def test_a_given_number_of_cells_stays() -> None:
    spec = partial(AdditiveTimePredictor, total_cells=5)
    made: Any = Planner(SPACE, SearchConfig(), seconds=spec)._predictors(True, int).seconds
    assert made.total_cells == 5


def test_no_cell_is_no_network() -> None:
    with pytest.raises(ValueError, match="`total_cells` must be an integer of at least 1, but"):
        POPNASSampler(SPACE, total_cells=0)
