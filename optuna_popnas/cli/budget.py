"""Settings for a budget: what a search in so many hours can afford, and why."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.config import merge
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.outlook import worker_count
from optuna_popnas.cli.storages import begun_study
from optuna_popnas.cli.studies import PICKED
from optuna_popnas.cli.work import load_data
from optuna_popnas.cli.work import prepare
from optuna_popnas.study import view_study
from optuna_popnas.study.words import duration_words


if TYPE_CHECKING:
    import optuna

    from optuna_popnas.objective.proxies import Proxy
    from optuna_popnas.training import ImageData


_FEW_OPERATORS = ("identity", "3x3 conv", "3x3 dconv", "5x5 dconv", "2x2 maxpool")


def settings_for(settings: SearchSettings, hours: float) -> tuple[SearchSettings, list[str]]:
    """Return settings for a budget, and in sentences what was chosen and why.

    What was given stays. A study that was begun keeps what was chosen for it, but for its budget,
    which may grow once it is spent.

    Raises:
        ConfigError: ``hours`` is not positive, or the data cannot be used.
    """
    if not hours > 0:
        raise ConfigError(f"`hours` must be greater than 0, but got {hours:g}.")
    study = begun_study(settings.storage, settings.study_name)
    if study is not None and PICKED in study.user_attrs:
        return _under(settings, _stored_picks(study, hours)), []
    # PyTorch is loaded when a budget is given, not before.
    from optuna_popnas.objective.proxies import affordable_proxy
    from optuna_popnas.objective.proxies import TRAINING_SHARE
    from optuna_popnas.objective.proxies import validation_part

    seconds = hours * 3600 * worker_count(settings)
    images = load_data(settings)
    proxy, cost, _ = affordable_proxy(
        lambda proxy: prepare(_under(settings, _proxy_values(settings, proxy, images)))[1],
        TRAINING_SHARE * seconds,
    )
    seconds *= TRAINING_SHARE
    trainings = seconds / cost
    part = validation_part(images)
    values = _proxy_values(settings, proxy, images)
    if "validation_fraction" not in settings.values["data"] and part != images.validation_fraction:
        values["data"] = {**values.get("data", {}), "validation_fraction": part}
    else:
        part = images.validation_fraction
    picks = _picks(settings, values, hours, trainings, seconds)
    count = worker_count(settings)
    workers = f"{count} worker{'s' if count > 1 else ''}"
    words = (
        f"For {duration_words(hours * 3600)} with {workers} chosen: {proxy.describe()}.",
        f"A training then takes about {cost:.3g} s, and some {trainings:,.0f} fit in; "
        f"{part:.0%} of the images validate.",
    )
    return _under(settings, picks), list(words)


def _stored_picks(study: optuna.Study, hours: float) -> Values:
    """Return what was chosen for a study that was begun, with hours for this run."""
    picked: Values = study.user_attrs[PICKED]
    run: Values = {"study": {"timeout": hours * 3600}}
    view = view_study(study)
    budget = view.settings.get("budget_seconds")
    if budget is not None:
        larger = picked["search"]["budget_seconds"] * hours * 3600 / picked["study"]["timeout"]
        run["search"] = {"budget_seconds": max(budget, round(larger, 1)) if view.done else budget}
    return merge(picked, run)


def _under(settings: SearchSettings, picks: Values) -> SearchSettings:
    found = SearchSettings(merge(picks, settings.values), source="the command line")
    found.picks = picks
    return found


def _proxy_values(settings: SearchSettings, proxy: Proxy, images: ImageData) -> Values:
    values: Values = {
        "network": {
            "motifs": proxy.motifs,
            "normal_cells": proxy.normal_cells,
            "filters": proxy.filters,
        },
        "training": {"epochs": proxy.epochs},
    }
    if "image_size" not in settings.values["data"] and max(images.image_size) > proxy.side:
        values["data"] = {"image_size": proxy.side}
    return values


def _picks(
    settings: SearchSettings, values: Values, hours: float, trainings: float, seconds: float
) -> Values:
    """Return the settings of a search of so many trainings, beside those of its proxy."""
    mode = settings.mode
    search: dict[str, Any] = {}
    if mode == "adaptive":
        search["budget_seconds"] = round(seconds, 1)
    else:
        if trainings < 800 and "operators" not in settings.values["space"]:
            values["space"] = {"operators": list(_FEW_OPERATORS), "max_blocks": 3}
        search["max_children"] = int(min(max((trainings - 60) / 3, 4), 128))
        if mode == "popnas":
            search["max_exploration_children"] = max(search["max_children"] // 8, 1)
    return {**values, "search": search, "study": {"timeout": hours * 3600}}
