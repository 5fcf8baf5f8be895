"""The command that users run, on a terminal, while its storage is away."""

from __future__ import annotations

from collections import Counter
import fcntl
import os
from pathlib import Path
import pty
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest

from optuna_popnas.cli.storages import load_study
from optuna_popnas.study import view_study
from tests.cli.test_search import SMALL
from tests.services import Service


SPACE = (
    "--operators", "identity,3x3 dconv,3x3 conv", "--workers", "2", "--samples", "400",
    "--epochs", "189",
)  # fmt: skip  # 22 cells


class Terminal:
    """A search on a pseudo-terminal."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "optuna_popnas", "search", "--storage", url]
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [*command, *SMALL, *SPACE],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80"},
        )
        os.close(theirs)
        self.text = ""
        self._file = ours
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                found = os.read(self._file, 4096)
            except OSError:  # the other end was closed
                return
            self.text += found.decode(errors="replace")

    def wait_for(self, text: str, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline and self.process.poll() is None, self.text
            time.sleep(0.1)


def check_all_cells(url: str) -> None:
    view = view_study(load_study(url))
    assert view.done
    cells = Counter(t.cell.canonical() for t in view.complete if t.cell is not None)
    assert len(cells) == 22
    assert sum(cells.values()) <= 24  # one training may be lost by each worker, at most


@pytest.mark.slow
def test_a_locked_database_does_not_end_the_search(tmp_path: Path) -> None:
    """The progress bar read without patience; its error killed all workers, with SIGKILL."""
    url = f"sqlite:///{tmp_path}/popnas.db"
    terminal = Terminal(url)
    terminal.wait_for("level 1 of 1")
    connection = sqlite3.connect(tmp_path / "popnas.db", timeout=30)
    connection.execute("BEGIN EXCLUSIVE")
    time.sleep(8.0)
    connection.rollback()
    connection.close()
    assert terminal.process.wait(timeout=180) == 0, terminal.text
    assert "Traceback" not in terminal.text
    check_all_cells(url)


@pytest.mark.postgres
def test_a_restarted_database_does_not_end_the_search(tmp_path: Path) -> None:
    with Service("postgresql", tmp_path) as service:
        terminal = Terminal(service.database)
        terminal.wait_for("level 1 of 1")
        for _ in range(2):
            service._control("stop", "-m", "fast")
            time.sleep(5.0)
            service._control("start")
            time.sleep(1.0)
        assert terminal.process.wait(timeout=180) == 0, terminal.text
        assert "Traceback" not in terminal.text
        check_all_cells(service.database)


@pytest.mark.slow
def test_a_closed_terminal_ends_the_workers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/popnas.db"
    terminal = Terminal(url)
    terminal.wait_for("level 1 of 1")
    os.kill(terminal.process.pid, signal.SIGHUP)
    assert terminal.process.wait(timeout=60) == 130
    deadline = time.monotonic() + 30
    while any(t.state == "RUNNING" for t in view_study(load_study(url)).trials):
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.slow
def test_a_second_start_only_watches(tmp_path: Path) -> None:
    """Two keepers started twice as many workers as the machine has room for."""
    url = f"sqlite:///{tmp_path}/popnas.db"
    first = Terminal(url)
    first.wait_for("level 1 of 1")
    second = Terminal(url)
    second.wait_for("are at work on this search here already")
    assert first.process.wait(timeout=180) == 0
    assert second.process.wait(timeout=60) == 0, second.text
    assert "Pareto front" in second.text
    check_all_cells(url)
