"""Keep on optimizing through what a long search on many machines meets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import threading
import time
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from optuna_popnas._failures import MachineFailure
from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.errors import TrialLost
from optuna_popnas.sampler.facts import INTERRUPTED
from optuna_popnas.sampler.facts import REASON
from optuna_popnas.sampler.patience import causes
from optuna_popnas.sampler.patience import is_storage_failure
from optuna_popnas.sampler.patience import make_patient
from optuna_popnas.sampler.patience import PATIENCE
from optuna_popnas.sampler.popnas_sampler import POPNASSampler


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

Callback = Callable[[optuna.Study, FrozenTrial], None]
Values = float | Sequence[float]


def optimize_steadily(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], Values],
    *,
    n_trials: int | None = None,
    timeout: float | None = None,
    catch: tuple[type[Exception], ...] = (),
    callbacks: Sequence[Callback] = (),
    patience: float = PATIENCE,
    **options: Any,
) -> None:
    """Call ``study.optimize`` as a long search needs it.

    It goes on when this worker was silent for so long that another one declared its trial dead,
    ``timeout`` ends a wait for a cell, trials say why they failed, and Ctrl-C, an ``OSError`` or
    :class:`~optuna_popnas.MachineFailure` use up no tries of a cell. (Of a plain
    ``study.optimize`` a sampler learns neither its ``timeout`` nor the errors of its objective.)

    Args:
        study: The study.
        objective: The objective.
        n_trials: As for ``study.optimize``.
        timeout: As for ``study.optimize``.
        catch: As for ``study.optimize``. ``Exception`` stands for all errors but those that are
            no fault of a cell: they end this worker, unless they are named here.
        callbacks: As for ``study.optimize``.
        patience: Seconds that the storage may be away.
        options: More arguments of ``study.optimize``.

    Raises:
        ValueError: The study was begun with another setup; no trial is added.
    """
    finished = 0
    started = time.monotonic()
    make_patient(study, patience)
    if isinstance(study.sampler, POPNASSampler):
        study.sampler.check(study)

    def count(study: optuna.Study, trial: FrozenTrial) -> None:
        nonlocal finished
        finished += 1
        trouble = explained.troubles.pop(trial.number, None)
        if trouble is not None:
            raise trouble

    explained = _Explained(objective, catch)
    while True:
        left = None if timeout is None else timeout - (time.monotonic() - started)
        timer = None
        if left is not None:
            timer = threading.Timer(max(left, 0.0), internals.request_stop, [study])
            timer.daemon = True
            timer.start()
        try:
            study.optimize(
                explained,
                n_trials=None if n_trials is None else n_trials - finished,
                timeout=left,
                catch=catch,
                callbacks=[count, *callbacks],
                **options,
            )
            return
        except Exception as error:
            if not _was_declared_dead(error):
                raise
            _logger.warning(f"This worker lost a trial and goes on: {error}")
        finally:
            if timer is not None:
                timer.cancel()


class _Explained:
    """An objective that writes on its trial why it failed, as Optuna only logs it."""

    def __init__(
        self, objective: Callable[[optuna.Trial], Values], catch: tuple[type[Exception], ...]
    ) -> None:
        self._objective = objective
        self._expected = tuple(kind for kind in catch if kind is not Exception)
        self.troubles: dict[int, Exception] = {}  # of trials, by no fault of their cells

    def __call__(self, trial: optuna.Trial) -> Values:
        try:
            return self._objective(trial)
        except optuna.TrialPruned:
            raise
        except KeyboardInterrupt:
            self._write(trial, f"{INTERRUPTED} by the keyboard")
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:500]
            trouble = isinstance(error, (OSError, MachineFailure)) or is_storage_failure(error)
            if trouble and not isinstance(error, self._expected):
                self.troubles[trial.number] = error
                reason = f"{INTERRUPTED}: {reason}"
            self._write(trial, reason)
            raise

    def _write(self, trial: optuna.Trial, reason: str) -> None:
        try:
            internals.write_trial(trial.study, internals.trial_key(trial), REASON, reason)
        except Exception as error:
            _logger.debug(f"The reason of a failure could not be written: {error!r}")


def _was_declared_dead(error: Exception) -> bool:
    """Whether Optuna refused a result because another worker had failed the trial."""
    return any(
        isinstance(cause, (UpdateFinishedTrialError, TrialLost))
        or (isinstance(cause, ValueError) and str(cause).startswith("Cannot tell a "))
        for cause in causes(error)
    )
