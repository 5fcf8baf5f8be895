from __future__ import annotations

from hypothesis import given
import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from optuna_popnas.sampler.parameters import cell_distributions
from optuna_popnas.sampler.parameters import params_cell
from tests.space.strategies import cells


@given(cells())
def test_params_describe_the_cell(cell: Cell) -> None:
    assert params_cell(cell.params()) == cell


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"blocks": 1},
        {"blocks": True},
        {"blocks": "1"},
        {"blocks": 1, "b0_in1": 0, "b0_op1": "identity", "b0_in2": -1, "b0_op2": "identity"},
        {"blocks": 1, "b0_in1": -1, "b0_op1": "3x3 magic", "b0_in2": -1, "b0_op2": "identity"},
    ],
)
def test_params_that_describe_no_cell(params: dict[str, object]) -> None:
    assert params_cell(params) is None


def test_suggest_uses_these_distributions() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    cell = Cell([(-2, "3x3 conv", -1, "identity"), (-1, "identity", 0, "2x2 maxpool")])
    study = optuna.create_study()
    study.enqueue_trial(cell.params())
    trial = study.ask()
    assert space.suggest(trial) == cell
    assert trial.distributions == cell_distributions(space)
    assert list(trial.distributions) == list(cell_distributions(space))
