"""Who is alive: a worker's signs of life, and its judgement of the others.

No clock of another machine is read. A worker counts up a number on its trials; who watches
measures with its own clock how long a trial has shown no change. On the same machine a process
that is gone is known at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
import hashlib
import os
from pathlib import Path
import random
import socket
import threading
import time
from typing import Any, NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.facts import BEAT
from optuna_popnas.sampler.facts import CLAIM
from optuna_popnas.sampler.facts import claim_of
from optuna_popnas.sampler.facts import LEAD
from optuna_popnas.sampler.facts import mark_of
from optuna_popnas.sampler.facts import OWNER
from optuna_popnas.sampler.facts import WAIT


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

DEFAULT_LEASE = 120.0  # seconds
_PRESENCE = 30.0  # for so many seconds a failed cell is left to a worker that was seen
_TICK = 1.0  # seconds between two looks of the thread that shows signs of life
_LATE = 2.5  # seconds without a look: the process was stopped, or the storage is very slow


# Processes ---------------------------------------------------------------------------------


class Me(NamedTuple):
    """Who a worker is.

    Attributes:
        worker: For people: ``host:process``.
        process: What tells this process from every other one, now and later, on any machine.
        seat: What a worker that is started again has in common with the one before.
    """

    worker: str
    process: str
    seat: str

    @classmethod
    def of_this_process(cls) -> Me:
        pid, machine = os.getpid(), _machine()
        return cls(
            f"{socket.gethostname()}:{pid}",
            f"{machine}:{pid}:{_start_time(pid) or ''}",
            f"{machine}:{os.environ.get('POPNAS_WORKER') or f'p{pid}'}",
        )


def machine_of(name: str) -> str:
    """Return the machine of a process token or a seat."""
    return name.partition(":")[0]


def is_gone(token: str) -> bool:
    """Whether a process of this machine has certainly ended; False for those of others.

    A process that cannot be seen, as of another user where /proc hides them, is not gone.
    """
    machine, pid, started = (token.split(":") + ["", ""])[:3]
    if not started or not pid.isdecimal() or machine != _machine():
        return False
    now = _start_time(int(pid))
    if now is not None:
        return now != started
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _is_zombie(int(pid))


@lru_cache(maxsize=1)
def _machine() -> str:
    """Name the machine and the process namespace, as containers share the former only.

    Where the namespace cannot be told, no other process is taken for one of this machine.
    """
    facts = [socket.gethostname()]
    try:
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        facts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        facts.append(str(random.SystemRandom().random()))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _stat(pid: int) -> list[str]:
    """Return what /proc tells of a process from its state on; nothing if it cannot be seen."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _start_time(pid: int) -> str | None:
    """Return when a process started, in ticks; None if it has ended or cannot be seen."""
    fields = _stat(pid)
    # State, parent ...; the start time is the 22nd field of all, the 20th after the name.
    return None if not fields or fields[0] in "ZX" else fields[19]


def _is_zombie(pid: int) -> bool:
    return "".join(_stat(pid)[:1]) in ("Z", "X")


# Signs of life -----------------------------------------------------------------------------


class Beats:
    """Counts up a number on the trials of this process, in a thread, as long as they run.

    Args:
        interval: Seconds between two signs; None to show none.
    """

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._held: dict[int, tuple[optuna.Study, int, float]] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._pid = os.getpid()
        self._tick = time.monotonic()
        self._away = False

    def __getstate__(self) -> dict[str, Any]:
        return {"_interval": self._interval}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_interval"])  # type: ignore[misc]

    def hold(self, study: optuna.Study, trial_id: int) -> None:
        """Show signs of life on this trial from now on."""
        if self._interval is None or internals.is_in_memory(study):
            return
        with self._lock:
            if self._pid != os.getpid():  # forked: threads stay with the parent
                self._pid, self._thread, self._held = os.getpid(), None, {}
            self._held[trial_id] = (study, 0, time.monotonic() + self._interval)
            if self._thread is None:
                self._tick = time.monotonic()
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stop,), name="popnas-beats", daemon=True
                )
                self._thread.start()

    def release(self, trial_id: int) -> None:
        """Show no more signs on this trial."""
        with self._lock:
            self._held.pop(trial_id, None)

    def was_disturbed(self) -> bool:
        """Whether signs of life of anybody may have got lost since the last call.

        So it is if this process was stopped until just now, or if the storage was away or too
        slow for its own signs: then those of others may be under way as well.
        """
        late = self._thread is not None and time.monotonic() - self._tick > _LATE
        away, self._away = self._away, False
        return late or away

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._held = {}
            self._stop.set()
        if thread is not None:
            thread.join()

    def _run(self, stop: threading.Event) -> None:
        studies: dict[int, optuna.Study] = {}
        assert self._interval is not None
        while not stop.wait(min(_TICK, self._interval)):
            now = time.monotonic()
            if now - self._tick > _LATE:
                self._away = True
            self._tick = now
            with self._lock:
                if not self._held:
                    self._thread = None
                    break
                due = [(key, *held) for key, held in self._held.items() if held[2] <= now]
            for trial_id, study, count, _ in due:
                studies[id(internals.storage_of(study))] = study
                self._beat(study, trial_id, count + 1)
        for study in studies.values():
            internals.close_session(study)

    def _beat(self, study: optuna.Study, trial_id: int, count: int) -> None:
        assert self._interval is not None
        try:
            internals.write_trial(study, trial_id, BEAT, count)
        except (UpdateFinishedTrialError, KeyError):
            self.release(trial_id)
            return
        except Exception as error:  # the storage is away; the next sign may get through
            self._away = True
            _logger.debug(f"No sign of life of trial {trial_id} could be written: {error!r}")
        with self._lock:
            if trial_id in self._held:
                self._held[trial_id] = (study, count, time.monotonic() + self._interval)


