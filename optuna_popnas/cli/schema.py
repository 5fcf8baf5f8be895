"""What can be set: every section of the configuration and its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from optuna_popnas.cli.options import add_options
from optuna_popnas.cli.options import Option
from optuna_popnas.cli.options import options_of
from optuna_popnas.cli.storages import DEFAULT_STORAGE
from optuna_popnas.space import SearchSpace


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
#: What limits and further objectives can be of. The first follow from the cell alone.
COMPUTED_COSTS = ("parameters", "flops")
MEASURED_COSTS = ("latency", "peak_memory")
LSTM_SIZES = ("embedding", "filters", "units")


@dataclass(frozen=True)
class StudySettings:
    """Where the search is kept and who works on it.

    Args:
        storage: URL of the storage: ``sqlite:///FILE``, ``postgresql://...``, ``mysql://...``,
            ``journal:///FILE`` or ``grpc://HOST:PORT``.
        name: Name of the study; that of the data if left out.
        workers: Processes on this machine; one per visible GPU, or 1, if left out.
        device: Device of the trainings, such as ``cpu``, ``cuda`` or ``cuda:1``; the fastest one
            if left out.
        seed: Seed of the search, of the split of the data and of the trainings.
        dashboard: Whether optuna-dashboard gets note and figures, once a level.
        artifacts: Folder for drawings and learning curves of front cells, for
            ``optuna-dashboard --artifact-dir``; none are written if left out.
        normalize_seconds: Convert the seconds of each worker to the device of the first trial, by
            timing two small cells; for machines that are not alike.
        timeout: Seconds after which no new training is begun; the same command goes on later.
    """

    storage: str = DEFAULT_STORAGE
    name: str | None = None
    workers: int | None = None
    device: str | None = None
    seed: int = 0
    dashboard: bool = True
    artifacts: str | None = None
    timeout: float | None = None
    normalize_seconds: bool = False

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
        embedding: Numbers per input or operator (``embedding_dim``).
        filters: Filters of the two convolutions.
        units: Units of the LSTM, per direction (``cells``).
    """

    models: int = 5
    epochs: int = 30
    batch_size: int = 8
    learning_rate: float = 4e-3
    l2: float = 1e-5
    embedding: int = 10
    filters: int = 16
    units: int = 48


def sections() -> dict[str, tuple[Option, ...]]:
    """Return all options by section."""
    if not _SECTIONS:
        from optuna_popnas.networks import NetworkConfig
        from optuna_popnas.predictors import CatBoostTimePredictor
        from optuna_popnas.sampler import POPNASSampler
        from optuna_popnas.training import TrainingConfig

        source = Option("data", "source", str, "digits", "Name of a data set, folder or npz file.")
        extra = (
            Option(
                "search",
                "time_probe",
                bool,
                False,
                "Train cells for a moment to learn their seconds, before they are chosen.",
            ),
            *(
                Option(
                    "search",
                    f"{name}_predictor",
                    str | None,
                    None,
                    f"One of {', '.join(known)}; that of the mode if left out.",
                )
                for name, known in (("accuracy", ACCURACY_PREDICTORS), ("time", TIME_PREDICTORS))
            ),
        )
        objects = ("accuracy_predictor", "time_predictor", "time_probe", "cost", "space", "seed")
        known = ("independent_sampler", "total_cells")  # one of ours, and that of the network
        _SECTIONS.update(
            {
                "study": options_of("study", StudySettings),
                "data": (source, *options_of("data", _load_dataset(), skip=("seed",))),
                "space": options_of("space", SearchSpace),
                "search": (
                    *options_of("search", POPNASSampler, skip=(*objects, *known)),
                    *extra,
                ),
                "network": options_of("network", NetworkConfig),
                "training": options_of("training", TrainingConfig),
                "lstm": options_of("lstm", LSTMSettings),
                "catboost": options_of(
                    "catboost", CatBoostTimePredictor, skip=("space", "seed", "total_cells")
                ),
            }
        )
    return _SECTIONS


_SECTIONS: dict[str, tuple[Option, ...]] = {}


def _load_dataset() -> Callable[..., Any]:
    from optuna_popnas.training import load_dataset

    return load_dataset


def add_section_options(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add the flags of some sections."""
    add_options(
        parser,
        [option for name in names for option in sections()[name]],
        dotted=("lstm", "catboost"),
        aliases={"study.name": "--study", "data.source": "--data"},
    )
