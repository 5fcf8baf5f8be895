"""What is wrong with arguments of the sampler that no other part checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna_popnas.search.models import CostFunction
from optuna_popnas.space import SearchSpace


def check_options(
    space: SearchSpace, *, idle: str, max_tries: int, stale_after: float | None
) -> None:
    """Raise ValueError if one of them is of the wrong type or out of range."""
    if not isinstance(space, SearchSpace):
        raise ValueError(f"`space` must be a SearchSpace, but got {space!r}.")
    if idle not in ("wait", "speculate"):
        raise ValueError(f"`idle` must be 'wait' or 'speculate', but got {idle!r}.")
    if isinstance(max_tries, bool) or not isinstance(max_tries, int) or max_tries < 1:
        raise ValueError(f"`max_tries` must be an integer of at least 1, but got {max_tries}.")
    if stale_after is not None and not stale_after > 0:
        raise ValueError(
            f"`stale_after` must be a number of seconds greater than 0, but got {stale_after}."
        )


def check_limits(
    limits: Mapping[str, float], objectives: Sequence[str], cost: CostFunction | None
) -> None:
    """Raise ValueError if nothing computes what a limit is on."""
    for name in limits:
        if cost is None and name not in objectives:
            raise ValueError(
                f"`cost` must compute what `limits` are on, or that be an objective, but got "
                f"no cost and a limit of {name!r}. See optuna_popnas.networks.cell_costs."
            )
