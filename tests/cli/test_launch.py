from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

import pytest

from optuna_popnas.cli.launch import launch_workers
from optuna_popnas.cli.launch import slurm_script
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
    report = launch_workers(command, gpus=["0", "3"], say=said.append)
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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


def test_slurm_script_is_one_that_bash_can_read() -> None:
    text = slurm_script(
        ["optuna-popnas", "search", "my config.toml"],
        8,
        hours=1.5,
        partition="gpu",
        setup=["source .venv/bin/activate"],
    )
    assert "#SBATCH --array=0-7\n" in text
    assert "#SBATCH --time=01:30:00\n" in text
    assert "#SBATCH --requeue\n" in text
    assert text.endswith("exec optuna-popnas search 'my config.toml'\n")
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
