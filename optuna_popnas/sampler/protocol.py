"""Who trains what, who plans, who waits: pure decisions over the facts of all trials.

Workers share nothing but the storage, and a worker writes only on its own trial:

* *Cells.* A worker takes the free cell whose place in the plan is its own rank among the
  trials that have none, writes a claim on its trial and reads again. If another trial claims the
  same cell, it withdraws and tries again. As each writes before it reads, of two that claim at
  the same time at least one sees the other: no cell is trained twice.
* *Plans.* When every cell is done, the lowest trial without a cell marks itself as leader, in
  the same way. It writes the next plan on its own trial, in one write. A worker that takes over
  from a dead leader fails the leader's trial first: a finished trial refuses writes, so a leader
  that wakes up late cannot commit, and should its write have been under way, the new plan names
  the trial as fenced.
* *Ends.* A cell is settled when a trial has measured it or when it is out of tries.

What is decided follows from what is stored, whatever the order of events was: trials of users
and of other samplers, failed and dead ones are accounted for by the cell that they carry, never
by their number.
"""

from __future__ import annotations

from collections import Counter
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from optuna.trial import TrialState

from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.stored_plans import choose_plan
from optuna_popnas.sampler.stored_plans import PlanJSON
from optuna_popnas.search import next_wave
from optuna_popnas.search import Observation
from optuna_popnas.search import Plan
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


#: A trial with such a reason, or failed without any, says nothing about its cell.
DEAD = "declared dead"
INTERRUPTED = "interrupted"
_MAX_DEATHS = 10  # a cell that takes its process down so often is left out


class Take(NamedTuple):
    """Claim this cell."""

    plan: int
    place: int


class MakePlan(NamedTuple):
    """Become the leader of this plan."""

    plan: int


class Wait(NamedTuple):
    """Do nothing yet."""

    reason: str


class Finish(NamedTuple):
    """There is nothing left to do."""

    reason: str


Move = Take | MakePlan | Wait | Finish


