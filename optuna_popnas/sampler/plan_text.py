"""Plans as the attributes of the trials that carry them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
import json
from typing import Any


VERSION = 1

# System attributes of a trial.
PLAN = "popnas:plan:"  # + number: a plan, written by the trial that was the leader
PART = "popnas:part:"  # + number:part, of the text of a plan that is too long for one value

PlanJSON = dict[str, Any]

# MySQL's TEXT holds 65,535 bytes, and quotes within a text take two.
_PART = 30_000


def split_plan(data: PlanJSON, number: int) -> list[tuple[str, Any]]:
    """Return the attributes that a plan is written as, in order; with the last one it holds."""
    text = json.dumps(data, separators=(",", ":"))
    if len(text) <= _PART:
        return [(f"{PLAN}{number}", data)]
    parts = [text[start : start + _PART] for start in range(0, len(text), _PART)]
    head = {"version": VERSION, "parts": len(parts)}
    written = [(f"{PART}{number}:{index}", part) for index, part in enumerate(parts)]
    return [*written, (f"{PLAN}{number}", head)]


def join_plan(data: Any, number: int, attrs: Mapping[str, Any]) -> PlanJSON | None:
    """Return a plan as it was given to :func:`split_plan`, None if it is something else."""
    if not isinstance(data, dict):
        return None
    if "parts" in data:
        try:
            parts = [attrs[f"{PART}{number}:{index}"] for index in range(data["parts"])]
            data = _parsed("".join(parts))
        except (KeyError, TypeError, ValueError):
            return None
    plan, fenced = data.get("plan"), data.get("fenced")
    sound = isinstance(plan, dict) and isinstance(plan.get("version"), int)
    return data if sound and isinstance(fenced, list) else None


@lru_cache(maxsize=4)  # a trial that is under way is read at every look, with the plan on it
def _parsed(text: str) -> Any:
    return json.loads(text)
