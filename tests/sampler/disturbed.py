"""Whole searches by several workers, their storage calls interleaved at random.

The real sampler runs on Optuna's storage in memory; each worker is a coroutine that stops before
every storage call and every pause. A schedule decides who goes on, and kills workers before or
after a call, freezes them until others declare them dead, and lets calls fail before or after they
took effect. Plans are written in parts, so that one can be half written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
import copy
import random
from typing import Any
from unittest.mock import patch

import greenlet
import numpy as np
import optuna
from optuna.exceptions import StorageInternalError
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.sampler import liveness
from optuna_popnas.sampler import optimize_steadily
from optuna_popnas.sampler import try_steadily
from optuna_popnas.sampler.facts import REASON
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.search import Plan
from optuna_popnas.search import PlannedCell
from optuna_popnas.space import Cell
from tests.sampler.toys import made_up
from tests.sampler.toys import noise
from tests.sampler.toys import sampler_options


SPACE = SearchSpace(["identity", "3x3 conv"], max_blocks=2, lookbacks=1)
MAX_TRIES = 2
NAME = "schedules"
STEPS = 30_000  # of a schedule; then it hangs


def train(cell: Cell) -> tuple[float, float]:
    """Return made-up metrics; some cells always fail."""
    if len(cell) and noise(cell, "a") < 0.1:
        raise ArithmeticError("always fails")
    return made_up(SPACE, cell)


class Killed(BaseException):
    """The worker's process has ended."""


class Worker:
    """One process: its own study, sampler and way to the storage.

    Args:
        world: Where it works.
        number: Tells it from others, restarted ones included.
        seat: What it has in common with the one that it replaces.
    """

    def __init__(self, world: World, number: int, seat: int) -> None:
        self.world, self.number, self.seat = world, number, seat
        self.dead = False
        self.frozen = 0  # steps left
        self.error: BaseException | None = None
        self.coroutine = greenlet.greenlet(self._run)

    def _run(self) -> None:
        storage: Any = Gate(self.world, self)
        try:
            sampler = self.world.sampler()
            study = try_steadily(
                lambda: optuna.load_study(study_name=NAME, storage=storage, sampler=sampler)
            )
            optimize_steadily(study, self.world.objective, catch=(ArithmeticError,))
        except Killed:
            pass
        except BaseException as error:
            self.error = error


class Gate:
    """A worker's way to the storage: every call waits for its turn and may go wrong."""

    def __init__(self, world: World, worker: Worker) -> None:
        self._world, self._worker = world, worker

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._world.storage, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            world, worker = self._world, self._worker
            world.step(worker)
            fate = world.fate(name)
            if fate == "kill before":
                worker.dead = True
                raise Killed
            if fate == "error before":
                raise StorageInternalError("away")
            # A trial's reason is not read again, so it would be known to some workers only.
            is_mark = name == "set_trial_system_attr" and args[1] != REASON
            if is_mark and world.rng.random() < world.late:
                result = self._write_late(*args)
            else:
                result = method(*args, **kwargs)
            if fate == "kill after":
                worker.dead = True
                raise Killed
            if fate == "error after":
                raise StorageInternalError("away")
            return result

        return call

    def _write_late(self, trial_id: int, key: str, value: Any) -> None:
        """Write as SQLite does: what has happened since the trial was found running is missed."""
        storage: Any = self._world.storage
        if storage.get_trial(trial_id).state.is_finished():
            raise UpdateFinishedTrialError
        for _ in range(self._world.rng.randrange(40)):
            self._world.step(self._worker)
        trial = copy.copy(storage._get_trial(trial_id))
        trial.system_attrs = {**trial.system_attrs, key: value}
        storage._set_trial(trial_id, trial)


BaseStorage.register(Gate)


