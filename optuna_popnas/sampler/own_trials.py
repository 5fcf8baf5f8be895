"""The trials that this process has asked for: which thread runs which, and how they ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
import threading
import time
import weakref

from optuna.trial import TrialState


_TELLING = 5.0  # seconds that storing a result may take; then others of this process see to it


class _Thread:
    """Stands for a thread as long as it lives; numbers of threads are used again."""


@dataclass
class _Held:
    trial_id: int
    thread: weakref.ref[_Thread]
    in_optimize: bool
    asking: bool = False
    left_behind: bool = False
    end: tuple[float, TrialState, Sequence[float] | None] | None = None


@dataclass(frozen=True)
class Remains:
    """What a trial is to be finished with whose worker in this process did not finish it."""

    state: TrialState
    values: Sequence[float] | None = None
    reason: str | None = None


class OwnTrials:
    """The unfinished trials of this process on one study, by number."""

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}
        self._local = threading.local()
        self._threads = 0

    def __contains__(self, number: int) -> bool:
        return number in self._held

    def begin(self, number: int, trial_id: int, *, in_optimize: bool) -> None:
        """Note a trial that this thread has asked for.

        A thread of ``optimize`` has one trial at a time: its earlier ones have finished, or could
        not be finished.
        """
        thread = self._thread()
        if in_optimize:
            for held in list(self._held.values()):
                if held.thread() is thread and held.in_optimize:
                    held.left_behind = True
        self._held[number] = _Held(trial_id, weakref.ref(thread), in_optimize)

    def asks(self, number: int, trial_id: int, asking: bool, *, in_optimize: bool = False) -> None:
        """Note that a trial asks for a cell, or does so no longer, in this thread."""
        held = self._held.get(number)
        if held is None:
            if not asking:
                return
            held = self._held[number] = _Held(trial_id, weakref.ref(self._thread()), in_optimize)
        held.thread = weakref.ref(self._thread())
        held.asking = asking

    def end(self, number: int, state: TrialState, values: Sequence[float] | None) -> None:
        """Note how a trial is about to be finished."""
        held = self._held.get(number)
        if held is not None:
            held.end = (time.monotonic(), state, values)

    def forget(self, number: int) -> int | None:
        """Forget a trial that has finished; return its id if it was held."""
        held = self._held.pop(number, None)
        return None if held is None else held.trial_id

    def is_asking(self, number: int) -> bool:
        """Whether a trial of this process asks for a cell now."""
        held = self._held.get(number)
        return held is not None and held.asking

    def trial_id(self, number: int) -> int:
        """Return the id of a trial of this process."""
        return self._held[number].trial_id

    def check_wait(self, number: int, blocking: Collection[int], level: int) -> None:
        """Raise if this thread would wait for itself.

        Where several threads have asked for trials, any of them may tell a result.

        Args:
            number: The trial that waits.
            blocking: The trials it waits for.
            level: The level that they belong to.

        Raises:
            RuntimeError: This thread has asked for all of them.
        """
        thread = self._thread()
        held = [self._held.get(other) for other in blocking]
        if self._threads > 1 or not all(one and one.thread() is thread for one in held):
            return
        if blocking:
            shown = ", ".join(map(str, sorted(blocking)[:5]))
            raise RuntimeError(
                f"Trial {number} must wait until level {level} is complete, but the trials that "
                f"are left ({shown}) were asked for by this very thread. Tell their results "
                "before you suggest a cell for another trial."
            )

    def remains(self, number: int) -> Remains | None:
        """Return what to finish a running trial with, None if its worker sees to it."""
        held = self._held.get(number)
        if held is None:
            return None
        if held.end is not None:
            since, state, values = held.end
            late = held.left_behind or time.monotonic() - since > _TELLING
            return Remains(state, values) if late else None
        if held.left_behind or (held.in_optimize and held.thread() is None):
            return Remains(TrialState.FAIL, None, "its worker went on without it")
        return None

    def _thread(self) -> _Thread:
        thread: _Thread | None = getattr(self._local, "thread", None)
        if thread is None:
            thread = self._local.thread = _Thread()
            self._threads += 1
        return thread
