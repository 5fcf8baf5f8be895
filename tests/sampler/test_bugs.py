"""A test for each fault that was found in searches by many workers; the fault is its docstring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import errno
import json
import logging
import os
from pathlib import Path
import subprocess
import sys
import threading
import time
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.storages import RDBStorage
from optuna.trial import TrialState
import pytest
import sqlalchemy

from optuna_popnas import Cell
from optuna_popnas import copy_trials
from optuna_popnas import detach
from optuna_popnas import MachineFailure
from optuna_popnas import optimize_steadily
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.sampler import facts
from optuna_popnas.sampler import liveness
from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.journal import SoundJournalFile
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.patience import is_hopeless
from optuna_popnas.sampler.patience import is_storage_failure
from optuna_popnas.sampler.patience import PatientStorage
from optuna_popnas.sampler.patience import try_steadily
from optuna_popnas.sampler.plan_text import join_plan
from optuna_popnas.sampler.plan_text import split_plan
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.study import view_study
from tests.sampler.conftest import hurry
from tests.sampler.toys import Flaky
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of
from tests.sampler.toys import planned
from tests.sampler.toys import sampler_options
from tests.sampler.toys import trained


Make = Callable[..., optuna.Study]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def open_rdb(url: str, **options: Any) -> RDBStorage:
    storage = RDBStorage(url, **options)
    hurry(storage)
    return storage


# Storages that are away ------------------------------------------------------------------------


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


# Failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [MachineFailure("no data"), OSError(5, "Input/output error")])
def test_failures_of_the_machine_use_up_no_tries(
    make_study: Make, space: SearchSpace, failure: Exception
) -> None:
    """A damaged file used up the tries of good cells, which were left out for ever."""
    study = make_study(max_tries=1)
    broken = [True]

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if len(cell) == 1 and broken:
            raise failure
        return made_up(space, cell)

    for _ in range(7):  # more often than a cell may take its process down
        with pytest.raises(type(failure)):
            optimize_steadily(study, objective, catch=(Exception,))
    broken.clear()
    optimize_steadily(study, objective, catch=(Exception,))
    assert view_study(study).done
    assert set(trained(study)) == planned(study)


def test_errors_that_the_user_names_are_failures_of_the_cell(
    make_study: Make, space: SearchSpace
) -> None:
    """Named in ``catch``, an error is one that the user expects of some cells."""
    study = make_study(max_tries=2)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if str(cell).count("dconv") == 2:
            raise TimeoutError("this cell takes too long")
        return made_up(space, cell)

    optimize_steadily(study, objective, catch=(TimeoutError,))
    assert view_study(study).done


def test_a_broken_worker_strikes_out_no_cells(url: str, space: SearchSpace) -> None:
    """One worker on which everything failed had cells left out for all."""
    options = sampler_options(max_children=4, max_exploration_children=2)
    begun, done = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def work(broken: bool) -> None:
        try:
            study = optuna.create_study(
                study_name="x",
                storage=open_rdb(url),
                load_if_exists=True,
                directions=["maximize", "minimize"],
                sampler=POPNASSampler(space, **options),
            )
            me = Me("w", f"m:{int(broken)}:1", f"m:{int(broken)}")
            study.sampler._desk(study)._writer.me = me  # type: ignore[attr-defined]

            if broken:
                begun.wait(60)

            def objective(trial: optuna.Trial) -> tuple[float, float]:
                cell = space.suggest(trial)
                begun.set()
                if broken and not done.is_set():
                    raise ArithmeticError("this worker is broken")
                time.sleep(0.02)
                return made_up(space, cell)

            optimize_steadily(study, objective, catch=(ArithmeticError,))
        except BaseException as error:
            errors.append(error)

    optuna.create_study(study_name="x", storage=open_rdb(url), directions=["maximize", "minimize"])
    workers = [threading.Thread(target=work, args=(n == 0,), daemon=True) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=100)
    done.set()
    assert not errors
    assert not any(worker.is_alive() for worker in workers)
    study = optuna.load_study(study_name="x", storage=url)
    assert set(trained(study)) == planned(study)
    failed = Counter(
        trial.cell.canonical() for trial in view_study(study).trials if trial.is_failure
    )
    assert max(failed.values()) == 1


def test_tries_are_counted_by_machine() -> None:
    """A cell that finds no memory on one machine was left out on all."""
    space = SearchSpace(["identity"], max_blocks=1, lookbacks=1)
    board = Board(Setup(space, {"mode": "popnas", "max_tries": 2, "max_children": 1}))
    cell = space.first_level()[0]

    def trial(number: int, machine: str, state: TrialState) -> facts.Fact:
        claim = facts.Claim(
            cell, 1, 0, "first", None, None, 1, 0.0, "w", f"{machine}:1:1", 0, 0, 0, f"{machine}:0"
        )
        plan = {"version": 2, "space": space.fingerprint, "level": 1, "wave": 0}
        plan |= {"cells": [[-1, 0, -1, 0]], "roles": ["first"], "report": {}}
        return facts.Fact(
            number,
            state,
            cell,
            reason="no memory" if state == TrialState.FAIL else None,
            claim=claim,
            seat=claim.seat,
            plans=((0, {"plan": plan, "fenced": []}),),
        )

    failed = [trial(n, "small", TrialState.FAIL) for n in range(2)]
    board.update(failed)
    assert board.all_settled
    board = Board(board.goal)
    board.update([*failed, trial(2, "large", TrialState.RUNNING)])
    assert not board.all_settled


# Trials of others ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "text",
        7,
        [],
        {},
        {"version": 99},
        {"version": 1, "cell": 3},
        {"version": 1, "cell": "[(-1, 'identity', -1, 'identity')]", "plan": "x"},
        {"version": 1, "cell": "[(", "plan": 1},
    ],
)
def test_hostile_attributes_are_left_out(
    make_study: Make, space: SearchSpace, content: object
) -> None:
    """A user's attribute of our name, or one of another version, stopped workers and readers."""
    study = make_study()
    study.optimize(objective_of(space), n_trials=3)
    storage = internals.storage_of(study)
    for state in (TrialState.RUNNING, TrialState.FAIL, TrialState.COMPLETE):
        trial = study.ask()
        number = trial._trial_id
        storage.set_trial_user_attr(number, facts.CLAIM, content)
        for key in (facts.LEAD, facts.WAIT, facts.OWNER, facts.REASON, "popnas:plan:0"):
            storage.set_trial_system_attr(number, key, content)  # type: ignore[arg-type]
        for key in ("popnas:plan:7", "popnas:plan:x", "popnas:plan:", "popnas:plan:1:2"):
            storage.set_trial_system_attr(number, key, content)  # type: ignore[arg-type]
        if state != TrialState.RUNNING:
            storage.set_trial_state_values(
                number, state, [0.5, 1.0] if state == TrialState.COMPLETE else None
            )
    study.optimize(objective_of(space))
    view = view_study(study)
    assert view.done
    assert set(trained(study)) == planned(study)


