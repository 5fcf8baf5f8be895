from __future__ import annotations

from collections.abc import Callable
import os
import subprocess
import sys
import time

import optuna
from optuna.trial import TrialState
import pytest

from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.facts import BEAT
from optuna_popnas.sampler.liveness import Beats
from optuna_popnas.sampler.liveness import is_gone
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.liveness import Watch
from tests.sampler.conftest import Opener


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
    opener: Opener, make_study: Callable[..., optuna.Study], monkeypatch: pytest.MonkeyPatch
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
    from tests.sampler.toys import made_up

    study.optimize(lambda trial: made_up(space, space.suggest(trial)))
    from optuna_popnas.study import view_study

    search = view_study(study)
    assert search.done
    assert search.trials[stranger.number].state == "RUNNING"
