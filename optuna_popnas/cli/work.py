"""One worker of ``optuna-popnas search``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
import logging
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING
import warnings

from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError


if TYPE_CHECKING:
    import optuna
    from optuna.artifacts import FileSystemArtifactStore

    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.objective import TrainingObjective
    from optuna_popnas.sampler import POPNASSampler
    from optuna_popnas.search.models import CostFunction
    from optuna_popnas.space import CellBatch
    from optuna_popnas.training import ImageData

#: Exit code of a worker all of whose trainings failed: it must not be started again.
GAVE_UP = 70
# So many failures in a row are no bad luck: go on no further.
_MOST_FAILURES = 8


class TooManyFailures(RuntimeError):
    """Every training of this worker fails."""


def work(study: optuna.Study, settings: SearchSettings) -> int:
    """Train cells until the search ends; returns the exit code.

    Raises:
        ConfigError: The data or the settings cannot be used.
        TooManyFailures: One training after the other fails.
    """
    import optuna

    from optuna_popnas.objective.agreement import check_data
    from optuna_popnas.sampler import optimize_steadily
    from optuna_popnas.sampler.optuna_internals import FAILURE_LOGGERS
    from optuna_popnas.training.data.source import DataWarning

    for name in FAILURE_LOGGERS:
        logging.getLogger(name).addFilter(_quiet_ends)
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # who started the workers was told
    warnings.simplefilter("ignore", DataWarning)  # likewise
    data, objective = prepare(settings)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        check_data(study, data, begins=not study.trials)
    except ValueError as error:
        raise ConfigError(f"[data] {error}") from error
    study.sampler = make_sampler(settings, data, objective)
    callbacks: list[Any] = [StopAfterFailures()]
    trained: Callable[[optuna.Trial], Any] = objective
    if settings.study.dashboard and find_spec("optuna_dashboard") is not None:
        from optuna_popnas.visualization import DashboardCallback
        from optuna_popnas.visualization import with_pictures

        callbacks.append(DashboardCallback())
        store = artifact_store(settings)
        if store is not None:
            trained = with_pictures(objective, store)
    optimize_steadily(
        study, trained, callbacks=callbacks, catch=(Exception,), timeout=settings.study.timeout
    )
    return 0


def prepare(settings: SearchSettings) -> tuple[ImageData, TrainingObjective]:
    """Load the data and make what trains the cells, as a worker does.

    Raises:
        ConfigError: Data or settings cannot be used.
    """
    data = load_data(settings)
    objective = make_objective(settings, data)
    make_sampler(settings, data, objective)
    return data, objective


def make_sampler(
    settings: SearchSettings, data: ImageData, objective: TrainingObjective
) -> POPNASSampler:
    """Return what chooses the cells.

    Raises:
        ConfigError: A setting is out of range.
    """
    return settings.make_sampler(
        time_probe=objective.probe, cost=cost_function(objective.network, data)
    )


def _quiet_ends(record: logging.LogRecord) -> bool:
    """Leave out what Optuna says of Ctrl-C, a traceback, and what it says of a failure twice."""
    error = record.exc_info[1] if record.exc_info else None
    return (
        not isinstance(error, KeyboardInterrupt) and "with value None" not in record.getMessage()
    )


def load_data(settings: SearchSettings) -> ImageData:
    """Load the data of the settings; what is to be known of them is printed.

    Raises:
        ConfigError: They cannot be used.
    """
    from optuna_popnas.training import load_dataset

    values = settings.table("data")
    source = values.pop("source", "digits")
    try:
        with warnings.catch_warnings(record=True) as notes:
            data = load_dataset(source, seed=settings.study.seed, **values)
        print(*(f"{note.message}\n" for note in notes), sep="", end="", file=sys.stderr)
        return data
    except (ValueError, FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"[data] {error}") from error
    except OSError as error:  # a disk or a network drive, which may be there again soon
        raise OSError(f"[data] {error}") from error


def make_objective(settings: SearchSettings, data: ImageData) -> TrainingObjective:
    """Return what trains the cells.

    Raises:
        ConfigError: Network and data do not fit each other, or there is no such device.
    """
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.objective import TrainingObjective
    from optuna_popnas.space import SearchSpace
    from optuna_popnas.training import MachineConfig
    from optuna_popnas.training import TrainingConfig

    search = settings.values["search"]
    try:
        return TrainingObjective(
            settings.build("space", SearchSpace),
            data,
            network=settings.build("network", NetworkConfig),
            training=settings.build("training", TrainingConfig),
            machine=settings.build("machine", MachineConfig),
            device=settings.study.device,
            seed=settings.study.seed,
            objectives=("accuracy", "seconds", *search.get("objectives", ())),
            limits=search.get("limits"),
            normalize_seconds=settings.study.normalize_seconds,
            stop_early=settings.study.stop_early,
            keep_models=settings.study.keep_models,
        )
    except (ValueError, RuntimeError) as error:
        raise ConfigError(str(error)) from error


def cost_function(network: NetworkConfig, data: ImageData) -> CostFunction:
    """Return what computes the parameters and FLOPs of many cells."""
    from optuna_popnas.networks import cell_costs

    def cost(cells: CellBatch) -> Mapping[str, Any]:
        return cell_costs(
            cells,
            network,
            in_channels=data.in_channels,
            classes=data.classes,
            image_size=data.image_size,
        )._asdict()

    return cost


def refresh_dashboard(study: optuna.Study) -> None:
    """Refresh the dashboard after the workers have ended, however they ended."""
    if find_spec("optuna_dashboard") is None:
        return
    from optuna_popnas.sampler import try_steadily
    from optuna_popnas.visualization import update_dashboard

    try:
        try_steadily(lambda: update_dashboard(study), patience=30.0)
    except Exception as error:  # a page to look at must never fail a search
        logging.getLogger(f"optuna.{__name__}").warning(
            f"The dashboard is not up to date: {error}"
        )


def artifact_store(settings: SearchSettings) -> FileSystemArtifactStore | None:
    """Return the store of the folder for pictures, which is made; None if there are none.

    Raises:
        ConfigError: It cannot be made.
    """
    from optuna.artifacts import FileSystemArtifactStore

    folder = settings.study.artifacts
    if folder is None or not settings.study.dashboard or find_spec("optuna_dashboard") is None:
        return None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"`study.artifacts` must be a folder that can be made, but got {folder!r}: "
            f"{error.strerror}. Name another one, or none."
        ) from error
    return FileSystemArtifactStore(folder)


class StopAfterFailures:
    """Ends a worker all of whose trainings fail; one success resets the count."""

    def __init__(self, most: int = _MOST_FAILURES) -> None:
        self._most = most
        self._count = 0

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Count; raises TooManyFailures."""
        if trial.state.name == "COMPLETE":
            self._count = 0
        elif trial.state.name == "FAIL":
            self._count += 1
        if self._count >= self._most:
            raise TooManyFailures(
                f"{self._count} trainings failed one after the other, the last one as trial "
                f"{trial.number}. The log above has the reason; nothing is lost."
            )


def stored_objective(study: optuna.Study, device: str | None = None) -> TrainingObjective:
    """Return what trained the cells of a study, from the settings that are stored with it.

    Raises:
        ConfigError: The study does not have them, or they cannot be used here.
    """
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.objective import TrainingObjective
    from optuna_popnas.study import view_study
    from optuna_popnas.training import TrainingConfig

    stored = study.user_attrs.get("settings")
    if not isinstance(stored, dict) or "data" not in stored:
        raise ConfigError(
            f"The study {study.study_name!r} does not say how its cells were trained: an "
            "objective of your own did. Use optuna_popnas.objective.confirm(study, objective)."
        )
    seed = int(stored.get("seed", 0))
    settings = SearchSettings({"data": stored["data"], "study": {"seed": seed}}, source="study")
    try:
        return TrainingObjective(
            view_study(study).space,
            load_data(settings),
            network=NetworkConfig.from_dict(stored.get("network", {})),
            training=TrainingConfig.from_dict(stored.get("training", {})),
            device=device,
            seed=seed,
        )
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(str(error)) from error