def test_clones_of_retry_callbacks_carry_no_marks(make_study: Make, space: SearchSpace) -> None:
    """A clone that Optuna's retry callback had enqueued was taken for the dead trial itself."""
    study = make_study()
    study.optimize(objective_of(space), n_trials=3)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback()
    dead = study.trials[0]
    assert facts.read_fact(dead).claim is not None
    assert facts.read_fact(dead).plans
    retry(study, dead)
    clone = study.trials[-1]
    assert facts.CLAIM in clone.user_attrs
    assert facts.read_fact(clone).claim is None
    assert facts.read_fact(clone).lead is None
    study.optimize(objective_of(space))
    assert view_study(study).done


def test_enqueued_parts_of_a_cell_are_used(make_study: Make, space: SearchSpace) -> None:
    """An enqueued operator was dropped in silence where ``blocks`` was not enqueued with it."""
    study = make_study()
    study.enqueue_trial({"b1_op2": "identity"})
    study.enqueue_trial({"learning_rate": 0.5})
    study.optimize(objective_of(space))
    first = view_study(study).trials[0].cell
    assert first is not None
    assert (len(first), first[1].op2) == (2, "identity")
    assert view_study(study).done


def test_enqueued_cells(make_study: Make, space: SearchSpace) -> None:
    """There was no public way from a cell to ``enqueue_trial``."""
    cell = Cell.parse("[(-2, '3x3 conv', -1, 'identity')]")
    study = make_study()
    study.enqueue_trial(cell.params())
    study.optimize(objective_of(space), n_trials=1)
    assert view_study(study).trials[0].cell == cell


