"""The plans that trials carry, and which of them hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
import re
from typing import Any, NamedTuple

from optuna_popnas.sampler.facts import Fact
from optuna_popnas.space import SearchSpace


PlanJSON = dict[str, Any]


class Setup(NamedTuple):
    """What all workers of a study must agree on; stored with the first plan."""

    space: SearchSpace
    settings: dict[str, Any]


def choose_plan(candidates: dict[int, PlanJSON]) -> int:
    """Return the number of the trial whose plan holds, of all that carry one.

    Args:
        candidates: Trial number -> what it carries.
    """
    fenced = {number for data in candidates.values() for number in data["fenced"]}
    return min(set(candidates) - fenced or candidates)


def find_setup(facts: Iterable[Fact]) -> Setup | None:
    """Return the setup of a study, None if it has not begun."""
    first = _candidates(facts).get(0)
    if not first:
        return None
    setup = first[choose_plan(first)]["setup"]
    settings = {
        name: predictor_name(value) if name.endswith("_predictor") else value
        for name, value in setup["settings"].items()
    }
    return Setup(SearchSpace(**setup["space"]), settings)


def predictor_name(text: str) -> str:
    """Return how the settings name a predictor: this package's without their modules."""
    return re.sub(r"optuna_popnas\.predictors\.(\w+\.)*", "", text)


def _candidates(facts: Iterable[Fact]) -> dict[int, dict[int, PlanJSON]]:
    candidates: dict[int, dict[int, PlanJSON]] = defaultdict(dict)
    for fact in facts:
        for number, data in fact.plans:
            candidates[number][fact.number] = data
    return candidates
