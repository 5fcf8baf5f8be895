"""Every touch of Optuna's private parts, and the names of what is stored there.

Optuna has no public way for a sampler to write on a trial, to ask whether ``optimize`` is
running, or to fail another worker's trial; its own samplers use the same private attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
import sys
from typing import Any, NamedTuple
import warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import InMemoryStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.trial import FrozenTrial
from optuna.trial import TrialState


VERSION = 1

# A user attribute, as people want to see it: the cell this trial trains, and why. One write, as
# each takes a disk's time.
CLAIM = "popnas"

# User attributes that objectives write.
DEVICE = "device"
CALIBRATION = "calibration"  # the seconds are those of the study's reference device

# System attributes of a trial. All values are JSON.
PLAN = "popnas:plan:"  # + number: a plan, written by the trial that was the leader
LEAD = "popnas:lead"  # number of the plan that this trial is making
WAIT = "popnas:wait"  # that this trial waits for a cell
OWNER = "popnas:owner"  # who runs this trial, where no claim says so
SURPLUS = "popnas:surplus"  # why this trial was not needed
BEAT = "popnas:beat"  # counts up while the trial's process lives
RESULT = "popnas:result"  # values of a trial that waits for the others before it is stored
REASON = "popnas:reason"  # why a trial failed

# System attributes that Optuna writes.
FIXED_PARAMS = "fixed_params"
RETRY_OF = "failed_trial"


def trial_key(trial: FrozenTrial) -> int:
    """Return the number by which the storage knows the trial."""
    return trial._trial_id


def read_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return all trials by number, not copied: they must not be changed."""
    return study.get_trials(deepcopy=False)


def write_trial(study: optuna.Study, trial_id: int, key: str, value: Any) -> None:
    """Set a system attribute of a trial.

    Raises:
        UpdateFinishedTrialError: The trial has finished, perhaps because another worker declared
            it dead.
    """
    study._storage.set_trial_system_attr(trial_id, key, value)


def write_user(study: optuna.Study, trial_id: int, key: str, value: Any) -> None:
    """Set a user attribute of a trial; raises as :func:`write_trial`."""
    study._storage.set_trial_user_attr(trial_id, key, value)


def write_users(trial: optuna.trial.BaseTrial, values: Mapping[str, Any]) -> None:
    """Set several user attributes of the running trial; raises as :func:`write_trial`.

    A commit on SQLite waits for the disk, some 20 ms; this is one commit for all of them on
    relational databases, as long as their storage has the parts that Optuna 5 has.
    """
    storage = getattr(trial, "storage", None)
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, optuna.storages.RDBStorage) and len(values) > 1:
        from optuna.storages._rdb import models
        from optuna.storages._rdb import storage as rdb

        session_of = getattr(rdb, "_create_scoped_session", None)
        write = getattr(backend, "_set_trial_attr_without_commit", None)
        if session_of is not None and write is not None and isinstance(trial, optuna.Trial):
            with session_of(backend.scoped_session, True) as session:
                for key, value in values.items():
                    write(session, models.TrialUserAttributeModel, trial._trial_id, key, value)
            trial._cached_frozen_trial.user_attrs.update(values)
            return
    for key, value in values.items():
        trial.set_user_attr(key, value)


def write_param(
    study: optuna.Study, trial_id: int, name: str, value: Any, distribution: BaseDistribution
) -> None:
    """Set a parameter of a trial; raises as :func:`write_trial`."""
    internal = distribution.to_internal_repr(value)
    study._storage.set_trial_param(trial_id, name, internal, distribution)


def finish_trial(
    study: optuna.Study,
    trial_id: int,
    state: TrialState,
    *,
    reason: str | None = None,
    values: Sequence[float] | None = None,
) -> bool:
    """Finish a trial, whoever runs it.

    Returns:
        False if it had finished already.
    """
    try:
        if reason is not None:
            write_trial(study, trial_id, REASON, reason)
        return study._storage.set_trial_state_values(trial_id, state, values)
    except UpdateFinishedTrialError:
        return False


def has_heartbeats(study: optuna.Study) -> bool:
    """Whether the storage itself notices dead trials."""
    return is_heartbeat_enabled(study._storage)


def fail_stale_trials(study: optuna.Study) -> None:
    """Fail the trials whose heartbeat has stopped, on storages that have heartbeats."""
    if has_heartbeats(study):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)


def record_heartbeat(study: optuna.Study, trial_id: int) -> None:
    """Do what Optuna's heartbeat thread does, once the objective has returned."""
    storage = study._storage
    if isinstance(storage, BaseHeartbeat) and is_heartbeat_enabled(storage):
        storage.record_heartbeat(trial_id)


def is_storage_failure(error: BaseException) -> bool:
    """Whether the storage could not be reached, so that it is worth trying again."""
    if isinstance(error, (optuna.exceptions.StorageInternalError, ConnectionError)):
        return True
    # Drivers need not be installed, so their errors are told by name.
    names = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}
    return ("sqlalchemy", "DBAPIError") in names or ("grpc", "RpcError") in names


def close_session(study: optuna.Study) -> None:
    """Give back what the storage holds for this thread."""
    study._storage.remove_session()


def is_in_memory(study: optuna.Study) -> bool:
    """Whether no other process can see the study."""
    return isinstance(study._storage, InMemoryStorage)


def study_key(study: optuna.Study) -> tuple[int, int]:
    """Return a key of the study that holds within this process."""
    return id(study._storage), study._study_id


def in_optimize(study: optuna.Study) -> bool:
    """Whether this thread is inside ``study.optimize``."""
    return bool(study._thread_local.in_optimize_loop)


def stop_requested(study: optuna.Study) -> bool:
    """Whether ``study.stop`` has been called during this ``optimize``."""
    return bool(study._stop_flag)


class OptimizeCall(NamedTuple):
    """What the running ``study.optimize`` of this thread knows.

    Attributes:
        deadline: When its ``timeout`` ends, or None.
        error: What the objective raised, once it has.
    """

    deadline: datetime | None
    error: BaseException | None


def running_call() -> OptimizeCall:
    """Look up the stack for the ``timeout`` and the objective's error of ``study.optimize``.

    Optuna hands neither to a sampler; without them a waiting worker would outstay its timeout,
    and a failed trial could not say why.
    """
    deadline: datetime | None = None
    error: BaseException | None = None
    frame = sys._getframe(1) if hasattr(sys, "_getframe") else None
    while frame is not None:
        if frame.f_globals.get("__name__") == "optuna.study._optimize":
            names = frame.f_locals
            if frame.f_code.co_name == "_run_trial":
                error = names.get("func_err")
            elif frame.f_code.co_name == "_optimize_sequential":
                timeout, start = names.get("timeout"), names.get("time_start")
                if timeout is not None and isinstance(start, datetime):
                    deadline = datetime.fromtimestamp(start.timestamp() + timeout)
                break
        frame = frame.f_back
    return OptimizeCall(deadline, error)
