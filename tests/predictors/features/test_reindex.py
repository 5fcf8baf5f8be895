"""Dynamic reindex (Sec. 4.4.2 and 3.4.3)."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_popnas.predictors import operator_scores
from optuna_popnas.predictors import operator_scores_v1
from optuna_popnas.predictors.features.reindex import static_indices
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from tests.predictors.conftest import seconds_of


def symmetric(name: str, lookback: int = -1) -> Cell:
    return Cell([(lookback, name, lookback, name)])


@pytest.fixture
def three() -> SearchSpace:
    return SearchSpace(("identity", "1x1 conv", "3x3 conv"), max_blocks=3)


def test_follows_the_formula(three: SearchSpace) -> None:
    cells = [Cell(), *(symmetric(name) for name in three.operators)]
    scores = operator_scores(three, cells, [10.0, 12.0, 15.0, 30.0])
    assert scores == pytest.approx({"identity": 0.1, "1x1 conv": 0.25, "3x3 conv": 1.0})


def test_is_never_negative(three: SearchSpace) -> None:
    cells = [Cell(), *(symmetric(name) for name in three.operators)]
    assert operator_scores(three, cells, [10.0, 9.0, 15.0, 30.0])["identity"] == 0.0


@pytest.mark.parametrize(("empty", "score"), [(1.0, 1.0), (5.0, 0.0)])
def test_is_defined_when_all_are_equal(three: SearchSpace, empty: float, score: float) -> None:
    cells = [Cell(), *(symmetric(name) for name in three.operators)]
    scores = operator_scores(three, cells, [empty, 5.0, 5.0, 5.0])
    assert scores == dict.fromkeys(three.operators, score)


def test_other_one_block_cells_do_not_matter_if_all_symmetric_ones_are_there(
    three: SearchSpace,
) -> None:
    cells = [Cell(), *(symmetric(name) for name in three.operators)]
    more = [*cells, symmetric("identity", -2), Cell([(-2, "identity", -1, "identity")])]
    seconds = [10.0, 12.0, 15.0, 30.0]
    assert operator_scores(three, more, [*seconds, 99.0, 77.0]) == operator_scores(
        three, cells, seconds
    )


def test_missing_symmetric_cells_are_estimated(space: SearchSpace, cells: list[Cell]) -> None:
    others = [cell for cell in cells if len(cell) != 1]
    estimate = operator_scores(space, others, [seconds_of(cell) for cell in others])
    every = operator_scores(space, cells, [seconds_of(cell) for cell in cells])
    for name in space.operators:
        assert estimate[name] == pytest.approx(every[name], abs=0.12)


def test_some_symmetric_cells_missing(three: SearchSpace) -> None:
    cells = [
        Cell(),
        symmetric("identity"),
        symmetric("3x3 conv"),
        Cell([(-1, "1x1 conv", -1, "3x3 conv")]),
    ]
    scores = operator_scores(three, cells, [10.0, 12.0, 30.0, 23.0])
    assert scores["1x1 conv"] == pytest.approx(6 / 20)


def test_an_operator_that_no_cell_has_gets_the_mean(three: SearchSpace) -> None:
    scores = operator_scores(three, [Cell(), symmetric("identity")], [1.0, 3.0])
    assert scores == dict.fromkeys(three.operators, 1.0)
    assert operator_scores(three, [Cell()], [1.0]) == dict.fromkeys(three.operators, 0.0)


def test_first_version_keeps_the_seconds_of_the_empty_cell(three: SearchSpace) -> None:
    cells = [Cell(), *(symmetric(name) for name in three.operators)]
    scores = operator_scores_v1(three, cells, [10.0, 12.0, 15.0, 30.0])
    assert scores == pytest.approx({"identity": 1.2, "1x1 conv": 1.5, "3x3 conv": 3.0})


def test_first_version_does_not_clip(three: SearchSpace) -> None:
    """An operator quicker than the empty cell was given the empty cell's seconds."""
    cells = [Cell(), *(symmetric(name) for name in three.operators)]
    scores = operator_scores_v1(three, cells, [10.0, 9.0, 15.0, 30.0])
    assert scores == pytest.approx({"identity": 0.9, "1x1 conv": 1.5, "3x3 conv": 3.0})


def test_static_indices_are_ranks_by_time(three: SearchSpace) -> None:
    cells = [symmetric(name) for name in three.operators]
    assert static_indices(three, cells, [5.0, 2.0, 30.0]) == {
        "identity": 2.0,
        "1x1 conv": 1.0,
        "3x3 conv": 3.0,
    }


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        ([1.0], "must hold one number per cell"),
        ([1.0, -1.0], "must be finite and at least 0, but got -1.0 for"),
        ([1.0, np.nan], "must be finite and at least 0, but got nan for"),
        ([1.0, "fast"], "must be numbers"),
    ],
)
def test_bad_seconds(three: SearchSpace, seconds: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        operator_scores(three, [Cell(), symmetric("identity")], seconds)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one value"):
        operator_scores(three, [], [])
