"""The choice of cells to probe."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.predictors.spread import spread_cells
from optuna_popnas.space import CellBatch
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space import SearchSpace


@pytest.fixture
def candidates() -> CellBatch:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    return space.expand(space.first_level())


def test_rows_are_distinct_and_follow_the_seed(candidates: CellBatch) -> None:
    rows = spread_cells(candidates, 40, rng=np.random.default_rng(0))
    assert len(set(rows.tolist())) == 40 and (np.diff(rows) > 0).all()
    assert rows.tolist() == spread_cells(candidates, 40, rng=np.random.default_rng(0)).tolist()
    assert rows.tolist() != spread_cells(candidates, 40, rng=np.random.default_rng(1)).tolist()


def test_covers_more_than_a_random_choice(candidates: CellBatch) -> None:
    features = structural_features(candidates)
    rng = np.random.default_rng(0)

    def closest_pair(rows: np.ndarray) -> float:
        distance = np.linalg.norm(features[rows][:, None] - features[rows], axis=2)
        return float(distance[np.triu_indices(len(rows), 1)].min())

    chosen = closest_pair(spread_cells(candidates, 24, rng=rng))
    random = [closest_pair(rng.choice(len(candidates), 24, replace=False)) for _ in range(20)]
    assert chosen > np.mean(random)
    operators = candidates.take(spread_cells(candidates, 24, rng=rng)).operators
    assert set(operators.ravel().tolist()) == set(range(12))


def test_few_and_no_candidates(candidates: CellBatch) -> None:
    rng = np.random.default_rng(0)
    assert spread_cells(candidates.take([5, 7]), 3, rng=rng).tolist() == [0, 1]
    assert spread_cells(candidates, 0, rng=rng).tolist() == []
    twins = candidates.take(np.zeros(10, dtype=int))
    assert len(set(spread_cells(twins, 4, rng=rng).tolist())) == 4
    with pytest.raises(ValueError, match="`count` must be at least 0, but got -1"):
        spread_cells(candidates, -1, rng=rng)


def test_cells_of_mixed_lengths(random_cells: Callable[..., CellBatch]) -> None:
    batch = random_cells(SearchSpace(PAPER_OPERATORS), 300, seed=0)
    rows = spread_cells(batch, 30, rng=np.random.default_rng(0))
    assert len(set(batch.lengths[rows].tolist())) >= 3
