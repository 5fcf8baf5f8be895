"""The part of ``tests/faults.py`` that runs the command that users run."""

from __future__ import annotations

import argparse
from collections import Counter
import math
import os
from pathlib import Path
import pty
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import optuna

from optuna_popnas.sampler import try_steadily
from optuna_popnas.study import StudyView
from optuna_popnas.study import view_study
from tests.services import FILES
from tests.services import open_storage
from tests.services import Service
from tests.services import small_disk
from tests.verdict import ends
from tests.verdict import planned


STUDY = "faults"
SEARCH = (
    "--operators", "identity,3x3 dconv,2x2 maxpool", "--max-blocks", "2",
    "--samples", "60",
    "--epochs", "1", "--motifs", "1", "--normal-cells", "1", "--filters", "2", "--mode", "popnas",
    "--max-children", "6", "--max-exploration-children", "2",
)  # fmt: skip


class Terminal:
    """The command on a terminal of its own, or without one.

    Args:
        command: What runs.
        folder: Where its output goes.
        on_terminal: Whether it has a terminal.
    """

    def __init__(self, command: list[str], folder: Path, *, on_terminal: bool) -> None:
        self.output = folder / "output"
        self._file = self.output.open("ab")
        self._master = None
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        options: dict[str, Any] = {"stdout": self._file, "stderr": self._file}
        if on_terminal:
            self._master, slave = pty.openpty()
            options = {"stdin": slave, "stdout": slave, "stderr": slave}

        def lead() -> None:
            os.setsid()
            if on_terminal:
                import fcntl
                import termios

                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(command, env=environment, preexec_fn=lead, **options)
        if on_terminal:
            os.close(slave)

    def read(self) -> None:
        """Take what the command says, as a terminal does."""
        while self._master is not None and select.select([self._master], [], [], 0)[0]:
            try:
                text = os.read(self._master, 65536)
            except OSError:
                text = b""
            if not text:
                return
            self._file.write(text)
            self._file.flush()

    def hang_up(self) -> None:
        """Close the terminal; without one, send what closing it would."""
        if self._master is None:
            self.process.send_signal(signal.SIGHUP)
            return
        os.close(self._master)
        self._master = None

    def close(self) -> None:
        """End whatever runs."""
        self.read()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master is not None:
            os.close(self._master)
        self._file.close()


def play_command(
    service: Service, folder: Path, arguments: Any, rng: random.Random
) -> tuple[int, int, list[str]]:
    """Run one search by the command with harm.

    Returns:
        Outages, hang-ups, and what was wrong.
    """
    on_terminal = rng.random() < 0.5
    command = [sys.executable, "-W", "ignore", "-m", "optuna_popnas", "search", *SEARCH]
    command += ["--storage", service.url, "--study", STUDY, "--workers", str(arguments.workers)]
    terminal = Terminal(command, folder, on_terminal=on_terminal)
    deeds = ["restart", "freeze", *["fill"] * (service.kind in FILES)]
    left = [rng.choice(deeds) for _ in range(arguments.outages)]
    hangups = arguments.hangups
    problems: list[str] = []
    started = time.monotonic()
    next_deed = math.inf  # from when the workers start
    ended = 0.0
    while True:
        terminal.read()
        code = terminal.process.poll()
        now = time.monotonic()
        if next_deed == math.inf and b"Ctrl-C ends it" in terminal.output.read_bytes():
            next_deed = now + rng.uniform(2.0, 12.0)
        if code is not None and ended:
            terminal.close()
            gone = workers_of(service.url)
            if gone:
                problems.append(f"{len(gone)} workers were left after a hang-up")
            terminal = Terminal(command, folder, on_terminal=on_terminal)
            ended, hangups = 0.0, hangups - 1
            continue
        if code is not None:
            break
        if now - started > arguments.limit:
            problems.append(f"not done after {arguments.limit:g} s")
            break
        if now > next_deed and (left or hangups) and not ended:
            next_deed = now + rng.uniform(2.0, 8.0)
            if hangups and not left:
                terminal.hang_up()
                ended = now
            elif left:
                deed = left.pop()
                if deed == "restart":
                    service.restart()
                elif deed == "freeze":
                    service.freeze(rng.uniform(1.0, 5.0))
                else:
                    service.fill_disk(rng.uniform(1.0, 5.0))
        time.sleep(0.05)
    terminal.close()
    text = terminal.output.read_text(errors="replace")
    if terminal.process.returncode != 0:
        problems.append(f"exit code {terminal.process.returncode}: {text[-1500:]}")
    if "Traceback" in text:
        problems.append(f"a traceback: {text[text.index('Traceback') :][:1500]}")
    return arguments.outages - len(left), arguments.hangups - hangups, problems


def workers_of(url: str) -> list[int]:
    """Return the processes that still work on a storage."""
    deadline = time.monotonic() + 40
    while True:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if url.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def read_view(service: Service) -> StudyView:
    """Read the study when all is over."""
    storage = open_storage(service.address)
    return view_study(
        try_steadily(lambda: optuna.load_study(study_name=STUDY, storage=storage), opening=True)
    )


def trainings(view: StudyView) -> tuple[int, int, int, int]:
    """Return how many cells were planned, lost, trained twice without a death, and thrown away."""
    done, failed, excused = ends(view)
    cells = set(planned(view))
    lost = sum(not done[key] and failed[key] < 3 for key in cells)
    twice = sum(max(0, count - 1 - excused[key]) for key, count in done.items())
    thrown = sum(excused.values()) + sum(max(0, count - 1) for count in done.values())
    return len(cells), lost, twice, thrown


def play_commands(arguments: argparse.Namespace, seed: int) -> int:
    """Run the command that users run, and sum up; returns the exit code."""
    started = time.monotonic()
    total: Counter[str] = Counter()
    while total["runs"] < arguments.runs or time.monotonic() - started < 60 * arguments.minutes:
        rng = random.Random(seed)
        with (
            tempfile.TemporaryDirectory() as output,
            small_disk(arguments.folder, 32 if arguments.storage in FILES else 600) as folder,
            Service(arguments.storage, folder) as service,
        ):
            outages, hangups, problems = play_command(service, Path(output), arguments, rng)
            cells = lost = twice = thrown = 0
            try:
                view = read_view(service)
            except KeyError:
                problems.append("no study was made")
            else:
                cells, lost, twice, thrown = trainings(view)
                problems += [] if view.done else ["the search is not done"]
        total.update(runs=1, outages=outages, hangups=hangups, cells=cells)
        total.update(lost=lost, duplicated=twice, thrown=thrown)
        total["hung"] += any("not done after" in problem for problem in problems)
        total["problems"] += len(problems)
        for problem in problems:
            print(f"seed {seed}: {problem}")
        seed += 1
    print(
        f"{arguments.storage}: {total['runs']} runs of the command, {arguments.workers} workers, "
        f"{total['outages']} outages, {total['hangups']} hang-ups, "
        f"{total['cells']} cells, {total['lost']} lost, {total['duplicated']} duplicated, "
        f"{total['hung']} hung, "
        f"{total['thrown']} trainings thrown away, {total['problems']} problems, "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )
    return int(bool(total["lost"] or total["duplicated"] or total["hung"] or total["problems"]))
