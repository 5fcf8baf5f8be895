"""Whether a worker may work on a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.setup import is_extension
from optuna_popnas.sampler.setup import setup_problem
from optuna_popnas.sampler.stored_plans import find_setup
from optuna_popnas.space import SearchSpace


def agreed_settings(
    facts: Sequence[Fact], space: SearchSpace, settings: dict[str, Any]
) -> dict[str, Any] | None:
    """Return a worker's settings with the seed of the study; None if the study has not begun.

    Args:
        facts: All trials of the study.
        space: The worker's search space.
        settings: The worker's settings.

    Raises:
        ValueError: The study was begun with another setup, and cannot go on with this one.
    """
    stored = find_setup(facts)
    if stored is None:
        return None
    problem = setup_problem(stored, space, settings)
    if problem is not None and is_extension(stored, space, settings):
        board = Board(stored)
        board.update(facts)
        problem = None if board.is_done else f"{problem} It can grow once it has ended."
    if problem is not None:
        raise ValueError(problem)
    return {**settings, "seed": stored.settings["seed"]}
