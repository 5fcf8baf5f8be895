"""Workers on a Ray cluster: Ray places them, starts them again, and knows which nodes are gone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.launch import collect_signals
from optuna_popnas.cli.progress import SearchBar
from optuna_popnas.cli.storages import storage_file
from optuna_popnas.cli.work import GAVE_UP
from optuna_popnas.sampler.facts import DEAD


if TYPE_CHECKING:
    import optuna

_POLL = 0.5  # seconds
_GRACE = 30.0  # seconds that workers have to end after Ctrl-C
_MAX_ENDS = 3  # so often in a row, and a worker is not started again


class Worker:
    """An actor: runs one worker's process, which ends when the actor does."""

    def __init__(self, seat: str, settings: str) -> None:
        self._seat = seat
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Train cells until the search ends; returns the exit code."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "settings.toml"
            file.write_text(self._settings, encoding="utf-8")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "optuna_popnas", "search", str(file), "--as-worker"],
                stdin=subprocess.PIPE,
                env={**os.environ, "POPNAS_WORKER": self._seat, "POPNAS_KEEPER": str(os.getpid())},
            )
            with self._process:
                return self._process.wait()

    def stop(self) -> None:
        """End the worker as Ctrl-C does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def place(self) -> tuple[str, str]:
        """Return the node that this actor is on, and the beginning of its process' token."""
        from optuna_popnas.sampler.liveness import machine_of
        from optuna_popnas.sampler.liveness import Me

        while self._process is None:
            time.sleep(0.1)
        ray: Any = import_module("ray")
        machine = machine_of(Me.of_this_process().process)
        return str(ray.get_runtime_context().get_node_id()), f"{machine}:{self._process.pid}:"


def connect(address: str, settings: SearchSettings, workers: int, gpus: int) -> None:
    """Connect to a cluster, or start one on this machine if the address is ``"local"``.

    Raises:
        ConfigError: Ray is not installed, the cluster has less than is asked for, or its nodes
            cannot reach the storage.
        ConnectionError: No cluster answers.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise ConfigError(
            "`--ray` needs a package that is not installed: pip install ray"
        ) from None
    host, _, port = address.rpartition("://")[2].partition(":")
    try:
        if port:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=5.0).close()
        ray.init(address=address, logging_level="ERROR", log_to_driver=True)
    except (OSError, RuntimeError, ValueError) as error:
        text = str(error).strip().splitlines()[0]
        raise ConnectionError(f"No Ray cluster answers at {address!r}: {text}") from None
    found = ray.cluster_resources()
    for what, name, wanted in (("GPUs", "GPU", workers * gpus), ("cores", "CPU", workers)):
        if wanted > found.get(name, 0):
            raise ConfigError(
                f"{workers} workers need {wanted} {what}, but the cluster has "
                f"{found.get(name, 0):g}. Use fewer --workers, or more nodes."
            )
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if settings.storage.startswith("sqlite") and len(nodes) > 1:
        raise ConfigError(
            f"Workers on {len(nodes)} nodes need a storage that all of them reach, but got "
            f"{settings.storage!r}. Use postgresql://... or a journal on a shared disk."
        )


def watch_on_ray(study: optuna.Study, settings: SearchSettings, address: str) -> int:
    """Start workers on a cluster, show progress until they end; returns the exit code."""
    from optuna_popnas.cli.init import settings_text

    workers = settings.study.workers or 1
    gpus = int(str(settings.study.device or "").startswith("cuda"))
    connect(address, settings, workers, gpus)
    ray: Any = import_module("ray")
    values = {name: dict(table) for name, table in settings.values.items()}
    file = storage_file(settings.storage)
    scheme = settings.storage.partition("://")[0]
    where = settings.storage if file is None else f"{scheme}:///{file.resolve()}"
    values["study"] |= {"storage": where, "name": settings.study_name}
    text = settings_text(values)
    make: Any = ray.remote(Worker).options(
        num_cpus=1, num_gpus=gpus, max_restarts=-1, max_task_retries=-1, max_concurrency=3
    )
    actors = {f"ray-{index}": make.remote(f"ray-{index}", text) for index in range(workers)}
    bar = SearchBar(study)
    try:
        return _keep(study, actors, bar)
    finally:
        bar.close()
        ray.shutdown()


def _keep(study: optuna.Study, actors: Mapping[str, Any], bar: SearchBar) -> int:
    ray: Any = import_module("ray")
    runs = {actor.run.remote(): seat for seat, actor in actors.items()}
    places = {actor.place.remote(): seat for seat, actor in actors.items()}
    nodes: dict[str, tuple[str, str]] = {}
    codes: dict[str, int] = {}
    ends = dict.fromkeys(actors, 0)
    with collect_signals() as received:
        while runs and not received:
            done, _ = ray.wait([*runs, *places], timeout=_POLL)
            for task in done:
                if task in places:
                    seat = places.pop(task)
                    nodes[seat] = ray.get(task)
                    continue
                seat = runs.pop(task)
                code = ray.get(task)
                ends[seat] += 1
                if code in (0, 2, GAVE_UP) or ends[seat] >= _MAX_ENDS:
                    codes[seat] = code
                else:
                    bar.write(f"Worker {seat} ended with exit code {code}; it is started again.")
                    runs[actors[seat].run.remote()] = seat
            alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
            for seat in [seat for seat, (node, _) in nodes.items() if node not in alive]:
                _, token = nodes.pop(seat)
                bar.write(f"The node of worker {seat} is gone; Ray starts it on another.")
                give_back(study, token)
                places[actors[seat].place.remote()] = seat
            bar.update()
        if received:
            bar.write("Ending the workers. The same command goes on where they were.")
            for actor in actors.values():
                actor.stop.remote()
            ray.wait([*runs], num_returns=len(runs), timeout=_GRACE)
            return 130
    return 2 if 2 in codes.values() else int(any(codes.values()))


def give_back(study: optuna.Study, token: str) -> None:
    """Fail the running trials of a worker whose node is gone: their cells are free at once.

    Args:
        study: The study.
        token: The beginning of the process' token: machine and number.
    """
    from optuna.trial import TrialState

    from optuna_popnas.sampler import optuna_internals as internals
    from optuna_popnas.sampler.facts import REASON
    from optuna_popnas.sampler.liveness import process_of

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        process = process_of(trial)
        if process is not None and process.startswith(token):
            key = internals.trial_key(trial)
            internals.write_trial(study, key, REASON, f"{DEAD}: its node is gone")
            internals.finish_trial(study, key, TrialState.FAIL, None)
