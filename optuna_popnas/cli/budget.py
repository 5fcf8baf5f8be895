"""Settings for a budget: what a search in so many hours can afford, and why."""

from __future__ import annotations

from typing import Any, NamedTuple

from optuna_popnas.cli.config import merge
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.outlook import time_cells
from optuna_popnas.cli.outlook import worker_count
from optuna_popnas.cli.schema import settings as known_settings
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import storage_file
from optuna_popnas.cli.storages import study_names
from optuna_popnas.cli.studies import PICKED
from optuna_popnas.cli.work import load_data
from optuna_popnas.cli.work import prepare
from optuna_popnas.study.words import duration_words


# A search needs so many trainings to show what it can do.
_TRAININGS = 150
# Planning, validation and reading take their part of the time.
_TRAINING_SHARE = 0.8
_FEW_OPERATORS = ("identity", "3x3 conv", "3x3 dconv", "5x5 dconv", "2x2 maxpool")


class Proxy(NamedTuple):
    """A size of the search's networks and trainings; epochs end with a cosine period."""

    side: int
    motifs: int
    normal_cells: int
    filters: int
    epochs: int


PROXIES = (
    Proxy(64, 3, 2, 24, 21),
    Proxy(32, 3, 2, 24, 21),
    Proxy(32, 3, 2, 16, 21),
    Proxy(32, 3, 1, 16, 9),
    Proxy(24, 2, 2, 12, 9),
    Proxy(16, 2, 1, 8, 9),
    Proxy(16, 2, 1, 8, 3),
)


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
    seconds = hours * 3600 * worker_count(settings)
    native = max(load_data(settings).image_size)
    proxy, cost = _affordable(settings, native, _TRAINING_SHARE * seconds / _TRAININGS)
    trainings = _TRAINING_SHARE * seconds / cost
    picks = _picks(settings, _proxy_values(settings, proxy, native), hours, trainings, seconds)
    words = (
        f"For {duration_words(hours * 3600)} chosen: {proxy.side} pixels, {proxy.epochs} epochs, "
        f"{proxy.filters} filters, {proxy.motifs} motifs, {proxy.normal_cells} normal cells in "
        "each.",
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


def _affordable(settings: SearchSettings, native: int, seconds: float) -> tuple[Proxy, float]:
    """Return the richest proxy whose trainings are short enough, and their seconds."""
    for proxy in PROXIES:
        data, objective = prepare(_under(settings, _proxy_values(settings, proxy, native)))
        measured = [found for _, found in time_cells(objective, 3, seconds=15.0)]
        cost = sum(measured) / len(measured) if measured else float("inf")
        if cost <= seconds:
            break
    return proxy._replace(side=max(data.image_size)), cost


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
        search["budget_seconds"] = round(_TRAINING_SHARE * seconds, 1)
    else:
        if trainings < 800 and "operators" not in settings.values["space"]:
            values["space"] = {"operators": list(_FEW_OPERATORS), "max_blocks": 3}
        search["max_children"] = int(min(max((trainings - 60) / 3, 4), 128))
        search["max_exploration_children"] = max(search["max_children"] // 8, 1)
    return {**values, "search": search, "study": {"timeout": hours * 3600}}
