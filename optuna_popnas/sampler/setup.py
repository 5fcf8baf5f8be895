"""What all workers of a study must agree on, and the errors if they do not."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from optuna_popnas.search import unused_settings
from optuna_popnas.space import SearchSpace


_ADVICE = "Use the value of the study, or another study name."

# Settings that come from the study or its trials where a worker has none.
_LEARNT = ("seed", "total_cells")

#: Settings with which a search that has ended may go on, and what they may become.
_GROWING = ("max_blocks", "max_children", "max_exploration_children", "budget_seconds")


# What "default" meant in studies of before predictors were stored by name.
_FORMER_PREDICTORS = {
    "accuracy_predictor": {
        "popnas": "GaussianProcessAccuracyPredictor",
        "adaptive": "ExploringAccuracyPredictor",
    },
    "time_predictor": {
        "popnas": "AdditiveTimePredictor",
        "popnas-v1": "NNLSTimePredictor",
        "adaptive": "SizeAwareTimePredictor",
    },
}


class Setup(NamedTuple):
    """What all workers of a study must agree on; stored with the first plan.

    A search that has ended can go on with a larger one, which is stored with the next plan.
    """

    space: SearchSpace
    settings: dict[str, Any]


def setup_to_json(space: SearchSpace, settings: dict[str, Any]) -> dict[str, Any]:
    """Return a setup as it is stored with a plan."""
    return {"space": space.to_dict(), "settings": settings}


def setup_from_json(data: dict[str, Any]) -> Setup:
    """Read what :func:`setup_to_json` returned."""
    settings = dict(data["settings"])
    for name in _FORMER_PREDICTORS:
        if settings.get(name) == "default":  # it is named now, as it has become another one
            former = _FORMER_PREDICTORS[name]
            settings[name] = former.get(settings.get("mode", "popnas"), former["popnas"])
        elif name in settings:
            settings[name] = predictor_name(settings[name])
    return Setup(SearchSpace(**data["space"]), settings)


def predictor_name(text: str) -> str:
    """Return how the settings name a predictor: this package's without their modules."""
    return re.sub(r"optuna_popnas\.predictors\.(\w+\.)*", "", text)


def setup_problem(stored: Setup, space: SearchSpace, settings: dict[str, Any]) -> str | None:
    """Return how a worker's setup differs from that of the study, or None.

    Args:
        stored: The setup of the study.
        space: The worker's search space.
        settings: The worker's settings; a seed or `total_cells` of None agrees with any.
    """
    difference = next(iter(_differences(stored, space, settings)), None)
    if difference is None:
        return None
    name, theirs, ours = difference
    detail = _operators(theirs, ours) if name == "operators" else ""
    advice = _ADVICE
    if name in _FORMER_PREDICTORS and str(theirs).isidentifier():
        advice = f"Pass {name}=optuna_popnas.predictors.{theirs}, or use another study name."
    if name == "warm_start" and not theirs:
        advice = "Pass warm_start='nothing' (--warm-start nothing), or use another study name."
    return (
        f"`{name}` must be {_short(theirs)}, with which this study was begun, "
        f"but got {_short(ours)}.{detail} {advice}"
    )


def is_extension(stored: Setup, space: SearchSpace, settings: dict[str, Any]) -> bool:
    """Whether a search that has ended can go on with this setup; False if it is the same."""
    differences = _differences(stored, space, settings)
    return bool(differences) and all(
        name in _GROWING and (ours is None or (theirs is not None and ours > theirs))
        for name, theirs, ours in differences
    )


def _differences(
    stored: Setup, space: SearchSpace, settings: dict[str, Any]
) -> list[tuple[str, Any, Any]]:
    theirs = {**stored.space.to_dict(), **stored.settings}
    for name in unused_settings(stored.settings.get("mode", "popnas")):
        theirs.pop(name, None)
    return [
        (name, theirs[name], ours)
        for name, ours in {**space.to_dict(), **settings}.items()
        if name in theirs and theirs[name] != ours and not (name in _LEARNT and ours is None)
    ]


def _operators(theirs: list[str], ours: list[str]) -> str:
    if ours[: len(theirs)] == theirs:
        return (
            " A study's choices cannot change: copy its trials into a new study with "
            "optuna_popnas.copy_trials, which goes on from them."
        )
    missing = [name for name in theirs if name not in ours]
    extra = [name for name in ours if name not in theirs]
    parts = [f" {', '.join(missing)} missing." if missing else ""]
    parts += [f" {', '.join(extra)} not in the study." if extra else ""]
    return "".join(parts) or " The order differs."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
