"""Which cell of a finished (or running) search to take home (Sec. 6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_popnas.search import pareto_front
from optuna_popnas.study.excess import believed_accuracies
from optuna_popnas.study.front import front
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study


# Objectives that have another name on the trials.
_ATTRIBUTES = {"latency": "latency_seconds", "peak_memory": "peak_memory_bytes"}
# No bargain: cells below this share of the best accuracy.
_WORTHWHILE = 0.9

RULES = ("accuracy", "knee", "fastest")


def select(
    study: StudyLike,
    rule: str | Mapping[str, float] = "accuracy",
    *,
    limits: Mapping[str, float] | None = None,
) -> TrialRecord:
    """Choose one trial of a study; ``select(study).cell`` is its cell.

    Only trials of the Pareto front are chosen, that of the trials within the limits. Trials that
    break a constraint of the study take no part. The accuracies of a front are the luckiest ones
    of many single trainings: see :func:`~optuna_popnas.study.expected_excess`. So the front is
    that of the accuracies which a model, taught with all trainings of the study, and the
    measurement together let expect, from 20 trials on; in the modes of the thesis, of those
    measured. Where trials of the measured front were confirmed, one of them is chosen, by the
    mean of its fresh trainings.

    Args:
        study: A study, whatever sampler ran it, as long as it used ``space.suggest``.
        rule: One of

            - ``"accuracy"``: the most accurate trial;
            - ``"knee"``: where the front bends, see :func:`knee`;
            - ``"fastest"``: the one with the least seconds of training;
            - limits, see below: the most accurate trial within them.
        limits: The largest value allowed for ``"seconds"``, or for any number that the objective
            wrote on the trials, such as ``"parameters"``, ``"flops"``, ``"latency"`` or
            ``"peak_memory"``; for ``"accuracy"`` the smallest.

    Raises:
        ValueError: The rule is unknown, or no trial has been finished, or none is within the
            limits.

    Example:
        >>> chosen = select(study, limits={"parameters": 500_000})  # doctest: +SKIP
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
    view = view_study(study)
    trials: Sequence[TrialRecord] = view.complete
    if not trials:
        raise ValueError(
            f"A study must have a finished trial to select from, but {view.study_name!r} has "
            "none. Run the search first."
        )
    trials = [trial for trial in trials if trial.feasible]
    if not trials:
        raise ValueError(
            f"A trial must keep the study's constraints, but none of {view.study_name!r} does. "
            "Search on, or loosen the constraints."
        )
    for name, limit in (limits or {}).items():
        trials = _within(trials, name, limit)
    confirmed = [trial for trial in front(trials) if trial.number in view.confirmed]
    if confirmed and rule != "fastest":  # of some chosen by luck, those known without it
        trials = confirmed
    accuracy = believed_accuracies(view, trials)
    costs = np.array([trial.values[1:] for trial in trials if trial.values], dtype=np.float64)
    rows = pareto_front(accuracy, costs)
    candidates, accuracy, costs = [trials[row] for row in rows], accuracy[rows], costs[rows]
    if rule == "accuracy":
        return candidates[0]
    if rule == "fastest":
        if costs.shape[1] == 0:
            raise ValueError(
                "A study must have measured seconds for the rule 'fastest', "
                f"but {view.study_name!r} is a search for accuracy alone. Use 'accuracy'."
            )
        return candidates[int(np.argmin(costs[:, 0]))]
    return candidates[knee(accuracy, costs)]


def knee(accuracy: npt.NDArray[np.float64], costs: npt.NDArray[np.float64]) -> int:
    """Return the index of the point at which a front bends, as one would draw it by hand.

    Cells with less than nine tenths of the best accuracy are no bargain and are left out; of the
    others it is the point with the largest sum of accuracy and negative log costs, each scaled
    to [0, 1]: with one cost, the point farthest from the line between the ends. Of equal points
    the most accurate one is taken.

    Args:
        accuracy: ``(n,)`` accuracies of a front, to be maximized.
        costs: ``(n, d)`` costs, to be minimized.
    """
    rows = np.flatnonzero(accuracy >= _WORTHWHILE * accuracy.max())
    tiny = np.finfo(np.float64).tiny
    columns = np.column_stack([accuracy, -np.log(np.maximum(costs, tiny))])[rows]
    span = np.ptp(columns, axis=0)
    scaled = (columns - columns.min(axis=0)) / np.where(span > 0, span, 1.0)
    gain = scaled.sum(axis=1)
    best = rows[gain >= gain.max() - 1e-12]
    return int(best[np.argmax(accuracy[best])])


def trade(view: StudyView, trial: TrialRecord, best: TrialRecord) -> str:
    """Return what a trial gives up against another and what it gains, in words.

    Accuracies are those by which :func:`select` ranks.

    Example:
        ``"1.2 points less accuracy, half the time"``
    """
    points = -100 * float(np.diff(believed_accuracies(view, [best, trial]))[0])
    words = "the same accuracy" if abs(points) < 0.05 else f"{abs(points):.1f} points "
    if abs(points) >= 0.05:
        words += "less accuracy" if points > 0 else "more accuracy"
    if not trial.seconds or not best.seconds:
        return words
    ratio = trial.seconds / best.seconds
    if ratio > 1.05:
        return f"{words}, {ratio:.1f} times the time"
    if ratio > 0.95:
        return f"{words}, the same time"
    names = {1 / 2: "half", 1 / 3: "a third of", 1 / 4: "a quarter of", 1 / 10: "a tenth of"}
    near = next((text for share, text in names.items() if abs(ratio / share - 1) < 0.1), None)
    return f"{words}, {near or f'{ratio:.0%} of'} the time"


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
