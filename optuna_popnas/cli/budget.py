"""Settings for a budget: what a search in so many hours can afford, and why."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.config import merge
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.outlook import worker_count
from optuna_popnas.cli.schema import settings as known_settings
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import storage_file
from optuna_popnas.cli.storages import study_names
from optuna_popnas.cli.studies import PICKED
from optuna_popnas.cli.work import load_data
from optuna_popnas.cli.work import prepare
from optuna_popnas.study.words import duration_words


if TYPE_CHECKING:
    from optuna_popnas.objective.proxies import Proxy


_FEW_OPERATORS = ("identity", "3x3 conv", "3x3 dconv", "5x5 dconv", "2x2 maxpool")


def settings_for(settings: SearchSettings, hours: float) -> tuple[SearchSettings, list[str]]:
    """Return settings for a budget, and in sentences what was chosen and why.

    What was given stays. A study that was begun keeps what was chosen for it.

    Raises:
        ConfigError: ``hours`` is not positive, or the data cannot be used.
    """
    if not hours > 0:
        raise ConfigError(f"`hours` must be greater than 0, but got {hours:g}.")
    stored = stored_picks(settings)
    if stored is not None:
        return _under(settings, stored), []
    # PyTorch is loaded when a budget is given, not before.
    from optuna_popnas.objective.proxies import affordable_proxy
    from optuna_popnas.objective.proxies import TRAINING_SHARE

    seconds = hours * 3600 * worker_count(settings)
    native = max(load_data(settings).image_size)
    proxy, cost, _ = affordable_proxy(
        lambda proxy: prepare(_under(settings, _proxy_values(settings, proxy, native)))[1],
        TRAINING_SHARE * seconds,
    )
    seconds *= TRAINING_SHARE
    trainings = seconds / cost
    picks = _picks(settings, _proxy_values(settings, proxy, native), hours, trainings, seconds)
    words = (
        f"For {duration_words(hours * 3600)} chosen: {proxy.describe()}.",
        f"A training then takes about {cost:.3g} s, and some {trainings:,.0f} fit in.",
    )
    return _under(settings, picks), list(words)


def stored_picks(settings: SearchSettings) -> Values | None:
    """Return what was chosen for a study that was begun; None if there is none."""
    file = storage_file(settings.storage)
    if file is not None and not file.exists():
        return None
    import optuna

    storage = open_storage(settings.storage)
    if settings.study_name not in study_names(storage, settings.storage):
        return None
    study = optuna.load_study(study_name=settings.study_name, storage=storage)
    picked: Values | None = study.user_attrs.get(PICKED)
    return picked


def _under(settings: SearchSettings, picks: Values) -> SearchSettings:
    found = SearchSettings(merge(picks, settings.values), source="the command line")
    found.picks = picks
    return found


def _proxy_values(settings: SearchSettings, proxy: Proxy, native: int) -> Values:
    values: Values = {
        "network": {
            "motifs": proxy.motifs,
            "normal_cells": proxy.normal_cells,
            "filters": proxy.filters,
        },
        "training": {"epochs": proxy.epochs},
    }
    if "image_size" not in settings.values["data"] and native > proxy.side:
        values["data"] = {"image_size": proxy.side}
    return values


def _picks(
    settings: SearchSettings, values: Values, hours: float, trainings: float, seconds: float
) -> Values:
    """Return the settings of a search of so many trainings, beside those of its proxy."""
    mode = settings.values["search"].get("mode", known_settings()["search"]["mode"].default)
    search: dict[str, Any] = {}
    if mode == "adaptive":
        search["budget_seconds"] = round(seconds, 1)
    else:
        if trainings < 800 and "operators" not in settings.values["space"]:
            values["space"] = {"operators": list(_FEW_OPERATORS), "max_blocks": 3}
        search["max_children"] = int(min(max((trainings - 60) / 3, 4), 128))
        search["max_exploration_children"] = max(search["max_children"] // 8, 1)
    return {**values, "search": search, "study": {"timeout": hours * 3600}}
