from __future__ import annotations

from pathlib import Path
import subprocess
import sys
import time

import pytest

from optuna_popnas.cli.presence import AtWork
from optuna_popnas.cli.presence import only_keeper


KEEPER = """
import subprocess, sys
from optuna_popnas.cli.presence import only_keeper
with only_keeper("sqlite:///x.db", "digits"):
    code = "import sys; sys.stdin.read()"
    worker = subprocess.Popen([sys.executable, "-c", code], stdin=-1, close_fds=False)
    print(worker.pid, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def test_a_second_keeper_is_told_of_the_first() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(AtWork) as error, only_keeper("sqlite:///x.db", "digits"):
            pass
        assert error.value.process == first.pid
        with only_keeper("sqlite:///x.db", "another"), only_keeper("sqlite:///y.db", "digits"):
            pass
        # Its worker holds on for as long as its input is open; then the place is free.
        first.kill()
        first.wait()
        started = time.monotonic()
        with only_keeper("sqlite:///x.db", "digits"):
            assert time.monotonic() - started < 30


def test_tasks_of_a_job_may_share_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with only_keeper("sqlite:///x.db", "digits"), only_keeper("sqlite:///x.db", "digits"):
        pass
