"""Workers on a Ray cluster: Ray places them, starts them again, and knows which nodes are gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field
from importlib import import_module
from pathlib import Path
import socket
import time
from typing import Any, NamedTuple, Protocol

import optuna
from optuna.trial import TrialState

from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.facts import DEAD
from optuna_popnas.sampler.facts import INTERRUPTED
from optuna_popnas.sampler.facts import REASON
from optuna_popnas.sampler.liveness import machine_of
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.liveness import process_of


_POLL = 0.5  # seconds
_GRACE = 30.0  # seconds that workers have to end when they are told to
_MAX_ENDS = 3  # so often, and a worker is not started again


class Job(Protocol):
    """What a worker does; it travels to the nodes."""

    def run(self, seat: str) -> int:
        """Train cells until the search ends; returns an exit code."""

    def stop(self) -> None:
        """End it."""

    def process(self) -> int | None:
        """Return the process that trains, None before there is one."""


class Worker:
    """An actor."""

    _job: Job | None = None

    def run(self, seat: str, job: Job) -> int:
        """Train cells until the search ends; returns an exit code."""
        self._job = job
        return job.run(seat)

    def stop(self) -> None:
        """End the worker."""
        if self._job is not None:
            self._job.stop()

    def place(self) -> tuple[str, str]:
        """Return the node that this actor is on, and the beginning of its process' token."""
        while self._job is None or (process := self._job.process()) is None:
            time.sleep(0.1)
        machine = machine_of(Me.of_this_process().process)
        return str(_ray().get_runtime_context().get_node_id()), f"{machine}:{process}:"


