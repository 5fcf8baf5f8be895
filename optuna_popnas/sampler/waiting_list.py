"""The planned cells that are neither measured nor out of tries, in the order of dealing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from optuna_popnas.sampler.tally import Slot


class Take(NamedTuple):
    """Claim this cell: its plan, and its place in it."""

    plan: int
    place: int


class WaitingList:
    """Cells in plan order; those that some trial has ended without a measurement come last.

    Args:
        attempts: How many trials of each cell have ended without a measurement.
    """

    def __init__(self, attempts: Counter[Slot]) -> None:
        self.again: dict[Take, Slot] = {}
        self.spare: dict[Take, Slot] = {}  # the last plan's reserve
        self._fresh: dict[Take, Slot] = {}
        self._places: dict[Slot, list[Take]] = {}
        self._attempts = attempts

    def __len__(self) -> int:
        return len(self._fresh) + len(self.again)

    def __iter__(self) -> Iterator[tuple[Take, Slot]]:
        last = sorted(self.again.items(), key=lambda item: (self._attempts[item[1]], item[0]))
        return chain(self._fresh.items(), last)

    def add(self, take: Take, slot: Slot, *, reserve: bool) -> None:
        """Add a cell, at the end."""
        self._places.setdefault(slot, []).append(take)
        if reserve:
            self.spare[take] = slot
        elif self._attempts[slot]:
            self.again[take] = slot
        else:
            self._fresh[take] = slot

    def strike(self, slot: Slot) -> None:
        """Cross off a cell that is settled."""
        for take in self._places.pop(slot, ()):
            for places in (self._fresh, self.again, self.spare):
                places.pop(take, None)

    def put_last(self, slot: Slot) -> None:
        """Put off a cell that was not measured."""
        for take in self._places.get(slot, ()):
            if self._fresh.pop(take, None) is not None:
                self.again[take] = slot
