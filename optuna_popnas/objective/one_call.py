"""A search in one call: data and hours in, a study out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import partial
import os
from pathlib import Path
import time
import traceback
from typing import Any

import optuna

from optuna_popnas.objective.proxies import affordable_proxy
from optuna_popnas.objective.proxies import Proxy
from optuna_popnas.objective.proxies import TRAINING_SHARE
from optuna_popnas.objective.proxies import validation_part
from optuna_popnas.objective.ray_workers import check_reachable
from optuna_popnas.objective.ray_workers import connect
from optuna_popnas.objective.ray_workers import disconnect
from optuna_popnas.objective.ray_workers import everywhere
from optuna_popnas.objective.ray_workers import keep
from optuna_popnas.objective.ray_workers import Room
from optuna_popnas.objective.training_objective import TrainingObjective
from optuna_popnas.sampler import optimize_steadily
from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler import POPNASSampler
from optuna_popnas.sampler.journal import SoundJournalFile
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space import SearchSpace
from optuna_popnas.study import view_study
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset


_logger = optuna.logging.get_logger(f"optuna.{__name__}")
_PICKED = "proxy"  # what was chosen for the time
_LATE = 600.0  # seconds that a training may take when the time is up


def search(
    data: Any,
    *,
    hours: float,
    operators: Sequence[str] = PAPER_OPERATORS,
    max_blocks: int = 5,
    storage: str | optuna.storages.BaseStorage | None = None,
    name: str | None = None,
    device: str | None = None,
    machine: MachineConfig | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    ray: str | bool = False,
    progress: bool = True,
    **options: Any,
) -> optuna.Study:
    """Search cells on some images, in mode ``"adaptive"``.

    The size of images, networks and trainings is the richest that leaves time for some 150
    trainings, and of few images more than a tenth validates; what was chosen is said. The call
    returns after the hours, or before when nothing more is to be gained. The same call with a
    storage goes on from there; with more hours also where the search had ended.

    Args:
        data: Images, or whatever :func:`optuna_popnas.load_dataset` takes: a folder, a name,
            arrays, a dataset. Those of an ``ImageData`` keep their size.
        hours: Wall time.
        operators: Operators of the cells.
        max_blocks: Blocks of a cell, at most.
        storage: Optuna's storage; in memory if left out.
        name: Name of the study; that of the data if left out.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; CUDA if there is any when left out.
        machine: What cells are trained with; one thread of a CPU if left out.
        n_jobs: Cells that are trained at a time, in threads; on Ray, workers.
        ray: The Ray cluster that the workers are placed on: its address, ``"auto"`` for that of
            this machine, ``"local"`` for a new one of it, True for the first of them that there
            is. Every node must reach ``data``, where that is a folder, and the storage; left out,
            that is a journal file here, if there is one node.
        seed: Seed of search, split and trainings.
        progress: Show a bar, in terminals and notebooks.
        options: Further arguments of :class:`~optuna_popnas.TrainingObjective`, such as
            ``keep_models``.

    Returns:
        The study: see :func:`optuna_popnas.select`, :func:`~optuna_popnas.retrain` and
        :func:`~optuna_popnas.report`.

    Raises:
        ValueError: ``hours`` is not positive, the data cannot be used, the cluster has no room
            for the workers, or its nodes cannot reach the storage.
        ConnectionError: No Ray cluster answers.

    Example:
        >>> study = optuna_popnas.search("photos/", hours=2)  # doctest: +SKIP
        >>> model = optuna_popnas.retrain(study, hours=1)  # doctest: +SKIP
    """
    begin = time.monotonic()
    if not hours > 0:
        raise ValueError(f"`hours` must be greater than 0, but got {hours!r}.")
    images = data if isinstance(data, ImageData) else load_dataset(data, seed=seed)
    name = name or images.name
    room = None
    if ray is not False:
        room, storage = join_cluster(ray, storage, name, n_jobs, device, machine)
    space = SearchSpace(operators, max_blocks=max_blocks)
    seconds = TRAINING_SHARE * 3600 * hours * n_jobs
    part = images.validation_fraction if images is data else validation_part(images)
    task = Task(space, data, seconds, part, machine, device, seed, options)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    picked = study.user_attrs.get(_PICKED)
    if picked is None:
        proxy, cost, objective = affordable_proxy(partial(task.objective, images), seconds)
        _logger.info(
            f"For {hours:g} hours chosen: {proxy.describe()}; {part:.0%} of the images validate. "
            f"A training then takes about {cost:.3g} s, and some {seconds / cost:,.0f} fit in."
        )
        study.set_user_attr(_PICKED, list(proxy))
        source = str(data) if isinstance(data, (str, Path)) else None
        study.set_user_attr("settings", _settings(objective, source, images, seed))
    else:
        proxy = Proxy(*picked)
        objective = task.objective(images, proxy)
        view = view_study(study)
        known = float(view.settings.get("budget_seconds", seconds))
        task = replace(task, seconds=max(known, seconds) if view.done else known)
    study.sampler = task.sampler(objective)
    # However long the choice has taken, something is searched.
    left = max(begin + 3600 * hours - time.monotonic(), 720 * hours)
    if room is None:
        study.optimize(objective, timeout=left, n_jobs=n_jobs, show_progress_bar=progress)
    else:
        assert storage is not None
        task = replace(task, data=everywhere(data))
        optimize_on_ray(study, Job(task, proxy, study.study_name, storage, left), room, n_jobs)
    return study


@dataclass(frozen=True)
class Task:
    """What a search trains.

    Attributes:
        space: The cells.
        data: As :func:`search` got them.
        seconds: Seconds of training that the search may spend.
        part: Share of the images that validate.
        machine: What cells are trained with.
        device: Where.
        seed: Seed of search, split and trainings.
        options: Further arguments of the objective.
    """

    space: SearchSpace
    data: Any
    seconds: float
    part: float
    machine: MachineConfig | None
    device: str | None
    seed: int
    options: Mapping[str, Any]

    def images(self) -> ImageData:
        """Load the images."""
        if isinstance(self.data, ImageData):
            return self.data
        return load_dataset(self.data, seed=self.seed)

    def objective(self, images: ImageData, proxy: Proxy) -> TrainingObjective:
        """Return what trains cells at a size; of images that are too large, smaller ones."""
        if images is not self.data and max(images.image_size) > proxy.side:
            images = load_dataset(self.data, seed=self.seed, image_size=proxy.side)
        return TrainingObjective(
            self.space,
            replace(images, validation_fraction=self.part),
            network=proxy.network,
            training=TrainingConfig(epochs=proxy.epochs),
            machine=self.machine,
            device=self.device,
            seed=self.seed,
            **self.options,
        )

    def sampler(self, objective: TrainingObjective) -> POPNASSampler:
        """Return what chooses the cells."""
        return POPNASSampler(
            self.space,
            mode="adaptive",
            budget_seconds=self.seconds,
            time_probe=objective.probe,
            seed=self.seed,
        )


@dataclass
class Job:
    """A worker of a search on a node of a cluster."""

    task: Task
    proxy: Proxy
    name: str
    storage: str | optuna.storages.BaseStorage
    timeout: float
    _study: optuna.Study | None = field(default=None, init=False)

    def run(self, seat: str) -> int:
        """Train cells until the search ends; returns 0, or 1 after an error, which is printed."""
        os.environ["POPNAS_WORKER"] = seat
        begin = time.monotonic()
        try:
            objective = self.task.objective(self.task.images(), self.proxy)
            sampler = self.task.sampler(objective)
            study = optuna.load_study(study_name=self.name, storage=self.storage, sampler=sampler)
            self._study = study
            left = max(self.timeout - (time.monotonic() - begin), 0.0)
            optimize_steadily(study, objective, timeout=left)
        except Exception:
            traceback.print_exc()
            return 1
        return 0

    def stop(self) -> None:
        """Begin no other training."""
        if self._study is not None:
            internals.request_stop(self._study)

    def process(self) -> int:
        """Return the process that trains: the actor's own."""
        return os.getpid()


