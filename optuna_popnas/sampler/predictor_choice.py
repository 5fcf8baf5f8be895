"""Which predictors a search asks: those of its mode, or a user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import inspect
from typing import Any, Literal

from optuna_popnas import predictors
from optuna_popnas.predictors.base import CheckedPredictor
from optuna_popnas.predictors.base import Predictor
from optuna_popnas.predictors.size_aware import SizeAwarePredictor
from optuna_popnas.sampler.setup import predictor_name
from optuna_popnas.search import PredictorLike
from optuna_popnas.space import SearchSpace


#: A predictor, or what makes one: ``(space, *, seed) -> predictor``.
PredictorSpec = PredictorLike | Callable[..., Any]
Kind = Literal["accuracy", "seconds"]

#: Mode -> its own predictors, named: PyTorch and CatBoost are not loaded to say which.
DEFAULT_PREDICTORS: dict[str, dict[Kind, str]] = {
    "adaptive": {"accuracy": "ExploringAccuracyPredictor", "seconds": "SizeAwareTimePredictor"},
    "popnas": {"accuracy": "LSTMAccuracyPredictor", "seconds": "CatBoostTimePredictor"},
    "pnas": {"accuracy": "LSTMAccuracyPredictor", "seconds": "CatBoostTimePredictor"},
    "popnas-v1": {"accuracy": "LSTMAccuracyPredictor", "seconds": "NNLSTimePredictor"},
}

_ARGUMENTS: dict[Kind, str] = {"accuracy": "accuracy_predictor", "seconds": "time_predictor"}


@dataclass(frozen=True)
class PredictorChoice:
    """The predictors of one search.

    Args:
        space: The search space.
        mode: Mode of the search.
        accuracy: The accuracy predictor; that of the mode if None.
        seconds: The time predictor; that of the mode if None.

    Raises:
        ValueError: One of them is no predictor, as far as that can be told without making it.
    """

    space: SearchSpace
    mode: str
    accuracy: PredictorSpec | None
    seconds: PredictorSpec | None

    def __post_init__(self) -> None:
        for spec, argument in zip((self.accuracy, self.seconds), _ARGUMENTS.values()):
            made = _unwrapped(spec)
            if made is not None and (isinstance(made, type) or not callable(made)):
                _check(argument, made)

    def name(self, kind: Kind) -> str:
        """Name a predictor, so that workers with different ones notice."""
        given = self._given(kind)
        return DEFAULT_PREDICTORS[self.mode][kind] if given is None else _name(given)

    def knows_size(self) -> bool:
        """Whether accuracies are predicted from size, and from what other searches found."""
        made = _unwrapped(self._spec("accuracy"))
        if isinstance(made, type):
            return issubclass(made, SizeAwarePredictor)
        if callable(made):  # a function says what it makes by making it
            made = self.make_accuracy(seed=0)
        return isinstance(made, SizeAwarePredictor)

    def make_accuracy(self, *, seed: int) -> PredictorLike:
        """Return the accuracy predictor."""
        return self._make(self._spec("accuracy"), seed, _ARGUMENTS["accuracy"])

    def make_seconds(self, *, total_cells: int, seed: int) -> PredictorLike:
        """Return the time predictor of networks of so many cells."""
        spec = self._timed(self._spec("seconds"), total_cells)
        return self._make(spec, seed, _ARGUMENTS["seconds"])

    def make_other(self, *, total_cells: int, seed: int) -> PredictorLike:
        """Return what predicts a further objective that was measured."""
        spec = self._timed(predictors.AdditiveTimePredictor, total_cells)
        return self._make(spec, seed, "predictor")

    def _given(self, kind: Kind) -> PredictorSpec | None:
        return self.accuracy if kind == "accuracy" else self.seconds

    def _spec(self, kind: Kind) -> PredictorSpec:
        given = self._given(kind)
        if given is not None:
            return given
        usual: PredictorSpec = getattr(predictors, DEFAULT_PREDICTORS[self.mode][kind])
        return usual

    def _timed(self, spec: PredictorSpec, total_cells: int) -> PredictorSpec:
        """Tell a predictor what it can know of the networks and the mode."""
        if not callable(spec):
            return spec
        ours: dict[str, Any] = {"total_cells": total_cells}
        if self.mode == "popnas-v1":
            ours["feature_set"] = "popnas-v1"
        known = inspect.signature(spec).parameters
        given = spec.keywords if isinstance(spec, partial) else {}
        ours = {name: value for name, value in ours.items() if name in known}
        return partial(spec, **{**ours, **given})

    def _make(self, spec: PredictorSpec, seed: int, argument: str) -> PredictorLike:
        made = spec(self.space, seed=seed) if callable(spec) else spec
        _check(argument, made)
        bases = [kind for kind in type(made).__mro__ if kind is not Predictor]
        ours = any(kind.__module__.startswith("optuna_popnas.") for kind in bases)
        return made if ours else CheckedPredictor(made, argument)


def _unwrapped(spec: object) -> object:
    return spec.func if isinstance(spec, partial) else spec


def _check(argument: str, predictor: object) -> None:
    """Raise ValueError if this is no predictor, or no class of predictors."""
    if not callable(getattr(predictor, "fit", None)) or not any(
        callable(getattr(predictor, method, None)) for method in ("predict", "estimate")
    ):
        raise ValueError(
            f"`{argument}` must have the methods fit and predict (or estimate), or be a callable "
            f"(space, *, seed) that makes such an object, but got {predictor!r}. "
            "See optuna_popnas.predictors."
        )


def _name(spec: object) -> str:
    if isinstance(spec, partial):
        options = ", ".join(f"{key}={value!r}" for key, value in sorted(spec.keywords.items()))
        return f"{_name(spec.func)}({options})"
    named: Any = spec if hasattr(spec, "__qualname__") else type(spec)
    return predictor_name(f"{named.__module__}.{named.__qualname__}")
