"""What can be set: the sections of the settings file and the flags, and where they come from."""

from __future__ import annotations

from argparse import Action
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
import inspect
from typing import Any

from jsonargparse import ArgumentParser

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import make_parser
from optuna_popnas.cli.flags import wrong_value


#: Names of predictors on the command line -> classes of :mod:`optuna_popnas.predictors`.
ACCURACY_PREDICTORS = {
    "gp": "GaussianProcessAccuracyPredictor",
    "lstm": "LSTMAccuracyPredictor",
}
TIME_PREDICTORS = {
    "additive": "AdditiveTimePredictor",
    "catboost": "CatBoostTimePredictor",
    "nnls": "NNLSTimePredictor",
    "ridge": "RidgeTimePredictor",
    "xgboost": "XGBoostTimePredictor",
}
LSTM_SIZES = ("embedding", "filters", "units")


@dataclass(frozen=True)
class StudySettings:
    """Where the search is kept and who works on it.

    Args:
        storage: ``sqlite:///FILE``, ``postgresql://...``, ``mysql://...``, ``journal:///FILE``,
            ``grpc://HOST:PORT``; if left out, that of ``$POPNAS_STORAGE`` or sqlite:///popnas.db.
        name: Name of the study; that of the data if left out.
        workers: Processes here; one per visible GPU, or per core, if left out.
        device: Device of the trainings, such as ``cpu``, ``cuda`` or ``cuda:1``; the fastest one
            if left out.
        seed: Seed of the search, of the split of the data and of the trainings.
        dashboard: Whether optuna-dashboard gets note and figures, once a level.
        artifacts: Folder for drawings and learning curves of all trials, for
            ``optuna-dashboard --artifact-dir``; none for none. It is made where optuna-dashboard
            is installed.
        normalize_seconds: Convert the seconds of each worker to the device of the first trial, by
            timing two small cells; for machines that are not alike.
        timeout: Seconds after which no new training is begun; the same command goes on later.
        keep_models: Folder for the weights of the most accurate network of each number of blocks.
        stop_early: End trainings whose learning curve promises nothing; as the mode has it if left
            out.
    """

    storage: str | None = None
    name: str | None = None
    workers: int | None = None
    device: str | None = None
    seed: int = 0
    dashboard: bool = True
    artifacts: str | None = "artifacts"
    timeout: float | None = None
    normalize_seconds: bool = False
    keep_models: str | None = None
    stop_early: bool | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"`workers` must be at least 1, but got {self.workers}.")


@dataclass(frozen=True)
class LSTMSettings:
    """The thesis' accuracy predictor, "RNN hyperparameters" of appendix B.

    Args:
        models: Networks of the ensemble; each leaves out another share of the data.
        epochs: Passes over the data.
        batch_size: Cells per step.
        learning_rate: Learning rate of Adam (``lr``).
        l2: Factor of the squared weights of LSTM and head in the loss (``wr``).
        embedding_l2: The same of the embeddings (``er``).
        embedding: Numbers per input or operator (``embedding_dim``).
        filters: Filters of the two convolutions.
        units: Units of the LSTM, per direction (``cells``).
    """

    models: int = 5
    epochs: int = 30
    batch_size: int = 8
    learning_rate: float = 4e-3
    l2: float = 1e-5
    embedding_l2: float = 0.0
    embedding: int = 10
    filters: int = 16
    units: int = 48


def _choose_predictors(
    *,
    time_probe: bool = False,
    accuracy_predictor: str | None = None,
    time_predictor: str | None = None,
) -> None:
    """Stand for the objects that the sampler takes.

    Args:
        time_probe: Train cells for a moment to learn their seconds, before they are chosen.
        accuracy_predictor: gp or lstm; that of the mode if left out.
        time_predictor: additive, catboost, nnls, ridge or xgboost; that of the mode if left out.
    """


def _choose_data(*, source: str = "digits") -> None:
    """Stand for what names the data.

    Args:
        source: Name of a data set, folder or npz file.
    """


# Section -> its name in appendix B and what it configures; each keyword is a setting.
_SECTIONS: dict[str, tuple[str, Sequence[str]]] = {
    "study": ("Where it is kept and who works on it", ("cli.schema:StudySettings",)),
    "data": ("Dataset", ("cli.schema:_choose_data", "training:load_dataset")),
    "space": ("Search space", ("space:SearchSpace",)),
    "search": ("The search", ("sampler:POPNASSampler", "cli.schema:_choose_predictors")),
    "network": ("CNN architecture and hyperparameters", ("networks:NetworkConfig",)),
    "training": ("CNN hyperparameters", ("training:TrainingConfig",)),
    "machine": ("What this machine trains with", ("training:MachineConfig",)),
    "lstm": (
        "RNN hyperparameters: the thesis' accuracy predictor",
        ("cli.schema:LSTMSettings",),
    ),
    "catboost": ("The thesis' time predictor", ("predictors:CatBoostTimePredictor",)),
}
ALL_SECTIONS = tuple(_SECTIONS)
# Objects that no text stands for, and what is known from elsewhere.
_NO_SETTINGS = {
    "data": {"source", "seed", "test"},
    "search": {
        "space", "accuracy_predictor", "time_predictor", "time_probe", "cost", "seed",
        "independent_sampler", "total_cells",
    },
    "catboost": {"space", "seed", "total_cells"},
}  # fmt: skip


def section_title(section: str) -> str:
    """Return what a section is about, as the thesis' appendix B calls it."""
    return _SECTIONS[section][0]


def _targets(section: str) -> list[Callable[..., Any]]:
    found = []
    for place in _SECTIONS[section][1]:
        module, _, name = place.partition(":")
        found.append(getattr(import_module(f"optuna_popnas.{module}"), name))
    return found


def add_sections(parser: ArgumentParser, names: Sequence[str]) -> None:
    """Add the flags of some sections."""
    for section in names:
        group = parser.add_argument_group(f"[{section}] {_SECTIONS[section][0]}")
        for target in _targets(section):
            skip: set[str | int] = set()
            if target.__module__ != __name__:
                skip = {*_NO_SETTINGS.get(section, ())} & {*inspect.signature(target).parameters}
            if inspect.isclass(target):
                group.add_class_arguments(
                    target, section, as_group=False, skip=skip, instantiate=False
                )
            else:
                group.add_function_arguments(target, section, as_group=False, skip=skip)


@cache
def settings() -> dict[str, dict[str, Action]]:
    """Return section -> name -> its flag, of all settings."""
    found: dict[str, dict[str, Action]] = {section: {} for section in _SECTIONS}
    for action in _parser()._actions:
        section, _, name = action.dest.partition(".")
        if name:
            found[section][name] = action
    return found


def check_value(section: str, name: str, value: Any) -> Any:
    """Return a value of a TOML file as the setting's type.

    Raises:
        ConfigError: It is of another type.
    """
    action = settings()[section][name]
    if isinstance(value, str) and value == "none":
        value = None
    try:
        checked = _parser().parse_object({section: {name: value}}, defaults=False)
    except ArgumentError:
        raise ConfigError(wrong_value(action, value)) from None
    return checked.as_dict()[section][name]


@cache
def _parser() -> ArgumentParser:
    parser = make_parser("settings")
    add_sections(parser, list(_SECTIONS))
    return parser
