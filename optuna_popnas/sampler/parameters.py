"""Cells as trial parameters, and back.

The parameters are those of :meth:`~optuna_popnas.SearchSpace.suggest`. Their distributions
depend on the space alone, as storages refuse categorical choices that change.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState

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


def params_cell(params: Mapping[str, Any]) -> Cell | None:
    """Return the cell that these parameters describe, or None if they describe none."""
    blocks = params.get(BLOCKS)
    if not isinstance(blocks, int) or isinstance(blocks, bool):
        return None
    try:
        return Cell(Block(*(params[f"b{i}_{slot}"] for slot in _SLOTS)) for i in range(blocks))
    except (KeyError, ValueError, TypeError):
        return None


def copy_trials(source: optuna.Study, target: optuna.Study, space: SearchSpace) -> int:
    """Copy measured cells into a study of another search space, which then goes on from them.

    This is the way to one more operator: the choices of a study cannot change.

    Args:
        source: The study with the cells.
        target: The study that gets them, with the same directions.
        space: The search space of the target; cells that are not in it are left out.

    Returns:
        How many trials were copied.

    Example:
        >>> copy_trials(old, new, space)  # doctest: +SKIP
        >>> new.optimize(objective)  # doctest: +SKIP
    """
    distributions = cell_distributions(space)
    copied = 0
    for trial in source.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        cell = params_cell(trial.params)
        if cell is None or cell not in space:
            continue
        params = cell.params()
        user_attrs = {key: value for key, value in trial.user_attrs.items() if key != "popnas"}
        target.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions={name: distributions[name] for name in params},
                values=trial.values,
                user_attrs=user_attrs,
            )
        )
        copied += 1
    return copied