# Judgement ---------------------------------------------------------------------------------


class Watch:
    """Remembers since when each running trial has not changed, by this process's clock.

    Args:
        lease: Seconds without a change after which a trial counts as dead; None for ever.
    """

    def __init__(self, lease: float | None) -> None:
        self.lease = lease
        self._seen: dict[int, tuple[tuple[Any, ...], float]] = {}
        self._seats: dict[str, float] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"lease": self.lease}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["lease"])  # type: ignore[misc]

    def forget(self) -> None:
        """Start anew, as nobody's silence could be heard."""
        with self._lock:
            self._seen.clear()

    def look(self, trials: Iterable[FrozenTrial]) -> dict[int, float]:
        """Take in the running trials; return the seconds since each one's last change."""
        now = time.monotonic()
        with self._lock:
            seen = {}
            for trial in trials:
                signature = _signature(trial)
                old = self._seen.get(trial.number)
                same = old is not None and old[0] == signature
                seen[trial.number] = old if same and old is not None else (signature, now)
            self._seen = seen
            return {number: now - since for number, (_, since) in seen.items()}

    def present(self, seats: Iterable[str | None]) -> list[str]:
        """Return who was here just now: between two trials nobody is seen.

        Args:
            seats: Of the running trials, where they are known.
        """
        now = time.monotonic()
        self._seats.update((seat, now) for seat in seats if seat is not None)
        return [seat for seat, seen in self._seats.items() if now - seen < _PRESENCE]

    def disregards(self, trial: FrozenTrial, silence: Mapping[int, float]) -> bool:
        """Whether a running trial is another sampler's, and has been silent for too long."""
        return (
            self.lease is not None
            and silence.get(trial.number, 0.0) > self.lease
            and process_of(trial) is None
        )

    def death(self, trial: FrozenTrial, silence: float) -> str | None:
        """Return why a running trial of another process counts as dead, or None."""
        token = process_of(trial)
        lease = self.lease
        if token:
            if is_gone(token):
                return "its process has ended"
        elif token is not None:  # detached
            own = (mark_of(trial, OWNER) or {}).get("stale_after")
            lease = own if isinstance(own, (int, float)) else None
        if lease is not None and silence > lease:
            return f"no sign of life for {lease:g} s"
        return None


def process_of(trial: FrozenTrial) -> str | None:
    """Return the token of the process that runs a trial, if it has said so.

    Empty where the trial was detached from its process.
    """
    owner = mark_of(trial, OWNER)
    claim = claim_of(trial)
    if claim is not None and (owner is None or owner.get("process")):
        return claim.process
    for mark in (owner, mark_of(trial, LEAD), mark_of(trial, WAIT)):
        if mark is not None and isinstance(mark.get("process"), str):
            return str(mark["process"])
    return None


def _signature(trial: FrozenTrial) -> tuple[Any, ...]:
    system = trial.system_attrs
    return (
        system.get(BEAT),
        system.get(LEAD),
        trial.user_attrs.get(CLAIM),
        len(system),
        len(trial.params),
        len(trial.user_attrs),
        len(trial.intermediate_values),
    )
