"""Every touch of Optuna's private parts, each of which a test looks for in the Optuna installed.

Optuna has no public way for a sampler to write on a trial, to ask whether ``optimize`` is
running, or to fail another worker's trial; its own samplers use the same private attributes.
Read in Optuna 5.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TYPE_CHECKING
import warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.storages import InMemoryStorage
from optuna.storages import RDBStorage
from optuna.storages._heartbeat import BaseHeartbeat as BaseHeartbeat
from optuna.storages.journal import JournalFileBackend as JournalFileBackend
from optuna.storages.journal._file import get_lock_file
from optuna.trial import FrozenTrial
from optuna.trial import TrialState


if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore as ArtifactStore

#: System attributes that Optuna writes.
FIXED_PARAMS = "fixed_params"
RETRY_OF = "failed_trial"
#: Who says that a trial failed.
FAILURE_LOGGERS = ("optuna.study._optimize", "optuna.study.study")


def journal_path(backend: JournalFileBackend) -> str:
    """Return the file of a journal."""
    return backend._file_path


def journal_lock(backend: JournalFileBackend) -> AbstractContextManager[None]:
    """Return what keeps all other writers out of a journal."""
    return get_lock_file(backend._lock)


def trial_key(trial: FrozenTrial | optuna.Trial) -> int:
    """Return the number by which the storage knows the trial."""
    return trial._trial_id


def frozen(trial: optuna.Trial) -> FrozenTrial:
    """Return what samplers get of a trial."""
    return trial._cached_frozen_trial


def read_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return all trials by number, not copied: they must not be changed."""
    return study.get_trials(deepcopy=False)


def storage_of(study: optuna.Study) -> BaseStorage:
    """Return the storage of a study."""
    return study._storage


def set_storage(study: optuna.Study, storage: BaseStorage) -> None:
    """Let a study use this storage, another way to the same one."""
    study._storage = storage


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
    if isinstance(backend, RDBStorage) and isinstance(trial, optuna.Trial) and len(values) > 1:
        from optuna.storages._rdb import models
        from optuna.storages._rdb import storage as rdb

        session_of = getattr(rdb, "_create_scoped_session", None)
        write = getattr(backend, "_set_trial_attr_without_commit", None)
        if session_of is not None and write is not None:
            model = models.TrialUserAttributeModel

            def write_all() -> None:
                with session_of(backend.scoped_session, True) as session:
                    for key, value in values.items():
                        write(session, model, trial._trial_id, key, value)

            getattr(storage, "steadily", lambda call: call())(write_all)
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
    study: optuna.Study, trial_id: int, state: TrialState, values: Sequence[float] | None = None
) -> bool:
    """Finish a trial, whoever runs it; return False if it had finished already."""
    try:
        return study._storage.set_trial_state_values(trial_id, state, values)
    except UpdateFinishedTrialError:
        return False


def heartbeat_lease(study: optuna.Study) -> float | None:
    """Return after how many silent seconds the storage's own heartbeats declare a trial dead.

    None where it has none.
    """
    storage = study._storage
    interval = storage.get_heartbeat_interval() if isinstance(storage, BaseHeartbeat) else None
    if interval is None:
        return None
    backend = getattr(storage, "_backend", storage)
    return float(getattr(backend, "grace_period", None) or 2 * interval)


def fail_stale_trials(study: optuna.Study) -> None:
    """Fail the trials whose heartbeat has stopped, on storages that have heartbeats."""
    if heartbeat_lease(study) is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)


def close_session(study: optuna.Study) -> None:
    """Give back what the storage holds for this thread."""
    study._storage.remove_session()


def is_in_memory(study: optuna.Study) -> bool:
    """Whether no other process can see the study."""
    storage = study._storage
    return isinstance(getattr(storage, "patient_with", storage), InMemoryStorage)


def study_key(study: optuna.Study) -> tuple[int, int]:
    """Return a key of the study that holds within this process."""
    storage = study._storage
    return id(getattr(storage, "patient_with", storage)), study._study_id


def in_optimize(study: optuna.Study) -> bool:
    """Whether this thread is inside ``study.optimize``."""
    return bool(study._thread_local.in_optimize_loop)


def stop_requested(study: optuna.Study) -> bool:
    """Whether ``study.stop`` has been called during this ``optimize``."""
    return bool(study._stop_flag)


def request_stop(study: optuna.Study) -> None:
    """Do what ``study.stop`` does, from a thread that is not inside ``optimize``."""
    study._stop_flag = True


def params_fixed_by(sampler: optuna.samplers.BaseSampler) -> Mapping[str, Any]:
    """Return the parameters that a ``PartialFixedSampler`` fixes; of others, none."""
    if not isinstance(sampler, optuna.samplers.PartialFixedSampler):
        return {}
    return {**params_fixed_by(sampler._base_sampler), **sampler._fixed_params}