def join_cluster(
    address: str | bool,
    storage: str | optuna.storages.BaseStorage | None,
    name: str,
    workers: int,
    device: str | None,
    machine: MachineConfig | None,
) -> tuple[Room, str | optuna.storages.BaseStorage]:
    """Connect to a cluster; return what a worker takes of it, and a storage.

    Raises:
        ValueError: There is no room for the workers, or other nodes cannot reach the storage.
        ConnectionError: No cluster answers.
    """
    if isinstance(storage, optuna.storages.InMemoryStorage):
        raise ValueError(
            "`storage` must be reached by other processes with `ray`, but got one in memory. Pass "
            "a URL, such as postgresql://..., or leave it out."
        )
    connect(None if address is True else str(address))
    try:
        room = Room.of(device, machine.threads if machine else 1)
        room.check(workers)
        if not isinstance(storage, optuna.storages.BaseStorage):
            check_reachable(storage)
        scheme, slashes, path = str(storage).partition(":///")
        if slashes and scheme.startswith("sqlite"):
            storage = f"{scheme}{slashes}{Path(path).resolve()}"
        elif storage is None:
            file = Path(f"{name}.log").resolve()
            _logger.info(f"The study is in the journal file {str(file)!r}.")
            storage = optuna.storages.JournalStorage(SoundJournalFile(str(file)))
        return room, storage
    except ValueError:
        disconnect()
        raise


def optimize_on_ray(study: optuna.Study, job: Job, room: Room, workers: int) -> None:
    """Let the workers of a cluster search until all have ended.

    Raises:
        RuntimeError: None of them ended well.
    """
    end = time.monotonic() + job.timeout + _LATE
    try:
        codes = keep(
            study, job, room, workers, interrupted=lambda: time.monotonic() > end, say=_logger.info
        )
    finally:
        disconnect()
    if codes is not None and all(codes):
        raise RuntimeError("All workers ended with an error, which Ray has printed above.")


def _settings(
    objective: TrainingObjective, source: str | None, native: ImageData, seed: int
) -> dict[str, Any]:
    """Return what the trainings have in common, as the command line stores it."""
    values: dict[str, Any] = {
        "network": objective.network.to_dict(),
        "training": objective.training.to_dict(),
        "seed": seed,
    }
    if source is not None:
        part = objective.data.validation_fraction
        values["data"] = {"source": source, "validation_fraction": part}
        if objective.data.image_size != native.image_size:
            values["data"]["image_size"] = list(objective.data.image_size)
    return values
