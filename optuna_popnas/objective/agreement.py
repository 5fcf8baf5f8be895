"""What an objective and the study that it is handed must agree on."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import BaseTrial

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.training.data.image_data import difference
from optuna_popnas.training.data.image_data import ImageData


def mode_of(trial: Any) -> str | None:
    """Return the mode of the trial's sampler, None if it is another one's."""
    sampler = getattr(getattr(trial, "study", None), "sampler", None)
    mode = getattr(sampler, "settings", {}).get("mode")
    return None if mode is None else str(mode)


def check_network(trial: BaseTrial, network: NetworkConfig) -> None:
    """Raise ValueError if the mode of the trial's sampler needs another network."""
    if mode_of(trial) == "popnas-v1" and network.join != "concat":
        raise ValueError(
            "`network` must have the join 'concat' in mode 'popnas-v1' (Sec. 3.4.1), but got "
            f"{network.join!r}. Pass NetworkConfig(join='concat')."
        )


def check_data(study: optuna.Study, data: ImageData, *, begins: bool = False) -> None:
    """Keep on a study what its images are, or raise ValueError if it was begun with others."""
    stored = study.user_attrs.get("data")
    if stored is None or begins:
        study.set_user_attr("data", data.fingerprint)
        return
    said = difference(stored, data)
    if said is not None:
        raise ValueError(
            f"`data` must be the images with which the study {study.study_name!r} was begun, but "
            f"they have changed: it {said}. Use the same images, or another study."
        )
