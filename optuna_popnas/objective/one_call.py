"""A search in one call: data and hours in, a study out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import time
from typing import Any

import optuna

from optuna_popnas.objective.proxies import affordable_proxy
from optuna_popnas.objective.proxies import Proxy
from optuna_popnas.objective.proxies import TRAINING_SHARE
from optuna_popnas.objective.proxies import validation_part
from optuna_popnas.objective.training_objective import TrainingObjective
from optuna_popnas.sampler import POPNASSampler
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space import SearchSpace
from optuna_popnas.study import view_study
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset


_logger = optuna.logging.get_logger(f"optuna.{__name__}")
_PICKED = "proxy"  # what was chosen for the time


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
        n_jobs: Cells that are trained at a time, in threads.
        seed: Seed of search, split and trainings.
        progress: Show a bar, in terminals and notebooks.
        options: Further arguments of :class:`~optuna_popnas.TrainingObjective`, such as
            ``keep_models``.

    Returns:
        The study: see :func:`optuna_popnas.select`, :func:`~optuna_popnas.retrain` and
        :func:`~optuna_popnas.report`.

    Raises:
        ValueError: ``hours`` is not positive, or the data cannot be used.

    Example:
        >>> study = optuna_popnas.search("photos/", hours=2)  # doctest: +SKIP
        >>> model = optuna_popnas.retrain(study, hours=1)  # doctest: +SKIP
    """
    begin = time.monotonic()
    if not hours > 0:
        raise ValueError(f"`hours` must be greater than 0, but got {hours!r}.")
    space = SearchSpace(operators, max_blocks=max_blocks)
    seconds = TRAINING_SHARE * 3600 * hours * n_jobs
    images = data if isinstance(data, ImageData) else load_dataset(data, seed=seed)
    part = images.validation_fraction if images is data else validation_part(images)
    source = str(data) if isinstance(data, (str, Path)) else None

    def make(proxy: Proxy) -> TrainingObjective:
        found = images
        if found is not data and max(images.image_size) > proxy.side:
            found = load_dataset(data, seed=seed, image_size=proxy.side)
        found = replace(found, validation_fraction=part)
        return TrainingObjective(
            space,
            found,
            network=proxy.network,
            training=TrainingConfig(epochs=proxy.epochs),
            machine=machine,
            device=device,
            seed=seed,
            **options,
        )

    study = optuna.create_study(
        study_name=name or images.name,
        storage=storage,
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    picked = study.user_attrs.get(_PICKED)
    if picked is None:
        proxy, cost, objective = affordable_proxy(make, seconds)
        _logger.info(
            f"For {hours:g} hours chosen: {proxy.describe()}; {part:.0%} of the images validate. "
            f"A training then takes about {cost:.3g} s, and some {seconds / cost:,.0f} fit in."
        )
        study.set_user_attr(_PICKED, list(proxy))
        study.set_user_attr("settings", _settings(objective, source, images, seed))
    else:
        objective = make(Proxy(*picked))
        view = view_study(study)
        known = float(view.settings.get("budget_seconds", seconds))
        seconds = max(known, seconds) if view.done else known
    study.sampler = POPNASSampler(
        space, mode="adaptive", budget_seconds=seconds, time_probe=objective.probe, seed=seed
    )
    left = max(begin + 3600 * hours - time.monotonic(), 0.0)
    study.optimize(objective, timeout=left, n_jobs=n_jobs, show_progress_bar=progress)
    return study


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