class Room(NamedTuple):
    """What each worker takes of a cluster.

    Attributes:
        cores: Cores.
        gpus: GPUs.
    """

    cores: int
    gpus: int

    @classmethod
    def of(cls, device: str | None, threads: int | None) -> Room:
        """Return what a worker takes that trains with these, on the connected cluster."""
        gpus = str(device or "").startswith("cuda") or (
            device is None and _ray().cluster_resources().get("GPU", 0) >= 1
        )
        return cls(max(threads or 1, 1), int(gpus))

    def workers(self) -> int:
        """Return how many workers the cluster has room for, now."""
        found = _ray().cluster_resources()
        by_cores = found.get("CPU", 0) // self.cores
        return int(min(by_cores, found.get("GPU", 0) // self.gpus) if self.gpus else by_cores)

    def check(self, workers: int | None) -> None:
        """Raise ValueError if the cluster has no room for so many, or for one if None."""
        found = _ray().cluster_resources()
        for what, name, each in (("GPUs", "GPU", self.gpus), ("cores", "CPU", self.cores)):
            wanted = (workers or 1) * each
            if wanted > found.get(name, 0):
                raise ValueError(
                    f"{workers or 1} workers need {wanted} {what}, but the cluster has "
                    f"{found.get(name, 0):g}. Use fewer workers, or more nodes."
                )


def connect(address: str | None) -> None:
    """Connect to a cluster.

    Args:
        address: ``HOST:PORT`` or ``ray://HOST:PORT``; ``"auto"`` is the cluster of this machine,
            ``"local"`` a new one of it alone, None the former if there is one, or else the latter.

    Raises:
        ValueError: Ray is not installed.
        ConnectionError: No cluster answers.
    """
    try:
        ray = _ray()
    except ImportError:
        raise ValueError("Ray is not installed. Install it: pip install ray.") from None
    host, _, port = (address or "").rpartition("://")[2].partition(":")
    try:
        if port:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=5.0).close()
        ray.init(address=address, logging_level="ERROR", log_to_driver=True)
    except (OSError, RuntimeError, ValueError) as error:
        text = str(error).strip().splitlines()[0]
        raise ConnectionError(f"No Ray cluster answers at {address!r}: {text}") from None


def check_reachable(storage: str | None) -> None:
    """Raise ValueError if workers on other nodes of the cluster cannot reach a storage."""
    nodes = [node for node in _ray().nodes() if node["Alive"]]
    if (storage is None or storage.startswith("sqlite")) and len(nodes) > 1:
        raise ValueError(
            f"`storage` must be one that workers on {len(nodes)} nodes reach, but got "
            f"{storage!r}. Use postgresql://... or a journal on a shared disk."
        )


def everywhere(source: Any) -> Any:
    """Return data that are named by a path as other processes find them: from the root on."""
    if isinstance(source, (str, Path)) and Path(source).exists():
        return str(Path(source).resolve())
    return source


def disconnect() -> None:
    """Leave the cluster; what is still at work ends."""
    _ray().shutdown()


@dataclass
class _Crew:
    """The workers that have been started."""

    study: optuna.Study
    job: Any  # a reference to it: it travels once
    room: Room
    actors: dict[str, Any] = field(default_factory=dict)
    runs: dict[Any, str] = field(default_factory=dict)
    asked: dict[Any, str] = field(default_factory=dict)  # where they are
    places: dict[str, tuple[str, str]] = field(default_factory=dict)  # node, token
    codes: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    def add(self) -> None:
        seat = f"ray-{len(self.actors)}"
        make = _ray().remote(Worker).options(
            num_cpus=self.room.cores,
            num_gpus=self.room.gpus,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=3,
        )  # fmt: skip
        self.actors[seat] = make.remote()
        self._start(seat)
        self._ask(seat)

    def _start(self, seat: str) -> None:
        self.runs[self.actors[seat].run.remote(seat, self.job)] = seat

    def _ask(self, seat: str) -> None:
        self.asked[self.actors[seat].place.remote()] = seat

    def look(self, hopeless: Sequence[int], say: Callable[[str], None]) -> None:
        """Take note of who has ended, and of the dead nodes; start again those that crashed."""
        ray = _ray()
        for task in ray.wait([*self.runs, *self.asked], timeout=_POLL)[0]:
            if task in self.asked:
                self.places[self.asked.pop(task)] = ray.get(task)
                continue
            seat = self.runs.pop(task)
            code = ray.get(task)
            self.ends[seat] = self.ends.get(seat, 0) + 1
            if code == 0 or code in hopeless or self.ends[seat] >= _MAX_ENDS:
                self.codes[seat] = code
            else:
                say(f"Worker {seat} ended with exit code {code}; it is started again.")
                self._start(seat)
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for seat in [seat for seat, (node, _) in self.places.items() if node not in alive]:
            _, token = self.places.pop(seat)
            say(f"The node of worker {seat} is gone; Ray starts it on another.")
            give_back(self.study, token, f"{DEAD}: its node is gone")
            self._ask(seat)

    def stop(self) -> None:
        ray = _ray()
        for actor in self.actors.values():
            actor.stop.remote()
        late = ray.wait([*self.runs], num_returns=len(self.runs), timeout=_GRACE)[1]
        for seat in [self.runs[task] for task in late]:
            ray.kill(self.actors[seat])
            if seat in self.places:
                reason = f"{INTERRUPTED}: the search was interrupted"
                give_back(self.study, self.places[seat][1], reason)


def keep(
    study: optuna.Study,
    job: Job,
    room: Room,
    workers: int | None,
    *,
    interrupted: Callable[[], object] = lambda: False,
    hopeless: Sequence[int] = (),
    say: Callable[[str], None] = print,
    on_poll: Callable[[], None] = lambda: None,
) -> list[int] | None:
    """Start workers on the connected cluster and keep them at work until the search ends.

    Args:
        study: The study.
        job: What each worker does.
        room: What each takes of the cluster.
        workers: How many. None: as many as there is room for, more when nodes join.
        interrupted: Tells whether the user wants them to end.
        hopeless: Exit codes after which no worker is started again.
        say: Tells the user what happens, a line each.
        on_poll: Called about twice a second.

    Returns:
        The workers' exit codes; None if the user ended them.
    """
    crew = _Crew(study, _ray().put(job), room)
    for _ in range(workers or room.workers()):
        crew.add()
    try:
        while crew.runs:
            if interrupted():
                say("Ending the workers. The same command goes on where they were.")
                crew.stop()
                return None
            crew.look(hopeless, say)
            on_poll()
            more = 0 if workers or crew.codes else room.workers() - len(crew.actors)
            for _ in range(more):
                say("There is room for one more worker.")
                crew.add()
    except KeyboardInterrupt:
        crew.stop()
        raise
    return list(crew.codes.values())


def give_back(study: optuna.Study, token: str, reason: str) -> None:
    """Fail the running trials of a worker that is gone: their cells are free at once.

    Args:
        study: The study.
        token: The beginning of the process' token: machine and number.
        reason: Why.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        process = process_of(trial)
        if process is not None and process.startswith(token):
            key = internals.trial_key(trial)
            internals.write_trial(study, key, REASON, reason)
            internals.finish_trial(study, key, TrialState.FAIL, None)


def _ray() -> Any:
    return import_module("ray")
