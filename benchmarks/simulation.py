"""A search of many workers on a virtual clock, with the sampler's own decisions.

:func:`~optuna_popnas.sampler.moves.next_move` decides as it does for processes that share a
storage; only the trainings, and the waiting for them, are simulated.
"""

from __future__ import annotations

import heapq
import time
from typing import Any, NamedTuple, Protocol

import numpy as np
import optuna
from optuna.trial import TrialState

from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.moves import Finish
from optuna_popnas.sampler.moves import make_claim
from optuna_popnas.sampler.moves import MakePlan
from optuna_popnas.sampler.moves import next_move
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.waiting_list import Take
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


#: So often in a row a worker asks again for a cell that is known, then it trains it again.
_MOST_REPEATS = 5


class Trainings(Protocol):
    """What trainings yield."""

    space: SearchSpace

    def train(self, cell: Cell, repeat: int = 0) -> tuple[float, float]:
        """Return accuracy and seconds of a training, the first of its cell or a repeated one."""


class Ran(NamedTuple):
    """A simulated search.

    Attributes:
        end: When it ended.
        busy: Seconds of training of all workers until then.
        lifetime: Seconds that the workers were there.
        cells: What was trained.
        values: Measured accuracies and seconds of them.
        planning: Processor seconds of planning, or of asking.
    """

    end: float
    busy: float
    lifetime: float
    cells: list[Cell]
    values: list[tuple[float, float]]
    planning: float


def simulate(
    world: Trainings,
    planner: Planner,
    workers: int,
    *,
    speculate: bool = False,
    seed: int = 0,
    horizon: float = np.inf,
    plans_take_time: bool = False,
) -> Ran:
    """Run one search on the virtual clock.

    Args:
        world: What trainings yield.
        planner: Makes the plans.
        workers: How many train at the same time.
        speculate: Whether idle workers train cells of the reserve.
        seed: Seed of the study.
        horizon: When it ends; trainings that are not finished then count as work, not as found.
        plans_take_time: Whether a plan takes its processor seconds on the virtual clock.
    """
    mode = planner.config.mode
    me = Me.of_this_process()
    board = Board(Setup(world.space, {"mode": mode, "max_tries": 3}))
    facts: dict[int, Fact] = {}  # open trials
    events: list[tuple[float, int, Any]] = []  # when, trial, measured values or a plan's data
    begun: dict[int, float] = {}
    ended: list[Fact] = []
    number, now, busy, lifetime, idle, planning = 0, 0.0, 0.0, 0.0, workers, 0.0
    ran = Ran(0.0, 0.0, 0.0, [], [], 0.0)
    while True:
        for _ in range(idle):  # each free worker asks for a trial
            facts[number] = Fact(number, TrialState.RUNNING, None, waits=True)
            number += 1
        idle = 0
        asking = [fact.number for fact in facts.values() if fact.cell is None]
        board.update([*ended, *facts.values()])
        ended = []
        progress = True
        while progress:
            progress = False
            for trial in list(asking):
                if facts[trial].lead is not None:
                    continue  # it is planning
                move = next_move(board, trial, speculate=speculate)
                if isinstance(move, Take):
                    cell = board.cell(move)
                    claim = make_claim(board, move, trial, me, 0.0)
                    facts[trial] = facts[trial]._replace(cell=cell, claim=claim)
                    values = world.train(cell, claim.repeat)
                    begun[trial] = now
                    heapq.heappush(events, (now + values[1], trial, values))
                    asking.remove(trial)
                elif isinstance(move, MakePlan):
                    assert board.upcoming is not None
                    started = time.process_time()
                    plan = planner.plan(board.upcoming, planner.knowledge(board), seed=seed)
                    took = time.process_time() - started
                    planning += took
                    data = {"plan": plan.to_json(world.space), "fenced": []}
                    facts[trial] = facts[trial]._replace(lead=move.plan)
                    ready = now + (took if plans_take_time else 0.0)
                    heapq.heappush(events, (ready, trial, (move.plan, data)))
                elif isinstance(move, Finish):
                    del facts[trial]
                    asking.remove(trial)
                    lifetime += now  # this worker ends
                else:
                    break  # who comes later waits, too
                progress = True
                board.update(facts.values())
        if not events or events[0][0] > horizon:
            break
        now, trial, what = heapq.heappop(events)
        if isinstance(what[1], dict):
            carried = (*facts[trial].plans, what)
            facts[trial] = facts[trial]._replace(plans=carried, lead=None)
            continue
        fact = facts.pop(trial)
        assert fact.cell is not None
        accuracy, seconds = what
        busy += now - begun.pop(trial)
        ran.cells.append(fact.cell)
        ran.values.append((accuracy, seconds))
        ended = [fact._replace(state=TrialState.COMPLETE, accuracy=accuracy, seconds=seconds)]
        idle = 1
    end = now if np.isinf(horizon) else horizon
    busy += sum(end - start for start in begun.values())
    if not np.isinf(horizon):
        lifetime = horizon * workers
    return ran._replace(end=end, busy=busy, lifetime=lifetime, planning=planning)


def simulate_sampler(
    world: Trainings, sampler: optuna.samplers.BaseSampler, workers: int, *, horizon: float
) -> Ran:
    """Run one of Optuna's samplers: every worker asks for itself, and its ask takes its time.

    A cell that has been trained is answered from memory, and the worker asks again.
    """
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    ran = Ran(horizon, 0.0, horizon * workers, [], [], 0.0)
    known: dict[Cell, tuple[float, float]] = {}
    # When, worker or trial, what ends then: trial, cell, values and the time at which it began.
    events: list[tuple[float, int, Any]] = [(0.0, -1 - worker, None) for worker in range(workers)]
    busy = planning = 0.0
    while events and events[0][0] <= horizon:
        now, _, done = heapq.heappop(events)
        if done is not None:
            trial, cell, values, begin = done
            study.tell(trial, values)
            busy += now - begin
            known[cell.canonical(world.space.operators)] = values
            ran.cells.append(cell)
            ran.values.append(values)
        started = time.process_time()
        for again in range(_MOST_REPEATS + 1):
            trial = study.ask()
            cell = world.space.suggest(trial)
            answer = known.get(cell.canonical(world.space.operators))
            if answer is None or again == _MOST_REPEATS:
                break
            study.tell(trial, answer)
        took = time.process_time() - started
        planning += took
        values = world.train(cell)
        begin = now + took
        heapq.heappush(events, (begin + values[1], trial.number, (trial, cell, values, begin)))
    busy += sum(max(horizon - done[3], 0.0) for _, _, done in events if done is not None)
    return ran._replace(busy=busy, planning=planning)
