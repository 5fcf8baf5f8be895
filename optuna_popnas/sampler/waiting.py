"""How a worker waits: for how long, until when, and with what patience."""

from __future__ import annotations

from datetime import datetime
import random
import time

import optuna

from optuna_popnas.sampler import attributes


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_PATIENCE = 300.0  # seconds that a storage may be away


def stop_reason(study: optuna.Study) -> str | None:
    """Return why this thread is to wait no longer, or None."""
    if not attributes.in_optimize(study):
        return None
    if attributes.stop_requested(study):
        return "The worker was stopped while it waited for a cell."
    deadline = attributes.running_call().deadline
    if deadline is not None and datetime.now() >= deadline:
        return "The worker's timeout passed while it waited for a cell."
    return None


class Pause:
    """Pauses that grow while nothing happens, with some chance so that workers spread out."""

    def __init__(self, in_memory: bool) -> None:
        self.shortest = 0.002 if in_memory else 0.03
        self._longest = 0.05 if in_memory else 1.0
        self._seconds = self.shortest
        self._conflicts = 0

    def sleep(self) -> None:
        """Wait a little longer than the last time."""
        time.sleep(self._seconds * random.uniform(0.75, 1.25))
        self._seconds = min(self._seconds * 1.3, self._longest)

    def after_conflict(self) -> None:
        """Wait for a moment that is different for each worker."""
        self._conflicts += 1
        time.sleep(random.uniform(0.0, 0.02 * min(self._conflicts, 10)))


class Outage:
    """Patience with a storage that is away: restarted, locked or out of reach."""

    def __init__(self) -> None:
        self._since: float | None = None

    def clear(self) -> None:
        """Note that the storage has answered."""
        self._since = None

    def is_too_long(self) -> bool:
        """Whether it has been away for longer than is reasonable."""
        return self._since is not None and time.monotonic() - self._since > _PATIENCE

    def sleep(self, error: Exception) -> None:
        """Wait for a moment; tell of the first error."""
        if self._since is None:
            self._since = time.monotonic()
            _logger.warning(
                f"The storage does not answer; trying again for up to {_PATIENCE:g} s. {error!r}"
            )
        time.sleep(random.uniform(0.2, 1.0))
