"""``optuna-popnas search --ray``: the workers' processes are kept by actors of a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.launch import collect_signals
from optuna_popnas.cli.progress import SearchBar
from optuna_popnas.cli.storages import storage_file
from optuna_popnas.cli.work import GAVE_UP


if TYPE_CHECKING:
    import optuna

    from optuna_popnas.objective.ray_workers import Room


@dataclass
class Command:
    """Runs the command as a worker, in a process that ends when the actor does.

    Attributes:
        settings: The search's settings, TOML.
    """

    settings: str
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def run(self, seat: str) -> int:
        """Train cells until the search ends; returns the exit code."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "settings.toml"
            file.write_text(self.settings, encoding="utf-8")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "optuna_popnas", "search", str(file), "--as-worker"],
                stdin=subprocess.PIPE,
                env={**os.environ, "POPNAS_WORKER": seat, "POPNAS_KEEPER": str(os.getpid())},
            )
            with self._process:
                return self._process.wait()

    def stop(self) -> None:
        """End the worker as Ctrl-C does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def process(self) -> int | None:
        """Return the worker's process."""
        return None if self._process is None else self._process.pid


def join_cluster(settings: SearchSettings, address: str | None) -> Room:
    """Connect to a cluster; returns what each worker takes of it.

    Raises:
        ConfigError: Ray is not installed, the cluster has less than is asked for, or its nodes
            cannot reach the storage.
        ConnectionError: No cluster answers.
    """
    from optuna_popnas.objective import ray_workers

    try:
        ray_workers.connect(address)
        room = ray_workers.Room.of(settings.study.device, settings.table("machine").get("threads"))
        room.check(settings.study.workers)
        ray_workers.check_reachable(settings.storage)
    except ValueError as error:
        raise ConfigError(f"`--ray`: {error}") from None
    return room


def watch_on_ray(study: optuna.Study, settings: SearchSettings, room: Room) -> int:
    """Start workers on the connected cluster, show progress until they end.

    Returns:
        The exit code.
    """
    from optuna_popnas.cli.init import settings_text
    from optuna_popnas.objective import ray_workers

    values = {name: dict(table) for name, table in settings.values.items()}
    file = storage_file(settings.storage)
    scheme = settings.storage.partition("://")[0]
    where = settings.storage if file is None else f"{scheme}:///{file.resolve()}"
    values["study"] |= {"storage": where, "name": settings.study_name}
    if "source" in values["data"]:
        values["data"]["source"] = ray_workers.everywhere(values["data"]["source"])
    job = Command(settings_text(values))
    bar = SearchBar(study)
    try:
        with collect_signals() as received:
            codes = ray_workers.keep(
                study,
                job,
                room,
                settings.study.workers,
                interrupted=lambda: received,
                hopeless=(2, GAVE_UP),
                say=bar.write,
                on_poll=bar.update,
            )
    finally:
        bar.close()
        ray_workers.disconnect()
    if codes is None:
        return 130
    return 2 if 2 in codes else int(any(codes))
