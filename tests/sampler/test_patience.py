"""Storages that are away for a while, and those for which no waiting helps."""

from __future__ import annotations

import errno
from pathlib import Path
import subprocess
import sys
import threading
import time
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
import pytest
import sqlalchemy

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.sampler.patience import is_hopeless
from optuna_popnas.sampler.patience import is_storage_failure
from optuna_popnas.sampler.patience import PatientStorage
from optuna_popnas.sampler.patience import try_steadily
from tests.sampler.conftest import Make
from tests.sampler.conftest import open_rdb
from tests.sampler.toys import Flaky
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of
from tests.sampler.toys import planned
from tests.sampler.toys import sampler_options
from tests.sampler.toys import trained


def test_threads_survive_an_outage(make_study: Make, space: SearchSpace) -> None:
    """With ``n_jobs``, an outage of a second made the threads wait for each other for ever."""
    study = make_study()
    calls = []

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        calls.append(cell)
        if len(calls) == 20:
            for method in ("get_trial", "set_trial_state_values", "create_new_trial"):
                Flaky(study._storage, method, failures=3)
        time.sleep(0.002)
        return made_up(space, cell)

    worker = threading.Thread(target=lambda: study.optimize(objective, n_jobs=4), daemon=True)
    worker.start()
    worker.join(timeout=60)
    assert not worker.is_alive()
    assert set(trained(study).values()) == {1}
    assert set(trained(study)) == planned(study)


def test_a_result_that_was_stored_although_the_answer_was_an_error() -> None:
    """A finished training was thrown away when only the answer of the storage got lost."""
    storage = InMemoryStorage()
    study = optuna.create_study(storage=PatientStorage(storage))  # type: ignore[arg-type]
    trial = study.ask()
    store = storage.set_trial_state_values
    answers = iter([ConnectionResetError(), ConnectionResetError()])

    def store_and_break(*args: Any, **kwargs: Any) -> bool:
        stored = store(*args, **kwargs)
        error = next(answers, None)
        if error is not None:
            raise error
        return stored

    storage.set_trial_state_values = store_and_break  # type: ignore[method-assign]
    study.tell(trial, 0.5)
    assert [trial.value for trial in study.trials] == [0.5]


def test_a_journal_on_a_full_disk_is_a_storage_that_is_away(tmp_path: Path) -> None:
    """An ``OSError`` of a journal, on a full disk or a stale mount, ended the worker."""
    backend = optuna.storages.journal.JournalFileBackend(f"{tmp_path}/study.log")
    storage: Any = PatientStorage(optuna.storages.JournalStorage(backend))
    append = backend.append_logs
    failures = iter([OSError(errno.ENOSPC, "No space left"), OSError(errno.ESTALE, "Stale")])

    def append_logs(logs: list[dict[str, Any]]) -> None:
        error = next(failures, None)
        if error is not None:
            raise error
        append(logs)

    backend.append_logs = append_logs  # type: ignore[method-assign]
    study = optuna.create_study(storage=storage)
    study.optimize(lambda trial: 0.0, n_trials=1)
    assert len(study.trials) == 1


@pytest.mark.parametrize(
    ("error", "hopeless"),
    [
        (sqlalchemy.exc.OperationalError("", {}, Exception("database is locked")), False),
        (sqlalchemy.exc.OperationalError("", {}, Exception("server closed")), False),
        (sqlalchemy.exc.OperationalError("", {}, Exception("attempt to write a readonly")), True),
        (sqlalchemy.exc.OperationalError("", {}, Exception("no such table: trials")), True),
        (sqlalchemy.exc.DataError("", {}, Exception("Data too long for column")), True),
        (sqlalchemy.exc.ProgrammingError("", {}, Exception("relation does not exist")), True),
        (OSError(errno.EROFS, "Read-only file system"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), False),
    ],
)
def test_errors_that_no_waiting_will_mend(error: Exception, hopeless: bool) -> None:
    """A table that is gone, or a value that is too long, was tried again for five minutes."""
    assert is_hopeless(error) == hopeless
    wrapped = optuna.exceptions.StorageInternalError("commit")
    wrapped.__cause__ = error
    assert is_storage_failure(wrapped)
    assert is_hopeless(wrapped) == hopeless


def test_a_database_that_is_read_only_is_said_at_once(url: str, space: SearchSpace) -> None:
    """A worker on a database that it may not write tried again for five minutes."""
    storage = open_rdb(url)
    study = optuna.create_study(storage=storage, directions=["maximize", "minimize"])
    study.sampler = POPNASSampler(space, **sampler_options())
    study.optimize(objective_of(space), n_trials=2)

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def connect(connection: Any, _: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    storage.engine.dispose()
    started = time.monotonic()
    with pytest.raises(optuna.exceptions.StorageInternalError):
        study.optimize(objective_of(space), n_trials=1)
    assert time.monotonic() - started < 10


def test_several_workers_open_an_empty_database(url: str) -> None:
    """Of eight workers that began on an empty database, most died while making its tables."""
    script = (
        "import sys, time, optuna; from optuna_popnas.sampler import try_steadily;"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()));"
        "try_steadily(lambda: optuna.create_study(study_name='x', storage=sys.argv[1],"
        " load_if_exists=True), opening=True)"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, url, str(time.time() + 6)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ends = [worker.communicate(timeout=90)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, ends


def test_opening_is_tried_again_only_where_that_helps() -> None:
    """A wrong password was tried again and again while a study was opened."""
    calls = []

    def refuse() -> None:
        calls.append(1)
        raise sqlalchemy.exc.OperationalError("", {}, Exception("Access denied for user"))

    with pytest.raises(sqlalchemy.exc.OperationalError):
        try_steadily(refuse, opening=True)
    assert len(calls) == 1

    def race() -> int:
        calls.append(1)
        if len(calls) < 4:
            raise sqlalchemy.exc.ProgrammingError("", {}, Exception("already exists"))
        return 7

    assert try_steadily(race, opening=True) == 7


def test_opening_is_tried_again() -> None:
    calls = []

    def open_study() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionRefusedError("not yet")
        return 7

    assert try_steadily(open_study) == 7
    with pytest.raises(KeyError):
        try_steadily(lambda: {}["missing"])
