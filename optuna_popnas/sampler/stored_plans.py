"""The plans that trials carry, and which of them hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.plan_text import PlanJSON
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.setup import setup_from_json
from optuna_popnas.search import Plan


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


class PlanShelf:
    """The plans that hold, kept up to date.

    Args:
        goal: The setup of plans that do not say theirs.
    """

    def __init__(self, goal: Setup) -> None:
        self.plans: list[Plan] = []
        self.setups: list[Setup] = []  # in force at each plan
        self._goal = goal
        self._carried: dict[int, dict[int, PlanJSON]] = defaultdict(dict)
        self._carriers: list[int] = []

    def take_in(self, facts: Iterable[Fact]) -> int | None:
        """Read what is new.

        Returns:
            The number of the first plan that is new or has been replaced; None if none is.

        Raises:
            ValueError: A plan is of another version or of another search space.
        """
        changed = []
        for fact in facts:
            for number, data in fact.plans:
                if fact.number not in self._carried[number]:
                    self._carried[number][fact.number] = data
                    changed.append(number)
        first = min(changed, default=len(self.plans))
        while (
            first < len(self.plans) and choose_plan(self._carried[first]) == self._carriers[first]
        ):
            first += 1
        del self.plans[first:], self.setups[first:], self._carriers[first:]
        while len(self.plans) in self._carried:
            candidates = self._carried[len(self.plans)]
            carrier = choose_plan(candidates)
            data = candidates[carrier]
            setup = self.setups[-1] if self.setups else self._goal
            if "setup" in data:
                setup = setup_from_json(data["setup"])
            self.plans.append(Plan.from_json(data["plan"], setup.space))
            self.setups.append(setup)
            self._carriers.append(carrier)
        return first if first < len(self.plans) else None
