from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

import optuna
from optuna.trial import TrialState
import pytest

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.sampler import liveness
from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.facts import BEAT
from optuna_popnas.sampler.facts import CLAIM
from optuna_popnas.sampler.liveness import Beats
from optuna_popnas.sampler.liveness import is_gone
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.liveness import Watch
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.conftest import open_rdb
from tests.sampler.conftest import Opener
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of
from tests.sampler.toys import sampler_options
from tests.sampler.toys import trained


def test_this_process_lives() -> None:
    assert not is_gone(Me.of_this_process().process)
    assert Me.of_this_process().worker.endswith(f":{os.getpid()}")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc")
def test_an_ended_process_is_gone_even_before_it_is_waited_for() -> None:
    command = "from optuna_popnas.sampler.liveness import Me; print(Me.of_this_process().process)"
    process = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    token = process.stdout.read().strip()
    time.sleep(0.2)
    assert is_gone(token)
    process.wait()
    process.stdout.close()
    assert is_gone(token)


def test_processes_of_other_machines_are_not_judged() -> None:
    _, pid, started = Me.of_this_process().process.rsplit(":", 2)
    assert not is_gone(f"0123456789ab:{pid}:1")
    assert not is_gone("0123456789ab:1:")


def test_a_process_number_used_again_is_another_process() -> None:
    machine, pid, started = Me.of_this_process().process.rsplit(":", 2)
    if not started:
        pytest.skip("no /proc")
    assert is_gone(f"{machine}:{pid}:{int(started) - 1}")


def test_beats_are_counted_on_the_trial(opener: Opener) -> None:
    study = optuna.create_study(storage=opener())
    if internals.is_in_memory(study):
        pytest.skip("nobody else can see them")
    trial = study.ask()
    beats = Beats(0.1)
    beats.hold(study, trial._trial_id)
    deadline = time.monotonic() + 20
    while study.trials[0].system_attrs.get(BEAT, 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    study.tell(trial, 1.0)  # the next beat is refused, and the thread ends
    while beats._thread is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    beats.close()


def test_silence_is_measured_by_the_clock_of_the_watch(
    monkeypatch: pytest.MonkeyPatch, opener: Opener
) -> None:
    clock = [100.0]
    monkeypatch.setattr("optuna_popnas.sampler.liveness.time.monotonic", lambda: clock[0])
    study = optuna.create_study(storage=opener())
    trial = study.ask()
    watch = Watch(10.0)

    def silence() -> float:
        running = study.get_trials(states=(TrialState.RUNNING,))
        return watch.look(running)[0]

    assert silence() == 0.0
    clock[0] += 8
    assert silence() == 8.0
    assert watch.death(study.trials[0], silence()) is None
    internals.write_trial(study, trial._trial_id, BEAT, 1)
    clock[0] += 8
    assert silence() == 0.0
    clock[0] += 11
    assert watch.death(study.trials[0], silence()) == "no sign of life for 10 s"
    watch.forget()
    assert silence() == 0.0


def test_silent_strangers_are_not_failed_but_not_waited_for_either(
    opener: Opener, make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opener()
    if isinstance(storage, optuna.storages.InMemoryStorage):
        pytest.skip("no other process can use it")
    study = make_study(storage, stale_after=0.5)
    space = study.sampler.space  # type: ignore[attr-defined]
    other = optuna.load_study(
        study_name="study", storage=opener(), sampler=optuna.samplers.RandomSampler(seed=0)
    )
    stranger = other.ask()  # of another sampler and another process, and never told
    while True:
        cell = space.suggest(stranger)
        if len(cell) == 1:
            break
        other.tell(stranger, (0.5, 1.0))
        stranger = other.ask()

    study.optimize(lambda trial: made_up(space, space.suggest(trial)))
    from optuna_popnas.study import view_study

    search = view_study(study)
    assert search.done
    assert search.trials[stranger.number].state == "RUNNING"


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


def test_dead_worker_of_this_machine_is_noticed_at_once(
    opener: Opener, make_study: Make, space: SearchSpace
) -> None:
    storage = opener()
    if isinstance(storage, optuna.storages.InMemoryStorage):
        pytest.skip("no other process can use it")
    study = make_study(storage)
    study.optimize(objective_of(space), n_trials=5)
    trial = study.ask()
    cell = space.suggest(trial)
    # What a killed process leaves behind: a running trial whose process has ended.
    claim = {**study.trials[-1].user_attrs["popnas"]}
    claim["process"] = claim["process"].rpartition(":")[0] + ":1"
    internals.write_user(study, trial._trial_id, CLAIM, claim)
    started = time.monotonic()
    again = make_study(opener())
    again.optimize(objective_of(space))
    assert time.monotonic() - started < 60  # the lease is 120
    assert view_study(again).done
    assert trained(again)[cell.canonical()] == 1
    dead = view_study(again).trials[trial.number]
    assert (dead.state, dead.reason) == ("FAIL", "declared dead: its process has ended")
