"""Start workers on this machine and watch over them; write the script that starts them by SLURM.

Workers are processes that run the same command on the same study. They need nothing of each
other: the study's storage is all they share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field
import os
import shlex
import signal
import subprocess
import threading
import time


_QUICK = 20.0  # a worker that ends so many seconds after its start has not done much
_MAX_QUICK = 3  # so often in a row, and it is not started again
_POLL = 0.2  # seconds

Say = Callable[[str], None]


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


def launch_workers(
    command: Sequence[str],
    count: int | None = None,
    *,
    gpus: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    grace: float = 30.0,
    hopeless: Collection[int] = (2,),
    say: Say = print,
    on_poll: Callable[[], None] | None = None,
) -> WorkersReport:
    """Run workers until all have ended; start again those that crash.

    Args:
        command: What each worker runs. It must end with exit code 0 when the search has ended.
        count: How many; one per GPU if left out, or one if there is none.
        gpus: GPUs to share out, as ``CUDA_VISIBLE_DEVICES`` names them; all visible ones if left
            out. With fewer workers than GPUs each gets several.
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
    gpus = visible_gpus() if gpus is None else list(gpus)
    count = max(len(gpus), 1) if count is None else count
    if count < 1:
        raise ValueError(f"`count` must be at least 1, but got {count}.")
    places = []
    for index in range(count):
        variables = {**os.environ, **(environment or {}), "POPNAS_WORKER": str(index)}
        if gpus:
            variables["CUDA_VISIBLE_DEVICES"] = _share(gpus, index, count)
        places.append(_Place(variables))
    report = WorkersReport()
    in_main_thread = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGTERM, _interrupt) if in_main_thread else None
    try:
        for place in places:
            _start(place, command)
        while _watch(places, command, report, hopeless, say):
            if on_poll is not None:
                on_poll()
            time.sleep(_POLL)
    except KeyboardInterrupt:
        report.interrupted = True
        say("Ending the workers. The same command goes on where they were.")
        _end(places, grace)
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, previous)
        _end(places, 0.0)
    report.codes = [1 if place.code is None else place.code for place in places]
    return report


def _share(gpus: Sequence[str], index: int, count: int) -> str:
    """Return the GPUs of a worker: one, or several if there are more of them than workers."""
    if count >= len(gpus):
        return gpus[index % len(gpus)]
    return ",".join(gpus[index::count])


def _start(place: _Place, command: Sequence[str]) -> None:
    # A session of its own, so that Ctrl-C in the terminal reaches the workers through us alone.
    place.process = subprocess.Popen(
        list(command), env=place.environment, start_new_session=True, stdin=subprocess.DEVNULL
    )
    place.started = time.monotonic()


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
        if code == 0 or code in hopeless:
            place.code = code
            continue
        quick = time.monotonic() - place.started < _QUICK
        place.quick_ends = place.quick_ends + 1 if quick else 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if place.quick_ends >= _MAX_QUICK:
            place.code = code
            say(f"Worker {index} {how} {_MAX_QUICK} times in a row; it is not started again.")
            continue
        report.restarts += 1
        say(f"Worker {index} {how}; it is started again.")
        _start(place, command)
    return any(place.code is None for place in places)


def _end(places: Sequence[_Place], grace: float) -> None:
    """End all workers: as Ctrl-C does at first, then by force."""
    running = [p.process for p in places if p.process is not None and p.process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + grace
    for process in running:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def slurm_script(
    command: Sequence[str],
    count: int,
    *,
    name: str = "popnas",
    gpus: int = 1,
    cpus: int = 4,
    memory: str = "16G",
    hours: float = 24.0,
    partition: str | None = None,
    setup: Sequence[str] = (),
) -> str:
    """Return a SLURM array script that runs ``count`` workers, one per task.

    Args:
        command: What each worker runs, the same as on one machine.
        count: How many workers.
        name: Name of the job.
        gpus: GPUs per worker.
        cpus: CPU cores per worker.
        memory: Memory per worker.
        hours: Time limit. Workers that reach it are requeued and go on.
        partition: Partition; the cluster's default if left out.
        setup: Shell lines that come first, such as ``module load`` or ``source .venv/...``.
    """
    if count < 1:
        raise ValueError(f"`count` must be at least 1, but got {count}.")
    minutes = max(1, round(60 * hours))
    options = [
        f"--job-name={name}",
        f"--array=0-{count - 1}",
        f"--cpus-per-task={cpus}",
        f"--mem={memory}",
        f"--time={minutes // 60:02d}:{minutes % 60:02d}:00",
        "--requeue",
        "--open-mode=append",
        f"--output={name}-%A-%a.log",
    ]
    if gpus:
        options.append(f"--gres=gpu:{gpus}")
    if partition:
        options.append(f"--partition={partition}")
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options),
        "",
        "# A worker that is killed or preempted loses at most the cell it was training;",
        "# requeued, it joins the study again.",
        *setup,
        f"export OMP_NUM_THREADS={cpus}",
        f"exec {shlex.join(command)}",
    ]
    return "\n".join(lines) + "\n"