def test_a_worker_with_other_settings_writes_no_failed_trials(
    url: str, space: SearchSpace
) -> None:
    """With ``catch=``, a worker with other settings wrote a thousand failed trials."""

    def open_study(children: int) -> optuna.Study:
        return optuna.create_study(
            study_name="x",
            storage=open_rdb(url),
            load_if_exists=True,
            directions=["maximize", "minimize"],
            sampler=POPNASSampler(space, **sampler_options(max_children=children)),
        )

    open_study(4).optimize(objective_of(space), n_trials=3)
    other = open_study(5)
    with pytest.raises(ValueError, match="`max_children` must be 4"):
        optimize_steadily(other, objective_of(space), catch=(Exception,))
    assert len(other.trials) == 3
    with pytest.raises(ValueError, match="`max_children` must be 4"):
        other.optimize(objective_of(space), catch=(Exception,))
    assert [trial.state.name for trial in other.trials[3:]] in ([], ["PRUNED"])


# Searches that go on ----------------------------------------------------------------------------


def test_a_finished_search_goes_on_with_more(make_study: Make, space: SearchSpace) -> None:
    """A finished search could not go on with one more block, or with more children."""
    two = SearchSpace(space.operators, max_blocks=2)
    study = make_study(space=two, max_children=4)
    study.optimize(objective_of(two))
    before = trained(study)
    with pytest.raises(ValueError, match="max_exploration_children"):
        POPNASSampler(two, **sampler_options(max_exploration_children=2, max_children=4)).check(
            study
        )
    larger = sampler_options(max_children=4, max_exploration_children=3)
    study.sampler = POPNASSampler(space, **larger)
    study.optimize(objective_of(space))
    view = view_study(study)
    assert view.done
    assert [plan.level for plan in view.plans] == [0, 1, 2, 3]
    study.sampler = POPNASSampler(space, **{**larger, "max_children": 6})
    study.optimize(objective_of(space))
    view = view_study(study)
    assert view.done
    assert [(plan.level, plan.wave) for plan in view.plans[4:]] == [(2, 1), (3, 1)]
    assert trained(study) > before
    assert set(trained(study).values()) == {1}
    assert view.settings["max_children"] == 6


def test_one_more_operator(make_study: Make, space: SearchSpace) -> None:
    """A finished search could not get one more operator: all was to be trained again."""
    fewer = SearchSpace(space.operators[:-1], max_blocks=2)
    more = SearchSpace(space.operators, max_blocks=2)
    old = make_study(space=fewer)
    old.optimize(objective_of(fewer))
    with pytest.raises(ValueError, match="copy_trials"):
        POPNASSampler(more, **sampler_options(max_children=8, max_exploration_children=3)).check(
            old
        )
    new = optuna.create_study(
        directions=["maximize", "minimize"], sampler=POPNASSampler(more, **sampler_options())
    )
    copied = copy_trials(old, new, more)
    assert copied == len(trained(old))
    new.optimize(objective_of(more))
    assert view_study(new).done
    assert set(trained(new)) >= planned(new)
    assert set(trained(new).values()) == {1}


