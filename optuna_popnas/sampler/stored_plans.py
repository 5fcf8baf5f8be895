"""The plans that trials carry, and which of them hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
import json
from typing import Any, TYPE_CHECKING

from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.setup import setup_from_json


if TYPE_CHECKING:
    from optuna_popnas.sampler.facts import Fact

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
            data = json.loads("".join(parts))
        except (KeyError, TypeError, ValueError):
            return None
    sound = isinstance(data.get("plan"), dict) and isinstance(data.get("fenced"), list)
    return data if sound else None


def choose_plan(candidates: dict[int, PlanJSON]) -> int:
    """Return the number of the trial whose plan holds, of all that carry one.

    Args:
        candidates: Trial number -> what it carries.
    """
    fenced = {number for data in candidates.values() for number in data["fenced"]}
    return min(set(candidates) - fenced or candidates)


def find_setup(facts: Iterable[Fact]) -> Setup | None:
    """Return the setup of a study, the latest if it was extended; None if it has not begun."""
    candidates: dict[int, dict[int, PlanJSON]] = defaultdict(dict)
    for fact in facts:
        for number, data in fact.plans:
            if "setup" in data:
                candidates[number][fact.number] = data
    if not candidates:
        return None
    latest = candidates[max(candidates)]
    return setup_from_json(latest[choose_plan(latest)]["setup"])
