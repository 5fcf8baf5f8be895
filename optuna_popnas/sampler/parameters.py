"""Cells as trial parameters, and back.

The parameters are those of :meth:`~optuna_popnas.SearchSpace.suggest`. Their distributions
depend on the space alone, as storages refuse categorical choices that change.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import IntDistribution

from optuna_popnas.space import Block
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


BLOCKS = "blocks"
_SLOTS = ("in1", "op1", "in2", "op2")


@lru_cache(maxsize=16)
def cell_distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the distribution of each parameter of the space, in the order of suggestion."""
    distributions: dict[str, BaseDistribution] = {BLOCKS: IntDistribution(0, space.max_blocks)}
    for i in range(space.max_blocks):
        inputs = CategoricalDistribution(space.inputs(i))
        operators = CategoricalDistribution(space.operators)
        distributions |= {
            f"b{i}_{slot}": inputs if slot.startswith("in") else operators for slot in _SLOTS
        }
    return distributions


def cell_params(cell: Cell) -> dict[str, Any]:
    """Return the parameters that make ``space.suggest`` return this cell.

    Example:
        >>> cell_params(Cell([(-2, "3x3 conv", -1, "identity")]))
        {'blocks': 1, 'b0_in1': -2, 'b0_op1': '3x3 conv', 'b0_in2': -1, 'b0_op2': 'identity'}
    """
    params: dict[str, Any] = {BLOCKS: len(cell)}
    for i, block in enumerate(cell):
        params |= {f"b{i}_{slot}": value for slot, value in zip(_SLOTS, block)}
    return params


def params_cell(params: Mapping[str, Any]) -> Cell | None:
    """Return the cell that these parameters describe, or None if they describe none."""
    blocks = params.get(BLOCKS)
    if not isinstance(blocks, int) or isinstance(blocks, bool):
        return None
    try:
        return Cell(Block(*(params[f"b{i}_{slot}"] for slot in _SLOTS)) for i in range(blocks))
    except (KeyError, ValueError, TypeError):
        return None
