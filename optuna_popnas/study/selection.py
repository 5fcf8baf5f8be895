"""Which cell of a finished (or running) search to take home (Sec. 6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna

from optuna_popnas.study.front import front
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.view import view_study


# Objectives that have another name on the trials.
_ATTRIBUTES = {"latency": "latency_seconds", "peak_memory": "peak_memory_bytes"}

RULES = ("knee", "accuracy", "fastest")


def select(
    study: optuna.Study,
    rule: str | Mapping[str, float] = "knee",
    *,
    limits: Mapping[str, float] | None = None,
) -> TrialRecord:
    """Choose one trial of a study; ``select(study).cell`` is its cell.

    Only trials of the Pareto front are chosen, that of the trials within the limits. Trials that
    break a constraint of the study take no part.

    Args:
        study: A study, whatever sampler ran it, as long as it used ``space.suggest``.
        rule: One of

            - ``"knee"``: where the front bends: the trial that is farthest from the line
              between the front's ends, accuracy and the logarithm of each cost scaled to [0, 1];
            - ``"accuracy"``: the most accurate trial;
            - ``"fastest"``: the one with the least seconds of training;
            - limits, see below: the most accurate trial within them.
        limits: The largest value allowed for ``"seconds"``, or for any number that the objective
            wrote on the trials, such as ``"parameters"``, ``"flops"``, ``"latency"`` or
            ``"peak_memory"``; for ``"accuracy"`` the smallest.

    Raises:
        ValueError: The rule is unknown, or no trial has been finished, or none is within the
            limits.

    Example:
        >>> chosen = select(study, "accuracy", limits={"parameters": 500_000})  # doctest: +SKIP
        >>> network = build_network(chosen.cell, in_channels=3, classes=10)  # doctest: +SKIP
    """
    if not isinstance(rule, str):
        limits = {**(limits or {}), **rule}
        rule = "accuracy"
    if rule not in RULES:
        raise ValueError(
            f"`rule` must be one of {', '.join(map(repr, RULES))} or a mapping of limits, "
            f"but got {rule!r}."
        )
    feasible = {
        trial.number
        for trial in study.get_trials(deepcopy=False)
        if all(value <= 0 for value in trial.constraints.values())
    }
    trials = [trial for trial in view_study(study).trials if trial.is_valid]
    if not trials:
        raise ValueError(
            f"A study must have a finished trial to select from, but {study.study_name!r} has "
            "none. Run the search first."
        )
    trials = [trial for trial in trials if trial.number in feasible]
    if not trials:
        raise ValueError(
            f"A trial must keep the study's constraints, but none of {study.study_name!r} does. "
            "Search on, or loosen the constraints."
        )
    for name, limit in (limits or {}).items():
        trials = _within(trials, name, limit)
    candidates = front(trials)
    if rule == "accuracy":
        return candidates[0]
    costs = np.array([trial.values[1:] for trial in candidates if trial.values], dtype=np.float64)
    if rule == "fastest":
        if costs.shape[1] == 0:
            raise ValueError(
                "A study must have measured seconds for the rule 'fastest', "
                f"but {study.study_name!r} is a search for accuracy alone. Use 'accuracy'."
            )
        return candidates[int(np.argmin(costs[:, 0]))]
    accuracy = np.array([trial.accuracy for trial in candidates], dtype=np.float64)
    return candidates[knee(accuracy, costs)]


def knee(accuracy: npt.NDArray[np.float64], costs: npt.NDArray[np.float64]) -> int:
    """Return the index of the point at which a front bends.

    That is the point with the largest sum of accuracy and negative log costs, each scaled to
    [0, 1]: with one cost, the point farthest from the line between the ends. Of equal points the
    most accurate one is taken.

    Args:
        accuracy: ``(n,)`` accuracies of a front, to be maximised.
        costs: ``(n, d)`` costs, to be minimised.
    """
    tiny = np.finfo(np.float64).tiny
    columns = np.column_stack([accuracy, -np.log(np.maximum(costs, tiny))])
    span = np.ptp(columns, axis=0)
    scaled = (columns - columns.min(axis=0)) / np.where(span > 0, span, 1.0)
    gain = scaled.sum(axis=1)
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    return int(best[np.argmax(accuracy[best])])


def _within(trials: Sequence[TrialRecord], name: str, limit: float) -> list[TrialRecord]:
    values = [_number(trial, name) for trial in trials]
    known = [value for value in values if value is not None]
    if not known:
        numbers = sorted(
            {
                key
                for trial in trials
                for key in trial.user_attrs
                if _number(trial, key) is not None
            }
        )
        raise ValueError(
            "A limit must be on 'accuracy', 'seconds' or a number on the trials "
            f"({', '.join(numbers) or 'there are none'}), but got {name!r}."
        )
    least = name == "accuracy"
    kept = [
        trial
        for trial, value in zip(trials, values)
        if value is not None and (value >= limit if least else value <= limit)
    ]
    if not kept:
        raise ValueError(
            f"A trial must have `{name}` of at {'least' if least else 'most'} {limit:g}, but the "
            f"{'largest' if least else 'smallest'} is {(max if least else min)(known):g}. "
            "Loosen the limit."
        )
    return kept


def _number(trial: TrialRecord, name: str) -> float | None:
    value: Any
    if name == "accuracy":
        value = trial.accuracy
    elif name == "seconds":
        value = trial.seconds
    else:
        value = trial.user_attrs.get(_ATTRIBUTES.get(name, name))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and np.isfinite(value) else None
