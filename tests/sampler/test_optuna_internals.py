"""The private parts of Optuna that are touched are there; read in Optuna 5.0.0."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
import re
import sys

import optuna
from optuna.artifacts._protocol import ArtifactStore
from optuna.storages import InMemoryStorage
from optuna.storages import RDBStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.storages._rdb import models
from optuna.storages._rdb import storage as rdb
import pytest

from optuna_popnas.sampler import optuna_internals as internals


def private_parts(file: Path) -> set[str]:
    """Return the private attributes of others, and the private modules, that a file touches."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                found.add(node.attr)
        if isinstance(node, ast.ImportFrom) and re.match(r"optuna\..*\b_", node.module or ""):
            found.add(str(node.module))
    return found


def test_nobody_else_touches_a_private_part() -> None:
    own = private_parts(Path(internals.__file__))
    assert {"_storage", "_study_id", "_stop_flag", "optuna.storages._heartbeat"} <= own
    root = Path(internals.__file__).parents[1]
    for file in root.rglob("*.py"):
        if file != Path(internals.__file__):
            modules = {name for name in private_parts(file) if name.startswith("optuna.")}
            assert not modules | (private_parts(file) & own), file


def test_every_private_part_is_there() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    assert isinstance(study._storage, InMemoryStorage)
    assert study._study_id == 0
    assert study._thread_local.in_optimize_loop is False
    assert study._stop_flag is False
    assert isinstance(trial._trial_id, int)
    assert trial._cached_frozen_trial.user_attrs == {}
    assert study.trials[0]._trial_id == trial._trial_id
    assert trial.storage is study._storage
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        fixed = optuna.samplers.PartialFixedSampler({"x": 1}, study.sampler)
    assert (fixed._fixed_params, fixed._base_sampler) == ({"x": 1}, study.sampler)
    assert issubclass(RDBStorage, BaseHeartbeat)
    assert all(name in sys.modules for name in internals.FAILURE_LOGGERS)
    assert ArtifactStore.__doc__


def test_a_journal_has_a_path_and_a_lock(tmp_path: Path) -> None:
    backend = internals.JournalFileBackend(f"{tmp_path}/log")
    assert internals.journal_path(backend) == f"{tmp_path}/log"
    with internals.journal_lock(backend):
        assert len(list(tmp_path.iterdir())) == 2


def test_several_attributes_can_be_written_at_once() -> None:
    storage = RDBStorage("sqlite://")
    study = optuna.create_study(storage=storage)
    assert isinstance(study._storage._backend, RDBStorage)  # type: ignore[attr-defined]
    assert storage.scoped_session is not None
    write = inspect.signature(storage._set_trial_attr_without_commit)
    assert list(write.parameters) == ["session", "model_cls", "trial_id", "key", "value"]
    assert list(inspect.signature(rdb._create_scoped_session).parameters) == [
        "scoped_session",
        "ignore_integrity_error",
    ]
    assert hasattr(models, "TrialUserAttributeModel")
    trial = study.ask()
    internals.write_users(trial, {"a": 1, "b": [2]})
    assert trial.user_attrs == study.trials[0].user_attrs == {"a": 1, "b": [2]}


def test_a_request_to_stop_ends_optimize() -> None:
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        assert internals.in_optimize(study)
        internals.request_stop(study)
        assert internals.stop_requested(study)
        return 0.0

    study.optimize(objective, n_trials=3)
    assert len(study.trials) == 1


def test_names_of_optunas_own_attributes() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"x": 0.5})
    assert study.trials[0].system_attrs[internals.FIXED_PARAMS] == {"x": 0.5}
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback()
    study.ask()
    retry(study, study.trials[0])
    assert study.trials[1].system_attrs[internals.RETRY_OF] == 0


def test_the_lease_of_heartbeats() -> None:
    assert internals.heartbeat_lease(optuna.create_study()) is None
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        storage = RDBStorage("sqlite://", heartbeat_interval=7)
    assert internals.heartbeat_lease(optuna.create_study(storage=storage)) == 14.0
