"""The workers of ``tests/faults.py``: what they do, and who starts the dead again."""

from __future__ import annotations

import faulthandler
import multiprocessing
from multiprocessing.process import BaseProcess
import os
from pathlib import Path
import random
import signal
import time

import optuna

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.patience import try_steadily
from optuna_popnas.sampler.plan_text import PLAN
from optuna_popnas.sampler.steady import optimize_steadily
from tests.sampler.toys import made_up
from tests.sampler.toys import noise
from tests.sampler.toys import sampler_options
from tests.services import open_storage


SPACE = SearchSpace(["identity", "3x3 conv", "2x2 maxpool"], max_blocks=3)
LEASE = 6.0  # seconds
MAX_TRIES = 3
# Workers are forked from a process that has imported everything, so that they start at once.
PROCESSES = multiprocessing.get_context("forkserver")


def sampler() -> POPNASSampler:
    return POPNASSampler(
        SPACE,
        max_children=12,
        max_exploration_children=4,
        stale_after=LEASE,
        max_tries=MAX_TRIES,
        **sampler_options(),
    )


def objective(trial: optuna.Trial, longest: float = 0.15) -> tuple[float, float]:
    """Sleep for a moment and return made-up metrics; some cells fail, some once, some always."""
    cell = SPACE.suggest(trial)
    time.sleep(random.uniform(0.0, longest))
    luck = noise(cell, "luck")
    if len(cell) > 0 and luck < 0.04:
        raise ArithmeticError("this cell always fails")
    if luck > 0.97:
        return float("nan"), 1.0
    if 0.04 < luck < 0.12 and trial.user_attrs["popnas"]["attempt"] == 1:
        raise ArithmeticError("this cell fails once")
    return made_up(SPACE, cell)


def work(address: str, marks: Path) -> None:
    """Run one worker; die where a mark says so."""
    with (marks / "errors").open("ab") as errors:
        os.dup2(errors.fileno(), 2)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    write = internals.write_trial

    def write_and_die(study: optuna.Study, trial_id: int, key: str, value: object) -> None:
        if key.startswith(PLAN) and use_mark(marks / "before-commit"):
            os.kill(os.getpid(), signal.SIGKILL)
        write(study, trial_id, key, value)
        if key.startswith(PLAN) and use_mark(marks / "after-commit"):
            os.kill(os.getpid(), signal.SIGKILL)

    internals.write_trial = write_and_die
    study = try_steadily(
        lambda: optuna.load_study(
            study_name="faults", storage=open_storage(address), sampler=sampler()
        )
    )
    optimize_steadily(study, objective, catch=(ArithmeticError,), patience=60)


def use_mark(mark: Path) -> bool:
    """Whether this process was the one to take the mark away."""
    try:
        mark.unlink()
    except FileNotFoundError:
        return False
    return True


class Crew:
    """Workers under watch: one that dies is started again, as a supervisor would."""

    def __init__(self, address: str, marks: Path, count: int) -> None:
        self._arguments = (address, marks)
        self.killed = 0
        self.restarted = 0
        self._running = [self._start() for _ in range(count)]

    def _start(self) -> BaseProcess:
        process = PROCESSES.Process(target=work, args=self._arguments)
        process.start()
        return process

    def watch(self) -> bool:
        """Start the dead again; return whether anyone is still at work."""
        for place, process in enumerate(self._running):
            if process.exitcode is not None and process.exitcode != 0:
                self.restarted += 1
                self._running[place] = self._start()
        return any(process.is_alive() for process in self._running)

    def signal(self, number: int, rng: random.Random) -> BaseProcess | None:
        """Send a signal to a random worker."""
        alive = [process for process in self._running if process.is_alive()]
        if not alive:
            return None
        process = rng.choice(alive)
        send(process, number)
        self.killed += number == signal.SIGKILL
        return process

    def end(self) -> int:
        """Kill who is left; return how many that were."""
        hung = [process for process in self._running if process.is_alive()]
        for process in hung:
            send(process, signal.SIGUSR1)  # tell where it hangs
            time.sleep(0.2)
            process.kill()
        for process in self._running:
            process.join()
        return len(hung)


def send(process: BaseProcess, number: int) -> None:
    """Send a signal, unless the process has just ended."""
    try:
        os.kill(process.pid or 0, number)
    except ProcessLookupError:
        pass