class Board:
    """The state of a search, folded from the facts of its trials.

    Args:
        space: The search space.
        max_tries: A cell whose trials failed so often is left out.
        exact: Whether equivalent encodings count as different cells (POPNASv1).
    """

    def __init__(self, space: SearchSpace, *, max_tries: int = 3, exact: bool = False) -> None:
        self.space = space
        self.plans: tuple[Plan, ...] = ()
        self.done: dict[Hashable, Fact] = {}
        self.open: dict[int, Fact] = {}
        self._max_tries = max_tries
        self._exact = exact
        self._failures: Counter[Hashable] = Counter()
        self._deaths: Counter[Hashable] = Counter()
        self._left_out: set[Hashable] = set()
        self._settled: set[int] = set()
        self._fallen_leaders: dict[int, set[int]] = defaultdict(set)
        self._carried: dict[int, dict[int, PlanJSON]] = defaultdict(dict)
        self._carriers: list[int] = []
        self._plan_keys: list[tuple[Hashable, ...]] = []
        self._keys: dict[Cell, Hashable] = {}
        self._holders: dict[Hashable, set[int]] = defaultdict(set)
        # Cells that are neither measured nor out of tries, in plan order.
        self._needed: dict[Take, Hashable] = {}
        self._spare: dict[Take, Hashable] = {}
        self._places: dict[Hashable, list[Take]] = {}

    @classmethod
    def of(cls, space: SearchSpace, settings: Mapping[str, Any]) -> Board:
        """Return the board of a study with these settings, for workers and readers alike."""
        exact = settings["mode"] == "popnas-v1"
        return cls(space, max_tries=settings["max_tries"], exact=exact)

    # Folding -----------------------------------------------------------------------------

    def update(self, facts: Iterable[Fact]) -> None:
        """Take in the facts of all trials that are open or have finished since the last time."""
        self.open = {}
        fresh_plans = False
        facts = list(facts)
        # All at once: one by one takes a second for a thousand cells. Claims are of this space.
        claims = {fact.claim.cell for fact in facts if fact.claim is not None}
        self._keys_of([cell for cell in claims if cell not in self._keys])
        for fact in facts:
            if fact.state == TrialState.RUNNING:
                self.open[fact.number] = fact
            elif fact.state.is_finished() and fact.number not in self._settled:
                self._settled.add(fact.number)
                self._settle(fact)
            for number, data in fact.plans:
                if fact.number not in self._carried[number]:
                    self._carried[number][fact.number] = data
                    fresh_plans = True
        if fresh_plans:
            self._read_plans()
        self._holders = defaultdict(set)
        for fact in self.open.values():
            if fact.cell is not None:
                self._holders[self.key(fact.cell)].add(fact.number)

    def _settle(self, fact: Fact) -> None:
        if fact.lead is not None and fact.state == TrialState.FAIL:
            self._fallen_leaders[fact.lead].add(fact.number)
        if fact.claim is not None and fact.state == TrialState.COMPLETE:
            claimed = self.key(fact.claim.cell)
            if fact.cell is None or self.key(fact.cell) != claimed:
                self._failures[claimed] += 1  # something else was trained
                self._strike_out(claimed)
        if fact.cell is not None:
            self._count(fact, self.key(fact.cell))
            self._strike_out(self.key(fact.cell))

    def _count(self, fact: Fact, key: Hashable) -> None:
        if fact.is_valid:
            earlier = self.done.get(key)
            if earlier is None or fact.number < earlier.number:
                self.done[key] = fact
        elif fact.state == TrialState.PRUNED:
            self._left_out.add(key)
        elif fact.state == TrialState.FAIL and (
            fact.reason is None or fact.reason.startswith((DEAD, INTERRUPTED))
        ):
            self._deaths[key] += 1
        else:
            self._failures[key] += 1

    def _strike_out(self, key: Hashable) -> None:
        """Cross a cell off the lists if it is settled."""
        if key in self.done or self.is_out(key):
            for take in self._places.pop(key, ()):
                self._needed.pop(take, None)
                self._spare.pop(take, None)

    def _list_places(self) -> None:
        """List the cells of all plans that are not settled."""
        self._needed, self._spare, self._places = {}, {}, {}
        for number, keys in enumerate(self._plan_keys):
            for place, key in enumerate(keys):
                if key in self.done or self.is_out(key):
                    continue
                take = Take(number, place)
                self._places.setdefault(key, []).append(take)
                if self.plans[number].cells[place].role != "reserve":
                    self._needed[take] = key
                elif number == len(self.plans) - 1:
                    self._spare[take] = key

    def _read_plans(self) -> None:
        """Read new plans; from the first that changed, all are read again."""
        plans: list[Plan] = []
        keys: list[tuple[Hashable, ...]] = []
        carriers: list[int] = []
        while len(plans) in self._carried:
            number = len(plans)
            carrier = choose_plan(self._carried[number])
            known = number < len(self._carriers) and self._carriers[number] == carrier
            if known:
                plan, plan_keys = self.plans[number], self._plan_keys[number]
            else:
                plan = Plan.from_json(self._carried[number][carrier]["plan"], self.space)
                plan_keys = self._keys_of([planned.cell for planned in plan.cells])
            plans.append(plan)
            keys.append(plan_keys)
            carriers.append(carrier)
        self.plans, self._plan_keys, self._carriers = tuple(plans), keys, carriers
        self._list_places()

    def key(self, cell: Cell) -> Hashable:
        """Return what equivalent cells have in common."""
        if cell not in self._keys:
            self._keys_of([cell])
        return self._keys[cell]

    def _keys_of(self, cells: list[Cell]) -> tuple[Hashable, ...]:
        if self._exact:
            self._keys.update((cell, cell) for cell in cells)
        else:
            try:
                values = CellBatch.from_cells(self.space, cells).keys.tolist()
                self._keys.update(zip(cells, values))
            except ValueError:  # enqueued by a user and not of this space
                for cell in cells:
                    self._keys.setdefault(cell, cell.canonical())
        return tuple(self._keys[cell] for cell in cells)

    # Questions ---------------------------------------------------------------------------

    def is_out(self, key: Hashable) -> bool:
        """Whether a cell is not to be tried again."""
        return (
            key in self._left_out
            or self._failures[key] >= self._max_tries
            or self._deaths[key] >= _MAX_DEATHS
        )

    def attempts(self, key: Hashable) -> int:
        """Return how many trials of a cell have ended without a measurement."""
        return self._failures[key] + self._deaths[key]

    def unsettled(self) -> list[Take]:
        """Return the cells that are neither measured nor out of tries, in plan order.

        Cells of a reserve are not among them: no level needs them.
        """
        return list(self._needed)

    def free(self, rank: int, *, reserve: bool = False) -> Take | None:
        """Return the free cell of this rank, None if there are not so many.

        Args:
            rank: From 0, in plan order.
            reserve: Look in the last plan's reserve instead.
        """
        places = self._spare if reserve else self._needed
        free = (take for take, key in places.items() if not self._holders.get(key))
        return next(islice(free, rank, None), None)

    def holders(self, take: Take) -> set[int]:
        """Return the running trials that train this cell."""
        return self._holders.get(self._plan_keys[take.plan][take.place], set())

    def is_held(self, take: Take) -> bool:
        """Whether a running trial trains this cell."""
        return bool(self.holders(take))

    def rivals(self, number: int) -> bool:
        """Whether the cell of this trial is measured or claimed by another trial, too."""
        cell = self.open[number].cell
        if cell is None:
            return False
        key = self.key(cell)
        return key in self.done or len(self._holders[key]) > 1

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
    def next_level(self) -> tuple[int, int] | None:
        """Level and wave of the plan after the last one; None if there is none."""
        return next_wave(self.plans, self.space)

    @property
    def is_done(self) -> bool:
        """Whether the search has ended."""
        return bool(self.plans) and self.next_level is None and not self.unsettled()

    def observations(self) -> list[Observation]:
        """Return the measured cells by trial number."""
        facts = sorted(self.done.values(), key=lambda fact: fact.number)
        return [
            Observation(fact.cell, fact.accuracy, fact.seconds, fact.others)
            for fact in facts
            if fact.cell is not None and fact.accuracy is not None
        ]


