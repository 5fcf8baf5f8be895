"""Patience with storages that are away: restarted, locked, full or out of reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import errno
from functools import partial
import math
import random
import time
from typing import Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.optuna_internals import BaseHeartbeat


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

PATIENCE = 300.0  # seconds that a storage may be away
_RACES = 30  # so often a process may trip over tables that others make
_TELL_EVERY = 30.0  # seconds

Result = TypeVar("Result")

# Errors that no waiting will mend, by the names of their classes and by their texts: drivers
# need not be installed.
_HOPELESS_KINDS = {"ProgrammingError", "DataError", "NotSupportedError", "NoSuchTableError"}
_HOPELESS_TEXTS = (
    "no such table",
    "readonly",
    "read-only",
    "too long",
    "password authentication failed",
    "access denied",
    "unable to open database file",
    "unimplemented",
    "not a database",
    "malformed",
)
_HOPELESS_ERRNOS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EISDIR}


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those behind it: Optuna trips over its own errors on the way out."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def is_storage_failure(error: BaseException) -> bool:
    """Whether a storage could not be reached, or could not do what it was asked to."""
    if isinstance(error, (StorageInternalError, ConnectionError)):
        return True
    names = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}
    away = {("sqlalchemy", "DBAPIError"), ("sqlalchemy", "TimeoutError"), ("grpc", "RpcError")}
    return bool(names & away)


def is_hopeless(error: BaseException) -> bool:
    """Whether waiting will not mend a failure of a storage."""
    for cause in causes(error):
        text = str(cause).lower()
        if any(kind.__name__ in _HOPELESS_KINDS for kind in type(cause).__mro__):
            return True
        if any(hopeless in text for hopeless in _HOPELESS_TEXTS):
            return True
        if isinstance(cause, OSError) and cause.errno in _HOPELESS_ERRNOS:
            return True
    return False


def try_steadily(
    call: Callable[[], Result], *, patience: float = PATIENCE, opening: bool = False
) -> Result:
    """Call a function that uses a storage, again and again while the storage is away.

    Args:
        call: Opens a storage or loads a study, say.
        patience: Seconds that the storage may be away.
        opening: Whether tables and studies are made: of several processes that do so at the same
            time all but one may trip over what the other has just made.

    Raises:
        Exception: What ``call`` raised, where that is no failure of a storage, where waiting
            does not mend it, or where patience has ended.
    """
    started = time.monotonic()
    tries = 0
    while True:
        try:
            return call()
        except Exception as error:
            tries += 1
            late = time.monotonic() - started > patience
            raced = opening and tries < _RACES and _is_race(error)
            # A journal on a full disk or on a stale mount raises OSErrors.
            away = is_storage_failure(error) or (opening and isinstance(error, OSError))
            if not raced and (late or is_hopeless(error) or not away):
                raise
            if tries == 3 and not raced:
                _logger.warning(_away(error, patience))
            time.sleep(random.uniform(0.1, 1.0))


def _is_race(error: Exception) -> bool:
    """Whether a process tripped over tables that another one was making at the same time."""
    names = {kind.__name__ for cause in causes(error) for kind in type(cause).__mro__}
    text = " ".join(str(cause) for cause in causes(error)).lower()
    made = any(word in text for word in ("exist", "duplicate", "unique", "no such table"))
    # Optuna asserts that its version has been written.
    return "AssertionError" in names or ("SQLAlchemyError" in names and made)


class PatientStorage:
    """Another way to a storage: calls are made again while the storage is away.

    What was written although the answer was an error is not written twice, but for new trials:
    one that nobody knows of falls to the lease as others do.

    Args:
        storage: Any storage of Optuna.
        patience: Seconds that it may be away.
    """

    def __init__(self, storage: BaseStorage, patience: float = PATIENCE) -> None:
        self.patient_with = storage
        self.patience = patience
        self._last_told = -math.inf

    def __getattr__(self, name: str) -> Any:
        if name == "patient_with":  # not there yet: it is being unpickled
            raise AttributeError(name)
        value = getattr(self.patient_with, name)
        if name.startswith("_") or not callable(value):
            return value
        return lambda *args, **kwargs: self.steadily(lambda: value(*args, **kwargs))

    def get_heartbeat_interval(self) -> int | None:
        """Return the storage's own interval, None where it has no heartbeats."""
        storage = self.patient_with
        return storage.get_heartbeat_interval() if isinstance(storage, BaseHeartbeat) else None

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Start or finish a trial."""
        outages: list[Exception] = []
        try:
            storage = self.patient_with
            call = partial(storage.set_trial_state_values, trial_id, state, values)
            return self.steadily(call, outages)
        except UpdateFinishedTrialError:
            if not outages:
                raise
            found = self.get_trial(trial_id)
            if (found.state, found.values) != (state, None if values is None else list(values)):
                raise
            return True  # it was written although the answer was an error

    def steadily(
        self, call: Callable[[], Result], outages: list[Exception] | None = None
    ) -> Result:
        """Call a function that uses the storage, again and again while the storage is away."""
        since: float | None = None
        while True:
            try:
                return call()
            except Exception as error:
                # A journal on a full disk or on a stale mount raises OSErrors.
                if not isinstance(error, OSError) and not is_storage_failure(error):
                    raise
                now = time.monotonic()
                since = now if since is None else since
                if is_hopeless(error) or now - since > self.patience:
                    raise
                if outages is not None:
                    outages.append(error)
                if now - self._last_told > _TELL_EVERY:
                    self._last_told = now
                    _logger.warning(_away(error, self.patience))
            time.sleep(random.uniform(0.1, 1.0))


BaseStorage.register(PatientStorage)
BaseHeartbeat.register(PatientStorage)


def make_patient(study: optuna.Study, patience: float | None = None) -> None:
    """Make all that is done with a study patient, by Optuna and by objectives.

    Args:
        study: The study.
        patience: Seconds that its storage may be away.
    """
    storage = internals.storage_of(study)
    if isinstance(storage, PatientStorage):
        storage.patience = storage.patience if patience is None else patience
    else:
        patient: Any = PatientStorage(storage, PATIENCE if patience is None else patience)
        internals.set_storage(study, patient)


def _away(error: Exception, patience: float) -> str:
    text = repr(error).splitlines()[0]  # gRPC's have two dozen
    return f"The storage does not answer; trying again for up to {patience:g} s. {text}"


class Pause:
    """Pauses that grow while nothing happens, with some chance so that workers spread out."""

    def __init__(self, in_memory: bool) -> None:
        self._longest = 0.05 if in_memory else 1.0
        self._seconds = 0.002 if in_memory else 0.03
        self._conflicts = 0

    def sleep(self) -> None:
        """Wait a little longer than the last time."""
        time.sleep(self._seconds * random.uniform(0.75, 1.25))
        self._seconds = min(self._seconds * 1.3, self._longest)

    def after_conflict(self) -> None:
        """Wait for a moment that is different for each worker."""
        self._conflicts += 1
        time.sleep(random.uniform(0.0, 0.02 * min(self._conflicts, 10)))
