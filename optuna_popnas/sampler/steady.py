"""Keep on optimizing through what a long search on many machines meets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import random
import time
from typing import Any, TypeVar

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from optuna_popnas.sampler import attributes
from optuna_popnas.sampler.worker import TrialLost


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

Result = TypeVar("Result")
Callback = Callable[[optuna.Study, FrozenTrial], None]


def try_steadily(call: Callable[[], Result], *, patience: float = 300.0) -> Result:
    """Call a function that uses a storage, again and again while the storage is away.

    Args:
        call: Opens a storage or loads a study, say.
        patience: Seconds that the storage may be away.
    """
    started = time.monotonic()
    while True:
        try:
            return call()
        except Exception as error:
            if not attributes.is_storage_failure(error):
                raise
            if time.monotonic() - started > patience:
                raise
            time.sleep(random.uniform(0.5, 1.5))


def optimize_steadily(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], float | Sequence[float]],
    *,
    n_trials: int | None = None,
    timeout: float | None = None,
    callbacks: Sequence[Callback] = (),
    patience: float = 300.0,
    **options: Any,
) -> None:
    """Call ``study.optimize``, and again after errors that are not the objective's.

    ``study.optimize`` ends with an error if the storage is away for a moment, or if this worker
    was silent for so long that another one declared its trial dead. Neither is a reason to end a
    worker.

    Args:
        study: The study.
        objective: The objective.
        n_trials: As for ``study.optimize``.
        timeout: As for ``study.optimize``.
        callbacks: As for ``study.optimize``.
        patience: Seconds that the storage may be away.
        options: More arguments of ``study.optimize``.
    """
    finished = 0
    started = time.monotonic()
    away_since: float | None = None

    def count(study: optuna.Study, trial: FrozenTrial) -> None:
        nonlocal finished, away_since
        finished += 1
        away_since = None

    while True:
        left = None if timeout is None else timeout - (time.monotonic() - started)
        try:
            study.optimize(
                objective,
                n_trials=None if n_trials is None else n_trials - finished,
                timeout=left,
                callbacks=[count, *callbacks],
                **options,
            )
            return
        except Exception as error:
            if _was_declared_dead(error):
                _logger.warning(f"This worker lost a trial and goes on: {error}")
                continue
            if not any(attributes.is_storage_failure(cause) for cause in _causes(error)):
                raise
            now = time.monotonic()
            if away_since is None:
                away_since = now
                _logger.warning(f"The storage does not answer; trying again. {error!r}")
            elif now - away_since > patience:
                raise
            time.sleep(random.uniform(0.5, 1.5))


def _was_declared_dead(error: Exception) -> bool:
    """Whether Optuna refused a result because another worker had failed the trial."""
    return any(
        isinstance(cause, (UpdateFinishedTrialError, TrialLost))
        or (isinstance(cause, ValueError) and str(cause).startswith("Cannot tell a "))
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those behind it: Optuna trips over its own errors on the way out."""
    while error is not None:
        yield error
        error = error.__context__