class World:
    """A storage, its workers, and the harm that is done to them.

    Args:
        mode: Of the search.
        seed: Of the schedule.
    """

    def __init__(self, mode: str, seed: int) -> None:
        self.rng = random.Random(seed)
        self.mode = mode
        self.storage = InMemoryStorage()
        optuna.create_study(
            study_name=NAME, storage=self.storage, directions=["maximize", "minimize"]
        )
        self.harm = {
            "kill before": self.rng.choice([0.0, 0.01, 0.02]),
            "kill after": self.rng.choice([0.0, 0.01, 0.02]),
            "error before": self.rng.choice([0.0, 0.02, 0.05]),
            "error after": self.rng.choice([0.0, 0.02, 0.05]),
        }
        self.freezing = self.rng.choice([0.0, 0.01, 0.03])
        self.late = self.rng.choice([0.0, 0.1, 0.3])
        self.patience = self.rng.choice([0.02, 0.3])  # chance that a silent trial is given up
        self.kills_left = 3
        self.workers: list[Worker] = []
        self.now: Worker | None = None
        self.owners: dict[int, Worker] = {}  # of trials
        self.born: dict[int, int] = {}  # trials without one, and when they were seen
        self.steps = 0
        self.main = greenlet.getcurrent()

    def sampler(self) -> POPNASSampler:
        return POPNASSampler(
            SPACE,
            **sampler_options(mode=self.mode, max_children=2, max_exploration_children=1),
            max_tries=MAX_TRIES,
        )

    def objective(self, trial: optuna.Trial) -> tuple[float, float]:
        cell = SPACE.suggest(trial)
        for _ in range(self.rng.randrange(6)):
            self.step()
        return train(cell)

    def step(self, worker: Worker | None = None) -> None:
        """Let others go on."""
        worker = worker or self.now
        assert worker is not None
        if worker.dead:
            raise Killed
        self.main.switch()

    def fate(self, name: str) -> str | None:
        draw = self.rng.random()
        for fate, chance in self.harm.items():
            if fate.startswith("kill") and not self.kills_left:
                continue
            if draw < chance:
                self.kills_left -= fate.startswith("kill")
                return None if name == "create_new_study" else fate
            draw -= chance
        return None

    def play(self) -> None:
        """Run the workers until all have ended."""
        count = self.rng.randint(1, 4)
        self.workers = [Worker(self, n, n) for n in range(count)]
        made = count
        for self.steps in range(STEPS):
            for place, worker in enumerate(self.workers):
                if worker.dead and worker.coroutine.dead:
                    self.workers[place] = Worker(self, made, worker.seat)
                    made += 1
            running = [worker for worker in self.workers if not worker.coroutine.dead]
            awake = [worker for worker in running if not worker.frozen]
            for worker in running:
                worker.frozen = max(0, worker.frozen - 1)
            if not running:
                return
            if not awake:
                continue
            self.now = self.rng.choice(awake)
            if self.rng.random() < self.freezing:
                self.now.frozen = self.rng.randint(10, 150)
            self.now.coroutine.switch()
        raise AssertionError("the workers hang")


@contextmanager
def no_clocks(world: World) -> Iterator[None]:
    """Replace clocks, threads and names of processes by those of the world."""

    class Beats:
        def __init__(self, interval: float) -> None:
            pass

        def hold(self, study: optuna.Study, trial_id: int) -> None:
            assert world.now is not None
            world.owners[trial_id] = world.now

        def release(self, trial_id: int) -> None:
            pass

        def was_disturbed(self) -> bool:
            return False

    class Watch:
        lease: float | None = 1.0
        disregards = liveness.Watch.disregards

        def __init__(self, lease: float | None) -> None:
            pass

        def look(self, trials: Sequence[FrozenTrial]) -> dict[int, float]:
            return {trial.number: 9.0 * self._is_silent(trial) for trial in trials}

        def present(self, seats: Iterable[str | None]) -> list[str]:
            return [seat for seat in seats if seat is not None]

        def death(self, trial: FrozenTrial, silence: float) -> str | None:
            return "silent" if silence and world.rng.random() < world.patience else None

        def _is_silent(self, trial: FrozenTrial) -> bool:
            owner = world.owners.get(trial._trial_id)
            if owner is None:  # its worker was killed before it knew of it, or is about to know
                born = world.born.setdefault(trial._trial_id, world.steps)
                return world.steps - born > 100
            return owner.dead or owner.frozen > 0

    def me() -> Me:
        assert world.now is not None
        return Me(f"m:{world.now.number}", f"m:{world.now.number}:1", f"m:{world.now.seat}")

    def nap(seconds: float) -> None:
        world.step()

    with (
        patch("optuna_popnas.sampler.desk.Beats", Beats),
        patch("optuna_popnas.sampler.desk.Watch", Watch),
        patch("optuna_popnas.sampler.desk.Me.of_this_process", me),
        patch("optuna_popnas.sampler.desk.time.sleep", nap),
        patch("optuna_popnas.sampler.desk._TELL", world.rng.choice([-1.0, 0.01])),
        patch("optuna_popnas.sampler.plan_text._PART", 120),
        patch("optuna_popnas.sampler.optuna_internals.is_in_memory", lambda study: False),
        patch("optuna_popnas.sampler.planner.plan_wave", grow),
    ):
        yield


def grow(*args: Any, wave: int, rng: np.random.Generator, **kwargs: Any) -> Plan:
    """Stand for the adaptive search: waves of one or two cells, and one that is trained again."""
    observations, running = args[1], args[2]
    if wave >= 4:
        return Plan(0, wave, ())
    known = {item.cell.canonical() for item in (*observations, *running)}
    cells = [cell for cell in SPACE.first_level() if cell.canonical() not in known]
    planned = [PlannedCell(cell, "front") for cell in cells[: 1 + wave % 2]]
    if observations:
        planned.append(
            PlannedCell(observations[int(rng.integers(len(observations)))].cell, "repeat")
        )
    return Plan(1, wave, tuple(planned or [PlannedCell(Cell(), "front")]))
