from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

import pytest

from optuna_popnas.cli.launch import default_workers
from optuna_popnas.cli.launch import launch_workers
from optuna_popnas.cli.launch import visible_gpus


def script(folder: Path, text: str) -> list[str]:
    file = folder / "worker.py"
    file.write_text(text)
    return [sys.executable, str(file), str(folder)]


def test_workers_share_out_the_gpus(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import os, sys, pathlib\n"
        "name = os.environ['POPNAS_WORKER']\n"
        "pathlib.Path(sys.argv[1], name).write_text(os.environ['CUDA_VISIBLE_DEVICES'])\n",
    )
    said: list[str] = []
    report = launch_workers(command, 2, gpus=["0", "3"], say=said.append)
    assert report.ok
    assert (report.codes, report.restarts, said) == ([0, 0], 0, [])
    assert [(tmp_path / name).read_text() for name in "01"] == ["0", "3"]
    launch_workers(command, 3, gpus=["0", "3"], say=said.append)
    assert [(tmp_path / name).read_text() for name in "012"] == ["0", "3", "0"]
    launch_workers(command, 2, gpus=["a", "b", "c"], say=said.append)
    assert [(tmp_path / name).read_text() for name in "01"] == ["a,c", "b"]


def test_a_crashed_worker_is_started_again(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import os, sys, pathlib, signal\n"
        "mark = pathlib.Path(sys.argv[1], 'mark')\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    said: list[str] = []
    report = launch_workers(command, 1, gpus=[], say=said.append)
    assert report.ok
    assert report.restarts == 1
    assert said == ["Worker 0 was killed by signal 9; it is started again."]


def test_a_worker_that_keeps_crashing_is_given_up(tmp_path: Path) -> None:
    said: list[str] = []
    report = launch_workers(script(tmp_path, "raise SystemExit(3)"), 2, gpus=[], say=said.append)
    assert not report.ok
    assert report.codes == [3, 3]
    assert report.restarts == 4
    assert said[-1].endswith("ended with exit code 3 3 times in a row; it is not started again.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupting_ends_all_workers(
    tmp_path: Path, number: int, request: pytest.FixtureRequest
) -> None:
    command = script(
        tmp_path,
        "import os, sys, pathlib, signal, time\n"
        "me = pathlib.Path(sys.argv[1], os.environ['POPNAS_WORKER'])\n"
        # Where the tests run in the background of a script, this signal is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n"
        "    me.write_text('started')\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    me.write_text('ended cleanly')\n",
    )

    def interrupt() -> None:
        while not all((tmp_path / name).exists() for name in "01"):
            time.sleep(0.05)
        time.sleep(0.2)
        os.kill(os.getpid(), number)

    # As in a terminal, wherever the tests run.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    threading.Thread(target=interrupt).start()
    said: list[str] = []
    polls: list[int] = []
    started = time.monotonic()
    report = launch_workers(command, 2, gpus=[], say=said.append, on_poll=lambda: polls.append(1))
    assert time.monotonic() - started < 30
    assert report.interrupted
    assert not report.ok
    assert polls
    assert [(tmp_path / name).read_text() for name in "01"] == ["ended cleanly"] * 2
    assert said == ["Ending the workers. The same command goes on where they were."]


def test_workers_must_be_some() -> None:
    with pytest.raises(ValueError, match="`count` must be at least 1, but got 0"):
        launch_workers(["true"], 0)


def test_visible_gpus_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-abc")
    assert visible_gpus() == ["2", "GPU-abc"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []


def test_workers_end_when_their_keeper_is_gone(tmp_path: Path) -> None:
    worker = script(
        tmp_path,
        "import os, pathlib, sys, time\n"
        "from optuna_popnas.cli.launch import obey_keeper\n"
        "obey_keeper()\n"
        "me = pathlib.Path(sys.argv[1], os.environ['POPNAS_WORKER'])\n"
        "try:\n"
        "    me.write_text('started')\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    me.write_text('ended cleanly')\n",
    )
    code = f"from optuna_popnas.cli.launch import *; launch_workers({worker!r}, 2)"
    keeper = subprocess.Popen([sys.executable, "-c", code])
    marks = [tmp_path / name for name in "01"]
    wait_for(lambda: all(mark.exists() and mark.read_text() for mark in marks))
    keeper.kill()
    keeper.wait()
    wait_for(lambda: all(mark.read_text() == "ended cleanly" for mark in marks))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="POSIX")
def test_a_worker_hears_what_its_parent_holds_back(tmp_path: Path) -> None:
    """Ray's nodes block SIGINT: Ctrl-C waited half a minute, and killed the workers."""
    worker = script(
        tmp_path,
        "import pathlib, sys, time\n"
        "from optuna_popnas.cli.launch import obey_keeper\n"
        "obey_keeper()\n"
        "pathlib.Path(sys.argv[1], 'started').touch()\n"
        "time.sleep(60)\n",
    )
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        process = subprocess.Popen(worker, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with process:
        wait_for((tmp_path / "started").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == -signal.SIGINT


def test_no_error_of_the_keeper_ends_the_workers(tmp_path: Path) -> None:
    """A progress bar that could not read its study killed all workers, with SIGKILL."""
    command = script(
        tmp_path,
        "import sys, pathlib, time\ntime.sleep(1)\npathlib.Path(sys.argv[1], 'done').touch()\n",
    )

    def fail(*_: object) -> None:
        raise OSError("the terminal is gone")

    assert launch_workers(command, 1, say=fail, on_poll=fail).ok
    assert (tmp_path / "done").exists()


def test_a_second_interrupt_kills(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    command = script(
        tmp_path,
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1], 'started').touch()\n"
        "time.sleep(60)\n",
    )

    def interrupt() -> None:
        wait_for((tmp_path / "started").exists)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1.0)

    thread = threading.Thread(target=interrupt)
    thread.start()
    report = launch_workers(command, 1, say=lambda text: None)
    thread.join()
    assert report.interrupted
    assert report.codes == [-signal.SIGKILL]


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_as_many_workers_as_there_is_room_for() -> None:
    assert default_workers(["0", "1", "2"]) == 3
    cores = len(os.sched_getaffinity(0))
    assert 1 <= default_workers([]) <= cores
    assert default_workers([], threads=None) == 1  # a training that takes all cores
    assert default_workers([], threads=10 * cores) == 1
