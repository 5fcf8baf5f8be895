"""One progress bar for all workers, fed by what is stored."""

from __future__ import annotations

from collections.abc import Sequence
import sys
import threading
import time
from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.launch import launch_workers
from optuna_popnas.cli.presence import is_alive
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.summary import summarize
from optuna_popnas.study.words import duration_words


if TYPE_CHECKING:
    import optuna


# Reading a study takes CPU time from the trainings: at most this share of it.
_SHARE = 0.02
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_LINE_PAUSE = 60.0  # between lines of a log, seconds


def describe(
    summary: SearchSummary, most_seconds: float | None = None
) -> tuple[int, int, str, str]:
    """Return what a progress bar shows: done, total, words before and after the bar.

    Args:
        summary: What the study says.
        most_seconds: After so many the search is ended.
    """
    now = next((row for row in summary.levels if row.level == summary.level), None)
    done, total = (0, 1) if now is None else (now.trained, max(now.planned, 1))
    before = "starting" if now is None else f"level {now.level} of {summary.max_blocks}"
    parts: list[str] = []
    if summary.best_accuracy is not None:
        parts.append(f"best {summary.best_accuracy:.3f}")
    if summary.waves is not None:
        done = summary.complete + sum(row.stopped for row in summary.levels)
        total = max(sum(row.planned for row in summary.levels), 1)
        before, now = f"wave {summary.waves}", None
    waiting = [worker for worker in summary.workers if worker.cell is None]
    if now is not None and done >= total and waiting:
        parts.append("planning the next level")
    known = [left for left in (summary.seconds_left, most_seconds) if left is not None]
    if known:
        parts.append(f"about {duration_words(max(min(known), 0.0))} left")
    if summary.front:
        parts.append(f"front {len(summary.front)}")
    if summary.failed:
        parts.append(f"{summary.failed} failed")
    return done, total, before, ", ".join(parts)


class StudyReader:
    """Reads a study again and again in a thread, whatever the storage does meanwhile.

    Attributes:
        latest: The last summary; None before the first.
        away: Whether the storage did not answer the last time.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.latest: SearchSummary | None = None
        self.away = False
        self._study = study
        self._stop = threading.Event()
        threading.Thread(target=self._read, name="popnas-reader", daemon=True).start()

    def _read(self) -> None:
        while not self._stop.is_set():
            started = time.thread_time()
            try:
                self.latest = summarize(self._study)
                self.away = False
            except Exception:  # the next reading may get through; who looks ends nothing
                self.away = True
            cost = time.thread_time() - started
            self._stop.wait(min(max(cost / _SHARE, _SHORTEST_PAUSE), _LONGEST_PAUSE))

    def close(self) -> None:
        """Read no more."""
        self._stop.set()


class SearchBar:
    """A progress bar of the present level; a line a minute where the output is no terminal.

    Args:
        study: The study.
        ends: When the search is ended by the clock, in monotonic seconds.
    """

    def __init__(self, study: optuna.Study, *, ends: float | None = None) -> None:
        from tqdm import tqdm

        self._ends = ends
        self._reader = StudyReader(study)
        self._next = 0.0
        self._line = ""
        self._bar: Any = tqdm(
            total=1,
            desc="starting",
            postfix="",
            disable=None,  # quiet when there is no terminal
            file=sys.stderr,
            bar_format="{desc} |{bar:10}| {n_fmt} of {total_fmt} cells{postfix}",
            dynamic_ncols=True,
            leave=False,
        )

    def update(self) -> None:
        """Show what was read last; never waits for the storage."""
        now = time.monotonic()
        summary = self._reader.latest
        if summary is None or now < self._next:
            return
        most = None if self._ends is None else self._ends - now
        done, total, before, after = describe(summary, most)
        if self._reader.away:
            after = "the storage does not answer"
        if self._bar.disable:
            self._next = now + _LINE_PAUSE
            line = f"{before}: {done} of {total} cells{after and ', '}{after}"
            if line != self._line:
                self.write(line)
            self._line = line
            return
        self._next = now + _SHORTEST_PAUSE
        self._bar.total = total
        self._bar.n = done
        self._bar.set_description_str(before, refresh=False)
        self._bar.postfix = after
        self._bar.refresh()

    @property
    def ended(self) -> bool:
        """Whether the search has ended, as far as was read."""
        return self._reader.latest is not None and self._reader.latest.state == "finished"

    def write(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Take the bar away."""
        self._reader.close()
        try:
            self._bar.close()
        except OSError:  # the terminal was closed
            pass


def watch(
    study: optuna.Study,
    command: Sequence[str],
    workers: int,
    gpus: Sequence[str] = (),
    *,
    ends: float | None = None,
) -> int:
    """Start workers, show progress until they end; returns the exit code."""
    bar = SearchBar(study, ends=ends)
    try:
        report = launch_workers(command, workers, gpus=gpus, say=bar.write, on_poll=bar.update)
    finally:
        bar.close()
    if report.interrupted:
        return 130
    return 0 if report.ok else 2 if 2 in report.codes else 1


def only_watch(study: optuna.Study, process: int) -> int:
    """Show the progress of another process's workers until they end; returns the exit code."""
    bar = SearchBar(study)
    try:
        while is_alive(process) and not bar.ended:
            bar.update()
            time.sleep(_SHORTEST_PAUSE)
    finally:
        bar.close()
    return 0
