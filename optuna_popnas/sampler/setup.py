"""What all workers of a study must agree on, and the errors if they do not."""

from __future__ import annotations

from typing import Any

from optuna_popnas.sampler.stored_plans import Setup
from optuna_popnas.space import SearchSpace


_ADVICE = "Use the value of the study, or another study name."


def setup_to_json(space: SearchSpace, settings: dict[str, Any]) -> dict[str, Any]:
    """Return a setup as it is stored with the first plan."""
    return {"space": space.to_dict(), "settings": settings}


def setup_problem(stored: Setup, space: SearchSpace, settings: dict[str, Any]) -> str | None:
    """Return how a worker's setup differs from that of the study, or None.

    Args:
        stored: The setup of the study.
        space: The worker's search space.
        settings: The worker's settings; a seed of None agrees with any.
    """
    theirs = {**stored.space.to_dict(), **stored.settings}
    ours = {**space.to_dict(), **settings}
    for name, value in ours.items():
        if name == "seed" and value is None:
            continue
        if name in theirs and theirs[name] != value:
            detail = _operators(theirs[name], value) if name == "operators" else ""
            return (
                f"`{name}` must be {_short(theirs[name])}, with which this study was begun, "
                f"but got {_short(value)}.{detail} {_ADVICE}"
            )
    return None


def _operators(theirs: list[str], ours: list[str]) -> str:
    missing = [name for name in theirs if name not in ours]
    extra = [name for name in ours if name not in theirs]
    parts = [f" {', '.join(missing)} missing." if missing else ""]
    parts += [f" {', '.join(extra)} not in the study." if extra else ""]
    return "".join(parts) or " The order differs."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
