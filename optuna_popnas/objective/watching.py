"""Ending hopeless trainings early, in a study of any sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
import time
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from optuna_popnas.sampler.optuna_internals import write_users
from optuna_popnas.search.stopping import CHANCE
from optuna_popnas.search.stopping import FEWEST
from optuna_popnas.search.stopping import outlook
from optuna_popnas.training.result import EpochReport


#: User attributes of a training that was ended early: after which epoch, what its whole training
#: would have cost, and the best accuracy that its curve leads to.
STOPPED = "stopped"
SECONDS = "seconds"
EXPECTED = "expected_accuracy"
CURVE = "learning_curve"

# Seconds for which the finished trials of a study are taken as known.
_FRESH = 20.0


class Watch:
    """Says after each epoch of a training whether it should be ended.

    It should if the learning curves of the study's finished trials say that the cell will not
    reach the front (:mod:`optuna_popnas.search.stopping`). The trial then gets the user attributes
    ``stopped`` (the epoch), ``learning_curve``, ``seconds`` (what all epochs would have cost) and
    ``expected_accuracy``: the search learns from them. After the last epoch it gets its
    ``learning_curve`` alone, from which later trials are judged.

    Args:
        trial: The running trial.
        epochs: Epochs of a whole training; as many as finished trials have if left out.
        costs: What the trial's values after accuracy and seconds will be, where that is known.

    Example:
        >>> watch = Watch(trial, epochs=21)  # doctest: +SKIP
        >>> for epoch in range(1, 22):  # doctest: +SKIP
        ...     accuracy = train_an_epoch()
        ...     if watch(epoch, accuracy):
        ...         raise optuna.TrialPruned
    """

    def __init__(
        self, trial: Any, epochs: int | None = None, *, costs: Sequence[float] = ()
    ) -> None:
        self._trial = trial
        self._study: optuna.Study | None = getattr(trial, "study", None)
        self._epochs = epochs
        self._costs = tuple(costs)
        self._curve: list[float] = []
        self._start = time.perf_counter(), time.process_time()
        self._read_at = -math.inf
        self._finished: tuple[list[list[float]], list[list[float]]] = [], []

    def __call__(self, epoch: int, accuracy: float, *, seconds: float | None = None) -> bool:
        """Return whether the training should be ended; the trial should be pruned then.

        Args:
            epoch: Epochs done.
            accuracy: Validation accuracy after this epoch, in [0, 1].
            seconds: Seconds of training so far, as the objective measures them; the smaller of
                wall and CPU seconds since this object was made if left out.
        """
        if seconds is None:
            now = time.perf_counter(), time.process_time()
            seconds = min(end - begin for begin, end in zip(self._start, now))
        whole = seconds / epoch * self.epochs if self.epochs else math.inf
        facts = self.look(epoch, accuracy, [whole, *self._costs])
        if facts:
            facts[SECONDS] = whole
        if facts or epoch == self.epochs:
            facts[CURVE] = [round(value, 6) for value in self._curve]
            write_users(self._trial, facts)
        return STOPPED in facts

    @property
    def epochs(self) -> int:
        """Epochs of a whole training, 0 if nothing is known of them."""
        return self._epochs or max(map(len, self._read()[0]), default=0)

    def look(self, epoch: int, accuracy: float, costs: Sequence[float]) -> dict[str, Any]:
        """Return what to write on a trial that should be ended, nothing if it should not.

        Args:
            epoch: Epochs done.
            accuracy: Validation accuracy after this epoch.
            costs: What the trial's values after the accuracy would be. One that is missing is
                not known: it might be the least of all.
        """
        self._curve.append(float(accuracy))
        curves, theirs = self._read()
        if epoch >= self.epochs or len(curves) < FEWEST:
            return {}
        count = len(theirs[0])
        own = [*costs, *[-math.inf] * count][:count]
        found = outlook(self._curve, own, curves, np.array(theirs).reshape(-1, count))
        if found.chance >= CHANCE:
            return {}
        return {STOPPED: epoch, EXPECTED: round(found.accuracy, 6)}

    def _read(self) -> tuple[list[list[float]], list[list[float]]]:
        """Return curves and costs of finished trials within the study's constraints."""
        if self._study is not None and time.monotonic() - self._read_at > _FRESH:
            self._read_at = time.monotonic()
            trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            self._finished = [], []
            for trial in trials:
                curve = trial.user_attrs.get(CURVE)
                feasible = all(value <= 0 for value in trial.constraints.values())
                if isinstance(curve, list) and curve and feasible:
                    self._finished[0].append(curve)
                    self._finished[1].append(list(trial.values[1:]))
        return self._finished


class WatchedTraining:
    """Ends a training of :func:`train_cell`; keeps what is to be written on the trial."""

    def __init__(
        self,
        watch: Watch,
        costs: Sequence[float],
        names: Sequence[str],
        convert: Callable[[float], float],
    ) -> None:
        self.facts: dict[str, Any] = {}
        self._watch = watch
        self._costs = costs
        self._names = names
        self._convert = convert

    def __call__(self, report: EpochReport) -> bool:
        whole = self._convert(report.seconds / report.epoch * report.epochs)
        costs = [whole if n == "seconds" else c for n, c in zip(self._names, self._costs)]
        self.facts = self._watch.look(report.epoch, report.accuracy, costs[1:])
        return bool(self.facts)