def test_large_plans_are_stored_in_parts() -> None:
    """A plan of some 460 cells of five blocks did not fit into a value of MySQL."""
    plan = {"version": 2, "cells": [[-2, 11, -1, 10] * 5] * 1500}
    data = {"plan": plan, "fenced": [], "setup": {"a": '"'}}
    written = split_plan(data, 4)
    assert all(len(json.dumps(value).encode()) < 65_535 for _, value in written)
    attrs = dict(written)
    assert join_plan(attrs["popnas:plan:4"], 4, attrs) == data
    incomplete = dict(written[1:])
    assert join_plan(incomplete["popnas:plan:4"], 4, incomplete) is None
    small = {"plan": {"version": 2}, "fenced": []}
    assert split_plan(small, 1) == [("popnas:plan:1", small)]


# Who is alive ----------------------------------------------------------------------------------


def test_a_probe_that_raises_is_no_probe(make_study: Make, space: SearchSpace) -> None:
    """A probe that found no memory ended the search for all, for good."""

    def probe(cell: Cell) -> float:
        if str(cell).count("conv") > 2:
            raise MemoryError("no memory")
        return made_up(space, cell)[1]

    study = make_study(time_probe=probe, probes=5)
    study.optimize(objective_of(space))
    assert view_study(study).done


def test_not_visible_is_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc hides the processes of others, their workers were taken for dead at once."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        machine, _, _ = Me.of_this_process().process.split(":")
        monkeypatch.setattr(liveness, "_stat", lambda pid: [])
        assert not liveness.is_gone(f"{machine}:{process.pid}:12345")
        assert not liveness.is_gone(f"{machine}:1:12345")  # of another user
    finally:
        process.kill()
        process.wait()
    assert liveness.is_gone(f"{machine}:{process.pid}:12345")


def test_machines_whose_processes_cannot_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers that share host name and boot but not processes took each other for dead."""

    def readlink(path: object) -> str:
        raise OSError(errno.EACCES, "no")

    own = liveness._machine()
    liveness._machine.cache_clear()
    monkeypatch.setattr(os, "readlink", readlink)
    one = liveness._machine()
    liveness._machine.cache_clear()
    other = liveness._machine()
    liveness._machine.cache_clear()
    assert len({own, one, other}) == 3


def test_numbers_of_threads_are_no_identities(make_study: Make, space: SearchSpace) -> None:
    """A server with a thread a request was told that its own thread had to tell a result."""
    study = make_study()
    cells: dict[int, Cell] = {}
    trials: list[optuna.Trial] = []

    def request() -> None:
        trial = study.ask()
        cells[trial.number] = space.suggest(trial)
        trials.append(trial)

    for _ in range(37):
        thread = threading.Thread(target=request)
        thread.start()
        thread.join()
    late = threading.Thread(target=request, daemon=True)
    late.start()
    late.join(timeout=0.5)
    assert late.is_alive()  # it waits; no error
    for trial in trials[:37]:
        study.tell(trial, made_up(space, cells[trial.number]))
    late.join(timeout=20)
    assert len(cells[37]) == 2


def test_ask_in_one_process_and_tell_in_another(url: str, space: SearchSpace) -> None:
    """A trial was declared dead because the process that had asked for it had ended."""
    study = optuna.create_study(
        study_name="x", storage=open_rdb(url), directions=["maximize", "minimize"]
    )
    script = f"""
import optuna
from optuna_popnas import POPNASSampler, SearchSpace, detach
from tests.sampler.toys import sampler_options
space = SearchSpace({list(space.operators)!r}, max_blocks={space.max_blocks})
study = optuna.load_study(study_name="x", storage={url!r},
                          sampler=POPNASSampler(space, **sampler_options()))
