"""Searches on a bench, through Optuna or without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field
import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna

from bench.base import Bench
from bench.base import Evaluation
from optuna_popnas import Cell
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.sampler.facts import repeat_of


#: A search that only asks for cells it has seen has nothing left to say.
MAX_REPEATS = 500
_OTHER_SEED = 1_000_003
#: Tells after an epoch whether to end a training: ``(epoch, accuracy, seconds so far) -> bool``.
Stop = Callable[[int, float, float], bool]


class Step(NamedTuple):
    """One training of a search.

    Attributes:
        cell: The cell.
        spent: Seconds of training that were spent when it was finished.
        accuracy: Measured accuracy; of a stopped training the last one of its curve.
        seconds: Measured seconds of the whole training.
        stopped: Whether it was ended early.
    """

    cell: Cell
    spent: float
    accuracy: float
    seconds: float
    stopped: bool = False


@dataclass
class Trajectory:
    """A search on a bench.

    Attributes:
        bench: The bench.
        seed: Seed of the search and of the trainings' noise.
        steps: Trainings in their order.
        spent: Seconds of training in all.
        repeats: How often a known cell was asked for, and answered from memory.
        planning: Processor seconds of everything else.
    """

    bench: Bench
    seed: int
    steps: list[Step] = field(default_factory=list)
    spent: float = 0.0
    repeats: int = 0
    planning: float = 0.0
    _known: dict[tuple[Cell, int], tuple[float, float] | None] = field(
        default_factory=dict, repr=False
    )

    def train(
        self, cell: Cell, stop: Stop | None = None, again: int = 0
    ) -> tuple[float, float] | None:
        """Return accuracy and seconds of a cell, spending its seconds if it is new.

        Returns None for a cell that the bench does not have, or whose training was ended.

        Args:
            cell: The cell.
            stop: Whether to end its training.
            again: How often it was trained before, where another training of a known cell is
                wanted, with another seed and at its cost.
        """
        cell = cell.canonical(self.bench.space.operators)
        key = cell, again
        if key in self._known:
            self.repeats += 1
            return self._known[key]
        found = self.bench.evaluate(cell, self.seed + _OTHER_SEED * again)
        if found is None:
            self._known[key] = None
            return None
        step = self._step(cell, found, stop)
        self.spent = step.spent
        self.steps.append(step)
        self._known[key] = None if step.stopped else (step.accuracy, step.seconds)
        return self._known[key]

    def _step(self, cell: Cell, found: Evaluation, stop: Stop | None) -> Step:
        for epoch, accuracy in zip(self.bench.curve_epochs, found.curve):
            seconds = epoch / self.bench.epochs * found.seconds
            ended = stop is not None and stop(epoch, accuracy, seconds)
            if ended and epoch < self.bench.epochs:
                spent = self.spent + seconds
                return Step(cell, spent, accuracy, found.seconds, stopped=True)
        return Step(cell, self.spent + found.seconds, found.accuracy, found.seconds)

    def values(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return arrays of the trainings: spent, measured and expected accuracy and seconds.

        Of a cell that was trained several times every training is there.
        """
        steps = [step for step in self.steps if not step.stopped]
        accuracy, seconds = self.bench.expected([step.cell for step in steps])
        return {
            "spent": np.array([step.spent for step in steps]),
            "measured": np.array([step.accuracy for step in steps]),
            "measured_seconds": np.array([step.seconds for step in steps]),
            "accuracy": accuracy,
            "seconds": seconds,
        }


def run(
    bench: Bench,
    sampler_factory: Callable[[SearchSpace, int], optuna.samplers.BaseSampler],
    budget_seconds: float | None = None,
    seed: int = 0,
    *,
    directions: Sequence[str] = ("maximize", "minimize"),
    early_stops: bool = False,
    max_trainings: int | None = None,
) -> Trajectory:
    """Search a bench with an Optuna study in memory.

    Args:
        bench: The bench.
        sampler_factory: Makes the sampler from the space and a seed.
        budget_seconds: Seconds of training after which it ends; the bench's if left out.
        seed: Seed of the sampler and of the trainings' noise.
        directions: ``("maximize",)`` to search for accuracy alone.
        early_stops: Whether trainings are ended whose learning curve says that the cell will not
            reach the front (:meth:`SearchSpace.watch`); the bench must have curves.
        max_trainings: Ends after so many.
    """
    budget = bench.budget if budget_seconds is None else budget_seconds
    trajectory = Trajectory(bench, seed)
    in_a_row = 0

    def objective(trial: optuna.Trial) -> Any:
        nonlocal in_a_row
        cell = space.suggest(trial)
        before = len(trajectory.steps)
        stop = _stop(space, trial, bench) if early_stops else None
        values = trajectory.train(cell, stop, repeat_of(trial))
        in_a_row = 0 if len(trajectory.steps) > before else in_a_row + 1
        full = max_trainings is not None and len(trajectory.steps) >= max_trainings
        if trajectory.spent >= budget or in_a_row > MAX_REPEATS or full:
            trial.study.stop()
        if values is None:
            raise optuna.TrialPruned("The bench does not have this cell, or it was ended early.")
        return values[: len(directions)]

    begin = time.process_time()
    sampler = sampler_factory(bench.space, seed)
    # POPNASv1 has a smaller space, that of one lookback.
    space = sampler.space if isinstance(sampler, POPNASSampler) else bench.space
    study = optuna.create_study(directions=list(directions), sampler=sampler)
    study.optimize(objective)
    trajectory.planning = time.process_time() - begin
    return trajectory


def _stop(space: SearchSpace, trial: optuna.Trial, bench: Bench) -> Stop:
    watch = space.watch(trial, epochs=bench.epochs)
    return lambda epoch, accuracy, seconds: watch(epoch, accuracy, seconds=seconds)


#: The next cells to train, from what is known: ``(cells, accuracies, seconds, rng) -> cells``.
Propose = Callable[
    [Sequence[Cell], npt.NDArray[np.float64], npt.NDArray[np.float64], np.random.Generator],
    Sequence[Cell],
]


def direct(
    bench: Bench,
    propose: Propose,
    budget_seconds: float | None = None,
    seed: int = 0,
) -> Trajectory:
    """Search a bench without Optuna: a function proposes cells until the budget is spent.

    Args:
        bench: The bench.
        propose: Gives the next wave; an empty one ends the search.
        budget_seconds: Seconds of training after which it ends; the bench's if left out.
        seed: Seed of ``propose`` and of the trainings' noise.
    """
    budget = bench.budget if budget_seconds is None else budget_seconds
    trajectory = Trajectory(bench, seed)
    rng = np.random.default_rng(seed)
    begin = time.process_time()
    in_a_row = 0
    while trajectory.spent < budget and in_a_row <= MAX_REPEATS:
        steps = trajectory.steps
        wave = propose(
            [step.cell for step in steps],
            np.array([step.accuracy for step in steps]),
            np.array([step.seconds for step in steps]),
            rng,
        )
        if not len(wave):
            break
        for cell in wave:
            before = len(steps)
            trajectory.train(cell)
            in_a_row = 0 if len(steps) > before else in_a_row + 1
            if trajectory.spent >= budget:
                break
    trajectory.planning = time.process_time() - begin
    return trajectory
