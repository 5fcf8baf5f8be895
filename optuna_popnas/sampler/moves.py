"""Who trains what, who plans, who waits: pure decisions over the facts of all trials.

Workers share nothing but the storage, and a worker writes only on its own trial:

* *Cells.* A worker takes the free cell whose place in the plan is its own rank among the
  trials that have none, writes a claim on its trial and reads again. If another trial claims the
  same cell, it withdraws and tries again. As each writes before it reads, of two that claim at
  the same time at least one sees the other: no cell is trained twice.
* *Plans.* When every cell is done (in adaptive mode: when every cell is dealt), the lowest trial
  without a cell marks itself as leader, in the same way. It writes the next plan on its own
  trial; with its last write the plan holds. A worker that takes over from a dead leader fails the
  leader's trial first: a finished trial refuses writes, so a leader that wakes up late cannot
  commit, and should its write have been under way, the new plan names the trial as fenced.
* *Ends.* A cell is settled when a trial has measured it or when it is out of tries. A failed cell
  goes to the end of the queue, and to another worker if one is there.

What is decided follows from what is stored, whatever the order of events was: trials of users
and of other samplers, failed and dead ones are accounted for by the cell that they carry, never
by their number.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.facts import Claim
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.waiting_list import Take


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


def next_move(
    board: Board,
    number: int,
    *,
    absent: Collection[int] = (),
    speculate: bool = False,
    seat: str = "",
    present: Collection[str] = (),
) -> Move:
    """Decide what a running trial without a cell does.

    Args:
        board: The state of the search.
        number: The trial's number.
        absent: Numbers of trials without a cell that are not asking for one.
        speculate: Whether to train cells of the reserve where the trial would have to wait.
        seat: Who runs the trial.
        present: Seats of the workers that are there.
    """
    asking = [
        other
        for other, fact in board.open.items()
        if fact.cell is None and other not in absent and other != number
    ]
    present = {*present, seat}
    rank = sum(
        other < number and board.has_some_for(board.open[other].seat, present) for other in asking
    )
    left = board.left_to_others(seat, present)
    take = board.free(rank, but=left)
    if take is not None:
        return take
    upcoming = board.upcoming
    if board.adaptive:  # a wave is planned as soon as the last one is dealt
        planning = upcoming is not None and not left
        behind = rank - board.count_free()  # of those for whom there is no cell
    else:
        # Level 1 needs no prediction, so it does not wait for the empty cell (level 0).
        planning = upcoming is not None and (board.all_settled or upcoming.level == 1)
        behind = rank
    leaders = [other for other in board.leaders(len(board.plans)) if other != number]
    if planning and not leaders and behind <= 0:
        return MakePlan(len(board.plans))
    if upcoming is None and board.all_settled:
        return Finish(_ending(board))
    spare = board.free(rank, reserve=True) if speculate else None
    if spare is not None:
        return spare
    return Wait(_waiting(board, planning, leaders, bool(left)))


def _waiting(board: Board, planning: bool, leaders: list[int], left: bool) -> str:
    upcoming = board.upcoming
    if planning and upcoming is not None:
        who = f"trial {min(leaders)} is planning" if leaders else "another worker is about to plan"
        return f"{who} {upcoming}"
    if left:
        return "the cells that are left have failed here and are left to other workers"
    if board.count_free():
        return "other workers are taking the last cells of the level"
    unsettled = board.unsettled()
    trials = sorted(holder for take in unsettled for holder in board.holders(take))
    shown = ", ".join(map(str, trials[:5])) + (", ..." if len(trials) > 5 else "")
    what = "the search" if board.adaptive else f"level {board.plans[-1].level}"
    return (
        f"{what} is complete but for {len(unsettled)} cells that other "
        f"trials are training ({shown})"
    )


def _ending(board: Board) -> str:
    message = board.plans[-1].report.message
    if not board.plans[-1].cells and message:
        return f"The search has ended. {message}"
    return "The search has ended: every cell of its last level has been trained."


def make_claim(board: Board, take: Take, number: int, me: Me, waited: float) -> Claim:
    """Return a claim of a cell.

    Args:
        board: The state of the search.
        take: The cell.
        number: Number of the trial that claims it.
        me: Who runs the trial.
        waited: Seconds that the trial waited for a cell.
    """
    plan = board.plans[take.plan]
    planned = plan.cells[take.place]
    return Claim(
        cell=planned.cell,
        level=len(planned.cell),
        wave=plan.wave,
        role=planned.role,
        predicted_accuracy=planned.accuracy,
        predicted_seconds=planned.seconds,
        attempt=board.attempts(take) + 1,
        waited_seconds=round(waited, 3),
        worker=me.worker,
        process=me.process,
        plan=take.plan,
        place=take.place,
        repeat=board.slot_at(take).repeat,
        seat=me.seat,
        trial=number,
    )
