"""How often cells have failed, and which of them are not to be tried again."""

from __future__ import annotations

from collections import Counter
from collections import defaultdict
from collections.abc import Collection, Hashable
from typing import NamedTuple

from optuna.trial import TrialState

from optuna_popnas.sampler.facts import DEAD
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.liveness import machine_of
from optuna_popnas.space import Cell


MAX_DEATHS = 5  # a cell that takes its process down so often is left out


class Slot(NamedTuple):
    """One training that is wanted: a cell, and how many others of it were planned before."""

    key: Hashable
    repeat: int


class Tally:
    """Trials that ended without a measurement.

    Args:
        max_tries: A cell whose trials failed so often is left out.
    """

    def __init__(self, max_tries: int) -> None:
        self.attempts: Counter[Slot] = Counter()
        self.out: dict[Slot, Cell] = {}
        self._cells: dict[Slot, Cell] = {}
        self._pruned: set[Slot] = set()
        self._max_tries = max_tries
        self._failures: dict[Slot, Counter[str]] = defaultdict(Counter)  # by seat
        self._deaths: Counter[Slot] = Counter()
        self._machines: set[str] = set()

    def meet(self, process: str) -> bool:
        """Take note of a process that works on the study; return whether cells are in again.

        They are if it is the first of its machine, as they might not fail there.
        """
        machine = machine_of(process)
        if machine in self._machines:
            return False
        self._machines.add(machine)
        before = len(self.out)
        self.out = {slot: cell for slot, cell in self._cells.items() if self._is_out(slot)}
        return len(self.out) < before

    def count(self, fact: Fact, slot: Slot) -> None:
        """Count a trial that has ended without a measurement."""
        self.attempts[slot] += 1
        if fact.state == TrialState.PRUNED:
            self._pruned.add(slot)
        elif not fact.is_blameless:
            self._failures[slot][fact.seat or ""] += 1
        elif fact.reason is None or fact.reason.startswith(DEAD):
            self._deaths[slot] += 1
        if fact.cell is not None:
            self._cells[slot] = fact.cell
            if self._is_out(slot):
                self.out[slot] = fact.cell

    def _is_out(self, slot: Slot) -> bool:
        """Whether a cell is not to be tried again.

        A cell that has failed on one of several machines only is tried twice as often: the
        machine may be to blame.
        """
        if slot in self._pruned or self._deaths[slot] >= MAX_DEATHS:
            return True
        seats = self._failures[slot]
        one = len({machine_of(seat) for seat in seats}) == 1 < len(self._machines)
        return sum(seats.values()) >= self._max_tries * (2 if one else 1)

    def is_for_others(self, slot: Slot, seat: str, present: Collection[str]) -> bool:
        """Whether a cell has failed more often here than with another of those present."""
        seats = self._failures.get(slot)
        return seats is not None and any(seats[seat] > seats[other] for other in present)