def next_move(
    board: Board,
    number: int,
    *,
    absent: Collection[int] = (),
    speculate: bool = False,
) -> Move:
    """Decide what a running trial without a cell does.

    Args:
        board: The state of the search.
        number: The trial's number.
        absent: Numbers of trials without a cell that are not asking for one.
        speculate: Whether to train cells of the reserve where the trial would have to wait.
    """
    asking = [
        other
        for other, fact in board.open.items()
        if fact.cell is None and other not in absent and other != number
    ]
    rank = sum(other < number for other in asking)
    take = board.free(rank)
    if take is not None:
        return take
    unsettled = board.unsettled()
    upcoming = board.next_level
    # Level 1 needs no prediction, so it does not wait for the empty cell (level 0).
    planning = upcoming is not None and (not unsettled or upcoming[0] <= 1)
    leaders = [other for other in board.leaders(len(board.plans)) if other != number]
    if planning and not leaders and rank == 0:
        return MakePlan(len(board.plans))
    if not planning and not unsettled:
        return Finish(_ending(board))
    spare = board.free(rank, reserve=True) if speculate else None
    if spare is not None:
        return spare
    return Wait(_waiting(board, upcoming if planning else None, leaders))


def _waiting(board: Board, upcoming: tuple[int, int] | None, leaders: list[int]) -> str:
    if upcoming is not None:
        who = f"trial {min(leaders)} is planning" if leaders else "another worker is about to plan"
        return f"{who} level {upcoming[0]}"
    if board.free(0) is not None:
        return "other workers are taking the last cells of the level"
    unsettled = board.unsettled()
    level = board.plans[-1].level
    trials = sorted(holder for take in unsettled for holder in board.holders(take))
    shown = ", ".join(map(str, trials[:5])) + (", ..." if len(trials) > 5 else "")
    return (
        f"level {level} is complete but for {len(unsettled)} cells that other trials are "
        f"training ({shown})"
    )


def _ending(board: Board) -> str:
    message = board.plans[-1].report.message
    if not board.plans[-1].cells and message:
        return f"The search has ended. {message}"
    return "The search has ended: every cell of its last level has been trained."
