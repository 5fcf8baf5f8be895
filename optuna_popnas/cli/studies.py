"""The study of a search: begun once, with settings that hold for all its trainings."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from json import loads
from pathlib import Path
from typing import Any, Literal, TYPE_CHECKING

from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import begun_study
from optuna_popnas.cli.storages import LOOK
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import patiently
from optuna_popnas.cli.storages import quiet_optuna


if TYPE_CHECKING:
    import optuna

    from optuna_popnas.study import StudyView
    from optuna_popnas.training import TrainingConfig

#: User attribute of a study: the settings that were chosen for its budget.
PICKED = "picked"
# Settings that may differ between machines and runs of one study: they change no result, or not
# without changing the images, which workers compare.
_MACHINE = {"data": ("source", "name", "root", "memory_limit", "skip_damaged")}


def _directions(settings: SearchSettings) -> list[Literal["maximize", "minimize"]]:
    directions: list[Literal["maximize", "minimize"]] = ["maximize", "minimize"]
    for _ in settings.values["search"].get("objectives", ()):
        directions.append("minimize")
    return directions


def find_study(settings: SearchSettings) -> optuna.Study | None:
    """Return the study if it was begun already; one without trials was not.

    Raises:
        ConfigError: It was begun with other settings; the text names the difference.
        StorageError: The storage does not answer.
    """
    study = begun_study(settings.storage, settings.study_name)
    if study is None or not study.trials:
        return None
    check_same(study, full_settings(settings), _directions(settings))
    return study


def open_study(settings: SearchSettings, *, patience: float = LOOK) -> optuna.Study:
    """Create or load the study and keep the settings on it; one without trials takes new ones.

    Args:
        settings: Of the search.
        patience: Seconds that the storage may be away, now and in all that is done with the study.

    Raises:
        ConfigError: The study was begun with other settings; the text names the difference.
        StorageError: The storage does not answer.
    """
    import optuna

    from optuna_popnas.sampler.patience import make_patient

    storage = open_storage(settings.storage, patience=patience)
    name, ours, directions = settings.study_name, full_settings(settings), _directions(settings)

    def call() -> optuna.Study:
        with quiet_optuna():
            study = optuna.create_study(
                study_name=name, storage=storage, directions=directions, load_if_exists=True
            )
            theirs = study.user_attrs.get("settings")
            if theirs == ours:
                return study
            if study.trials:
                if theirs is not None:
                    check_same(study, ours, directions)
                    return study
            elif [d.name.lower() for d in study.directions] != directions:
                optuna.delete_study(study_name=name, storage=storage)
                return call()
            if settings.picks:
                study.set_user_attr(PICKED, settings.picks)
            study.set_user_attr("settings", ours)
            return study

    study = patiently(call, settings.storage, patience)
    make_patient(study, patience)
    return study


def full_settings(settings: SearchSettings) -> dict[str, Any]:
    """Return what the trainings of a study have in common, defaults included, as JSON values."""
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.training import TrainingConfig

    values: dict[str, Any] = {
        "data": {"source": settings.data_source, **settings.to_json().get("data", {})},
        "network": settings.build("network", NetworkConfig).to_dict(),
        "training": _trained(settings.build("training", TrainingConfig), settings.data_source),
        "seed": settings.study.seed,
    }
    for section in ("space", "search", "lstm", "catboost"):
        if section in settings.to_json():
            values[section] = settings.to_json()[section]
    plain: dict[str, Any] = loads(dumps(values))
    return plain


def _trained(training: TrainingConfig, source: str) -> dict[str, Any]:
    """Return settings of trainings as they are with data of this name."""
    from optuna_popnas.training.data.named import may_be_mirrored

    return training.for_data(may_be_mirrored(Path(source).stem)).to_dict()


def check_same(study: optuna.Study, ours: dict[str, Any], directions: Sequence[str]) -> None:
    """Raise ConfigError if trainings with these settings must not be mixed.

    Space and search settings are checked by the sampler, against those that it stored.
    """
    if [direction.name.lower() for direction in study.directions] != list(directions):
        raise ConfigError(
            f"The study {study.study_name!r} has {len(study.directions)} objectives, but these "
            f"settings have {len(directions)}. Use another name: --study."
        )
    stored = study.user_attrs.get("settings")
    if stored is None:
        return
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.training import TrainingConfig

    # What older versions stored beside or without today's settings.
    source = stored.get("data", {}).get("source", "digits")
    trained = _trained(TrainingConfig.from_dict(stored.get("training", {})), source)
    network = NetworkConfig.from_dict(stored.get("network", {})).to_dict()
    theirs = {**stored, "network": network, "training": trained}
    begun = f"with which the study {study.study_name!r} was begun"
    fix = "Use the value of the study, or another study: --study."
    for section in ("data", "network", "training"):
        old, new = theirs.get(section, {}), ours.get(section, {})
        for key in sorted(set(old) | set(new)):
            if key not in _MACHINE.get(section, ()) and old.get(key) != new.get(key):
                raise ConfigError(
                    f"`{section}.{key}` must be {old.get(key)!r}, {begun}, "
                    f"but got {new.get(key)!r}. {fix}"
                )
    if theirs.get("seed") != ours.get("seed"):
        raise ConfigError(
            f"`study.seed` must be {theirs.get('seed')}, {begun}, "
            f"but got {ours.get('seed')}. {fix}"
        )


def check_setup(view: StudyView, settings: SearchSettings) -> bool:
    """Return whether a search that has ended goes on, with more blocks or a larger budget.

    Workers check it, too; here it is told once, and also of a search that has ended.

    Raises:
        ConfigError: The study was begun with another space or other search settings.
    """
    from optuna_popnas.sampler.setup import is_extension
    from optuna_popnas.sampler.setup import Setup
    from optuna_popnas.sampler.setup import setup_problem

    if view.stored_space is None:
        return False
    sampler = settings.make_sampler()
    space, ours = sampler.space, sampler.settings
    stored = Setup(view.stored_space, view.settings)
    problem = setup_problem(stored, space, ours)
    larger = is_extension(stored, space, ours)
    if problem is not None and not (view.done and larger):
        raise ConfigError(problem)
    return larger
