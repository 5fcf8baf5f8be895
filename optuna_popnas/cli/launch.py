"""Start workers on this machine and watch over them.

Workers are processes that run the same command on the same study. They need nothing of each
other: the study's storage is all they share. Whoever starts them, their keeper, holds the other
end of their standard input: when it is gone, however it went, they end as after Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
import os
import signal
import subprocess
import threading
import time
from types import FrameType
from typing import Any


_QUICK = 20.0  # a worker that ends so many seconds after its start has not done much
_MAX_QUICK = 3  # so often in a row, and it is not started again
_MAX_KILLED = 7  # likewise if it was killed: a cell that kills its process is left out before
_POLL = 0.2  # seconds
_KEEPER = "POPNAS_KEEPER"  # set for workers whose standard input their keeper holds
_MEMORY = 1 << 30  # bytes that a worker needs, roughly

Say = Callable[[str], None]


# Keeper -------------------------------------------------------------------------------------


@dataclass
class _Place:
    """One worker's place: its process, now and before."""

    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_ends: int = 0
    code: int | None = None  # how it ended for good


@dataclass
class WorkersReport:
    """How workers ended.

    Attributes:
        codes: Exit code of each worker's last process, 0 if all is well.
        restarts: How often a crashed worker was started again.
        interrupted: Whether the user ended them.
    """

    codes: list[int] = field(default_factory=list)
    restarts: int = 0
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether all workers ended by themselves."""
        return not self.interrupted and all(code == 0 for code in self.codes)


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [name.strip() for name in listed.split(",") if name.strip() not in ("", "-1")]
    try:
        out = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return out.stdout.split() if out.returncode == 0 else []


def default_workers(gpus: Sequence[str], threads: int | None = 1) -> int:
    """Return how many workers this machine has room for.

    One per GPU; without GPUs one per core, or per ``threads`` cores if a training takes several,
    as far as the free memory goes.
    """
    if gpus:
        return len(gpus)
    if threads is None:
        return 1
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        memory = cores * _MEMORY
    return max(min(cores // max(threads, 1), memory // _MEMORY), 1)


def launch_workers(
    command: Sequence[str],
    count: int,
    *,
    gpus: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    grace: float = 30.0,
    hopeless: Collection[int] = (2, 70),
    say: Say = print,
    on_poll: Callable[[], None] | None = None,
) -> WorkersReport:
    """Run workers until all have ended; start again those that crash.

    Ctrl-C, SIGTERM and a closed terminal end the workers; a second Ctrl-C kills them. No error of
    what is called here, ``say`` and ``on_poll``, ends them.

    Args:
        command: What each worker runs. It must end with exit code 0 when the search has ended.
        count: How many.
        gpus: GPUs to share out, as ``CUDA_VISIBLE_DEVICES`` names them. With fewer workers than
            GPUs each gets several.
        environment: More environment variables.
        grace: Seconds that workers have to end after Ctrl-C before they are killed.
        hopeless: Exit codes, such as that of a wrong setting, after which no worker is started
            again: it would end in the same way.
        say: Tells the user what happens, a line each.
        on_poll: Called a few times per second, to show progress.

    Returns:
        How they ended. A worker that crashes three times in a row soon after its start is not
        started again.

    Raises:
        ValueError: ``count`` is less than 1.
    """
    if count < 1:
        raise ValueError(f"`count` must be at least 1, but got {count}.")
    places = []
    for index in range(count):
        # Workers share the memory of the machine.
        own = {"POPNAS_WORKER": str(index), "POPNAS_WORKERS": str(count)}
        variables = {**os.environ, **(environment or {}), **own, _KEEPER: str(os.getpid())}
        if gpus:
            variables["CUDA_VISIBLE_DEVICES"] = _share(gpus, index, count)
        places.append(_Place(variables))
    report = WorkersReport()
    tell = _harmless(say)
    with collect_signals() as received:
        try:
            for index, place in enumerate(places):
                _start(index, place, command, tell)
            while _watch(places, command, report, hopeless, tell) and not received:
                if on_poll is not None:
                    _harmless(on_poll)()
                time.sleep(_POLL)
        finally:
            # Also after an error of this program: they are asked to end, and never killed for it.
            running = _running(places)
            _interrupt(running)
            if received:
                report.interrupted = True
                tell("Ending the workers. The same command goes on where they were.")
                _await_end(running, grace, received)
    for place in places:
        if place.code is None and place.process is not None:
            place.code = place.process.poll()
            _release(place.process)
    report.codes = [1 if place.code is None else place.code for place in places]
    return report


def _share(gpus: Sequence[str], index: int, count: int) -> str:
    """Return the GPUs of a worker: one, or several if there are more of them than workers."""
    if count >= len(gpus):
        return gpus[index % len(gpus)]
    return ",".join(gpus[index::count])


def _start(index: int, place: _Place, command: Sequence[str], say: Say) -> None:
    place.started = time.monotonic()
    try:
        place.process = subprocess.Popen(
            list(command),
            env=place.environment,
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal reaches the workers through us alone
            close_fds=False,  # the lock of `only_keeper` passes on
        )
    except OSError as error:
        place.code = 1
        say(f"Worker {index} cannot be started: {error}.")


def _watch(
    places: Sequence[_Place],
    command: Sequence[str],
    report: WorkersReport,
    hopeless: Collection[int],
    say: Say,
) -> bool:
    """Start crashed workers again; return whether any is at work."""
    for index, place in enumerate(places):
        if place.process is None or place.code is not None:
            continue
        code = place.process.poll()
        if code is None:
            continue
        _release(place.process)
        if code == 0 or code in hopeless:
            place.code = code
            continue
        quick = time.monotonic() - place.started < _QUICK
        place.quick_ends = place.quick_ends + 1 if quick else 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        most = _MAX_KILLED if code < 0 else _MAX_QUICK
        if place.quick_ends >= most:
            place.code = code
            say(f"Worker {index} {how} {most} times in a row; it is not started again.")
            continue
        report.restarts += 1
        say(f"Worker {index} {how}; it is started again.")
        _start(index, place, command, say)
    return any(place.code is None for place in places)


def _release(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _running(places: Sequence[_Place]) -> list[subprocess.Popen[bytes]]:
    return [p.process for p in places if p.process is not None and p.process.poll() is None]


def _interrupt(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)


def _await_end(
    processes: Sequence[subprocess.Popen[bytes]], grace: float, received: Sequence[int]
) -> None:
    """Wait for workers that were interrupted; kill those that do not end in time."""
    deadline = time.monotonic() + grace
    asked = len(received)
    while any(process.poll() is None for process in processes):
        if time.monotonic() > deadline or len(received) > asked:
            for process in processes:
                process.kill()
        time.sleep(0.05)


@contextmanager
def collect_signals() -> Iterator[list[int]]:
    """Collect the signals that end a program, in the main thread, instead of raising anything.

    So Ctrl-C does its work wherever it arrives, in the middle of a progress bar, too.
    """
    received: list[int] = []

    def receive(number: int, _: FrameType | None) -> None:
        received.append(number)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, receive) for number in _ending_signals()}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ending_signals() -> list[int]:
    """Return the signals that end a search; not that of a closed terminal under ``nohup``."""
    signals: list[int] = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        signals.append(hangup)
    return signals


def _harmless(call: Callable[..., None]) -> Callable[..., None]:
    """Return a call whose errors end nothing: a terminal may be closed, a storage away."""

    def tried(*arguments: object) -> None:
        try:
            call(*arguments)
        except Exception:
            return

    return tried


# Worker --------------------------------------------------------------------------------------


def obey_keeper(*, grace: float = 60.0) -> None:
    """Make this process end as by Ctrl-C when it is told to, or when its keeper is gone.

    Args:
        grace: Seconds after which it ends whatever it does.
    """
    for number in _ending_signals():
        # Shells start background jobs with Ctrl-C ignored.
        signal.signal(number, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):  # and Ray its nodes, with Ctrl-C held back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ending_signals())
    if _KEEPER in os.environ:
        threading.Thread(target=_end_with_keeper, args=(grace,), daemon=True).start()


def _end_with_keeper(grace: float) -> None:
    try:
        while os.read(0, 1):
            pass
    except OSError:
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(grace)
    os._exit(130)