for number in range(2):
    trial = study.ask()
    space.suggest(trial)
    if number:
        detach(trial)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)
    study.sampler = POPNASSampler(space, **sampler_options())
    study.optimize(objective_of(space), n_trials=3)
    first, second = study.trials[:2]
    assert first.state == TrialState.FAIL
    assert first.system_attrs[facts.REASON] == "declared dead: its process has ended"
    assert second.state == TrialState.RUNNING
    cell = facts.read_fact(second).cell
    assert cell is not None
    study.tell(second.number, made_up(space, cell))
    assert view_study(study).trials[1].is_valid


def test_only_our_sampler_can_detach() -> None:
    """See above."""
    with pytest.raises(ValueError, match="`sampler` must be a POPNASSampler, but got"):
        detach(optuna.create_study().ask())


def test_heartbeat_storages_have_a_lease_too(url: str, space: SearchSpace) -> None:
    """On storages with heartbeats, trials that never had one blocked the search for ever."""
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        storage = open_rdb(url, heartbeat_interval=60)
    study = optuna.create_study(
        study_name="x",
        storage=storage,
        directions=["maximize", "minimize"],
        sampler=POPNASSampler(space, **sampler_options(max_children=4), stale_after=1.0),
    )
    with pytest.warns(UserWarning, match="supposed to be used with"):
        space.suggest(study.ask())
    claim = {**study.trials[0].user_attrs["popnas"], "process": "elsewhere:1:1"}
    internals.storage_of(study).set_trial_user_attr(study.trials[0]._trial_id, "popnas", claim)
    other = optuna.load_study(
        study_name="x",
        storage=open_rdb(url),
        sampler=POPNASSampler(space, **sampler_options(max_children=4), stale_after=1.0),
    )
    study.sampler._desk(study)._beats.close()  # type: ignore[attr-defined]
    other.optimize(objective_of(space), timeout=60)
    assert view_study(other).done
    assert other.trials[0].state == TrialState.FAIL


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


# Waves -------------------------------------------------------------------------------------------


def test_an_adaptive_search(make_study: Make, space: SearchSpace) -> None:
    """Waves are small, follow each other without a barrier, and end within the budget."""
    options = {"accuracy_predictor": None, "time_predictor": None, "wave_size": 4}
    study = make_study(mode="adaptive", budget_seconds=120.0, first_cells=6, **options)
    study.optimize(lambda t: (time.sleep(0.002), objective_of(space)(t))[1], n_jobs=3)
    view = view_study(study)
    assert view.done
    assert len(view.plans) > 3
    assert set(trained(study)) == planned(study)
    spent = sum(trial.seconds for trial in view.trials if trial.seconds is not None)
    assert 60 < spent < 130  # the last cells may take longer than was predicted


def test_a_full_disk_leaves_a_journal_readable(tmp_path: Path) -> None:
    """One line that a full disk had torn made a journal unreadable for good."""
    path = tmp_path / "study.log"
    storage = optuna.storages.JournalStorage(SoundJournalFile(str(path)))
    study = optuna.create_study(study_name="x", storage=storage)
    study.optimize(lambda trial: 0.0, n_trials=2)
    with path.open("ab") as file:
        file.write(b'{"op_code": 5, "worker_id": "torn')  # of a process without the care
    study.optimize(lambda trial: 0.0, n_trials=2)
    again = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    assert len(optuna.load_study(study_name="x", storage=again).trials) == 4


def test_an_objective_that_never_asks_for_a_cell_is_told_so(
    make_study: Make,
) -> None:
    """It trained nothing, for ever, and nothing was said."""
    study = make_study()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lines: list[str] = []
    handler = logging.StreamHandler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("optuna").addHandler(handler)
    study.optimize(lambda trial: (trial.suggest_float("x", 0.0, 1.0), 1.0), n_trials=4)
    logging.getLogger("optuna").removeHandler(handler)
    assert len([line for line in lines if "Call `cell = space.suggest(trial)`" in line]) == 1
