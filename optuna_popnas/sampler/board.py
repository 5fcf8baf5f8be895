"""The state of a search, folded from the facts of its trials."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from optuna.trial import TrialState

from optuna_popnas.sampler.facts import DEAD
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.setup import is_extension
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.stored_plans import PlanShelf
from optuna_popnas.sampler.tally import Slot
from optuna_popnas.sampler.tally import Tally
from optuna_popnas.sampler.waiting_list import Take
from optuna_popnas.sampler.waiting_list import WaitingList
from optuna_popnas.search import next_wave
from optuna_popnas.search import Observation
from optuna_popnas.search import Plan
from optuna_popnas.search import Running
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch


class Upcoming(NamedTuple):
    """The plan that comes next; level -1 where plans are not of a level."""

    level: int
    wave: int

    def __str__(self) -> str:
        return f"wave {self.wave}" if self.level < 0 else f"level {self.level}"


class Board:
    """The state of a search, folded from the facts of its trials.

    Args:
        goal: What is searched: the setup of the study, or a larger one that goes on from it.
    """

    def __init__(self, goal: Setup) -> None:
        self.goal = goal
        self.space = goal.space
        self.adaptive = goal.settings["mode"] == "adaptive"
        self.done: dict[Slot, Fact] = {}
        self.open: dict[int, Fact] = {}
        self.spent = 0.0  # seconds of the trials that have ended
        self.devices: set[str] = set()  # whose seconds are not converted
        self.total_cells: set[int] = set()  # of networks, as trials say
        self.foreign = 0  # finished trials whose cells are not of the space
        self._exact = goal.settings["mode"] == "popnas-v1"
        self._shelf = PlanShelf(goal)
        self._tally = Tally(goal.settings["max_tries"])
        self._settled: set[int] = set()
        self._fallen_leaders: dict[int, set[int]] = defaultdict(set)
        self._slots: list[tuple[Slot, ...]] = []  # of each plan
        self._planned: Counter[Hashable] = Counter()
        self._keys: dict[Cell, Hashable] = {}
        self._holders: dict[Slot, set[int]] = {}
        self._observed: list[tuple[int, Observation]] = []
        self._list = WaitingList(self._tally.attempts)

    # Folding -----------------------------------------------------------------------------

    def update(self, facts: Iterable[Fact]) -> None:
        """Take in the facts of all trials that are open or have finished since the last time."""
        self.open = {}
        facts = list(facts)
        # All at once: one by one takes a second for a thousand cells. Claims are of this space.
        claims = {fact.claim.cell for fact in facts if fact.claim is not None}
        self._keys_of([cell for cell in claims if cell not in self._keys])
        for fact in facts:
            if fact.claim is not None and self._tally.meet(fact.claim.process):
                self._list_anew()
            if fact.state == TrialState.RUNNING:
                self.open[fact.number] = fact
            elif fact.state.is_finished() and fact.number not in self._settled:
                self._settled.add(fact.number)
                self._settle(fact)
                if fact.total_cells is not None:
                    self.total_cells.add(fact.total_cells)
        first = self._shelf.take_in(facts)
        if first is not None and first < len(self._slots):
            self._list_anew()
        for number in range(len(self._slots), len(self.plans)):
            self._list_places(number)
        self._holders = {}
        for fact in self.open.values():
            slot = self.slot(fact)
            if slot is not None:
                self._holders.setdefault(slot, set()).add(fact.number)

    def slot(self, fact: Fact) -> Slot | None:
        """Return what a trial trains, None if it has no cell of the space."""
        if fact.cell is None:
            return None
        key = self._key(fact.cell)
        return None if key is None else Slot(key, 0 if fact.claim is None else fact.claim.repeat)

    def _settle(self, fact: Fact) -> None:
        if fact.lead is not None and fact.state == TrialState.FAIL:
            self._fallen_leaders[fact.lead].add(fact.number)
        slot = self.slot(fact)
        if slot is None:
            self.foreign += fact.cell is not None
            return
        if fact.claim is not None and self._key(fact.claim.cell) != slot.key:
            claimed = self._key(fact.claim.cell)  # something else was trained
            wrong = fact._replace(state=TrialState.FAIL, reason="not trained", accuracy=None)
            if claimed is not None:
                self._end_trial(wrong, Slot(claimed, slot.repeat))
            slot = Slot(slot.key, 0)
        if not (fact.reason or "").startswith(DEAD):
            whole = fact.state == TrialState.COMPLETE and fact.seconds is not None
            self.spent += (fact.seconds or 0.0) if whole else fact.spent
        if fact.device is not None and fact.seconds is not None:
            self.devices.add(fact.device)
        self._end_trial(fact, slot)

    def _end_trial(self, fact: Fact, slot: Slot) -> None:
        if fact.is_valid:
            self._measure(fact, slot)
        else:
            self._tally.count(fact, slot)
        if self._is_settled(slot):
            self._list.strike(slot)
        elif not fact.is_valid:
            self._list.put_last(slot)

    def _measure(self, fact: Fact, slot: Slot) -> None:
        earlier = self.done.get(slot)
        if earlier is not None:
            if earlier.number < fact.number:
                return
            self._observed = [item for item in self._observed if item[0] != earlier.number]
        assert fact.cell is not None and fact.accuracy is not None
        self.done[slot] = fact
        seen = Observation(
            fact.cell, fact.accuracy, fact.seconds, fact.others, fact.curve, slot.repeat
        )
        insort(self._observed, (fact.number, seen), key=lambda item: item[0])

    def _list_anew(self) -> None:
        self._slots, self._planned = [], Counter()
        self._list = WaitingList(self._tally.attempts)

    def _list_places(self, number: int) -> None:
        """List the cells of a plan that are not settled."""
        planned_cells = self.plans[number].cells
        slots = []
        self._list.spare = {}
        for place, (planned, key) in enumerate(
            zip(planned_cells, self._keys_of([planned.cell for planned in planned_cells]))
        ):
            repeat = max(1, self._planned[key]) if planned.role == "repeat" else 0
            self._planned[key] += 1
            slot = Slot(key, repeat)
            slots.append(slot)
            if not self._is_settled(slot):
                self._list.add(Take(number, place), slot, reserve=planned.role == "reserve")
        self._slots.append(tuple(slots))

    def _key(self, cell: Cell) -> Hashable | None:
        """Return what equivalent cells have in common; None of a cell that is not of the space."""
        if cell not in self._keys:
            self._keys_of([cell])
        return self._keys[cell]

    def _keys_of(self, cells: list[Cell]) -> list[Hashable]:
        new = [cell for cell in cells if cell not in self._keys]
        own = [cell for cell in new if cell in self.space]
        keys = own if self._exact else CellBatch.from_cells(self.space, own).keys.tolist()
        self._keys.update(dict.fromkeys(new))
        self._keys.update(zip(own, keys))
        return [self._keys[cell] for cell in cells]

    @property
    def plans(self) -> Sequence[Plan]:
        """The plans so far."""
        return self._shelf.plans

    # Questions ---------------------------------------------------------------------------

    def _is_settled(self, slot: Slot) -> bool:
        """Whether a cell is measured or out of tries."""
        return slot in self.done or slot in self._tally.out

    @property
    def all_settled(self) -> bool:
        """Whether every planned cell is measured or out of tries, but for reserves."""
        return not len(self._list)

    def unsettled(self) -> list[Take]:
        """Return the cells that are neither measured nor out of tries, but for reserves."""
        return [take for take, _ in self._list]

    def free(self, rank: int, *, reserve: bool = False, but: Collection[Slot] = ()) -> Take | None:
        """Return the free cell of this rank, None if there are not so many.

        Args:
            rank: From 0, in plan order, failed ones last.
            reserve: Look in the last plan's reserve instead.
            but: Cells that are not for this worker.
        """
        queue = self._list.spare.items() if reserve else self._list
        free = (take for take, slot in queue if slot not in self._holders and slot not in but)
        return next(islice(free, rank, None), None)

    def count_free(self) -> int:
        """Return how many cells are neither settled nor held."""
        return sum(slot not in self._holders for _, slot in self._list)

    def left_to_others(self, seat: str, present: Collection[str]) -> set[Slot]:
        """Return the free cells that have failed here more often than with another worker.

        Args:
            seat: Who asks.
            present: Who is there.
        """
        return {
            slot
            for slot in self._list.again.values()
            if slot not in self._holders and self._tally.is_for_others(slot, seat, present)
        }

    def has_some_for(self, seat: str | None, present: Collection[str]) -> bool:
        """Whether a worker may take any of the free cells, as far as that is known."""
        if seat is None or len(self._list) > len(self._list.again):
            return True
        free = {slot for slot in self._list.again.values() if slot not in self._holders}
        return not free or not free <= self.left_to_others(seat, present)

    def holders(self, take: Take) -> set[int]:
        """Return the running trials that train this cell."""
        return self._holders.get(self._slots[take.plan][take.place], set())

    def rivals(self, number: int) -> bool:
        """Whether the cell of this trial is measured or claimed by another trial, too."""
        slot = self.slot(self.open[number])
        return slot is not None and (slot in self.done or len(self._holders[slot]) > 1)

    def is_taken(self, fact: Fact) -> bool:
        """Whether the cell of this trial is measured, or that of a running one."""
        slot = self.slot(fact)
        return slot is not None and (slot in self.done or slot in self._holders)

    def slot_at(self, take: Take) -> Slot:
        """Return what is wanted at a place of a plan."""
        return self._slots[take.plan][take.place]

    def attempts(self, take: Take) -> int:
        """Return how many trials of a cell have ended without a measurement."""
        return self._tally.attempts[self.slot_at(take)]

    def cell(self, take: Take) -> Cell:
        """Return the cell at a place of a plan."""
        return self.plans[take.plan].cells[take.place].cell

    def fallen_leaders(self, plan: int) -> list[int]:
        """Return the failed trials that were making this plan."""
        return sorted(self._fallen_leaders[plan])

    def leaders(self, plan: int) -> list[int]:
        """Return the running trials that are making this plan."""
        return [
            fact.number
            for fact in self.open.values()
            if fact.lead == plan and fact.cell is None  # a trial that trains makes no plan
        ]

    @property
    def grows(self) -> bool:
        """Whether the last plan was made for a smaller search than this one."""
        return bool(self._shelf.setups) and is_extension(
            self._shelf.setups[-1], self.space, self.goal.settings
        )

    @property
    def upcoming(self) -> Upcoming | None:
        """The plan after the last one; None if there is none."""
        if self.adaptive:
            ended = bool(self.plans) and not self.plans[-1].cells and not self.grows
            return None if ended else Upcoming(-1, len(self.plans))
        if self.grows:
            old = self._shelf.setups[-1].settings
            wider = any(
                self.goal.settings[name] > old[name]
                for name in ("max_children", "max_exploration_children")
            )
            level = 2 if wider else self.plans[-1].level + bool(self.plans[-1].cells)
            if level <= self.space.max_blocks:
                return Upcoming(level, sum(plan.level == level for plan in self.plans))
        wave = next_wave(self.plans, self.space)
        return None if wave is None else Upcoming(*wave)

    @property
    def is_done(self) -> bool:
        """Whether the search has ended."""
        return bool(self.plans) and self.upcoming is None and self.all_settled

    def notices(self) -> list[str]:
        """Return what people should know of the trials so far."""
        found = []
        if self.foreign:
            found.append("Finished trials with cells that are not of the space are left out.")
        if len(self.devices) > 1:
            found.append(
                f"The seconds of this study were measured on {len(self.devices)} kinds of devices "
                f"({', '.join(sorted(self.devices))}) and are compared as they are. Use equal "
                "devices, or let the objective convert its seconds."
            )
        return found

    def left_out(self) -> list[Cell]:
        """Return the planned cells that are not to be tried again."""
        return list(self._tally.out.values())

    def observations(self) -> list[Observation]:
        """Return the measured cells by trial number."""
        return [seen for _, seen in self._observed]

    def running(self) -> list[Running]:
        """Return the cells that are dealt or planned but not measured."""
        found = []
        for slot, take in {slot: take for take, slot in self._list}.items():
            planned = self.plans[take.plan].cells[take.place]
            found.append(Running(planned.cell, planned.seconds, slot.repeat))
        known = {slot for _, slot in self._list}
        for fact in self.open.values():
            own = self.slot(fact)
            if own is not None and fact.cell is not None and own not in known:
                found.append(Running(fact.cell, None, own.repeat))
        return found
