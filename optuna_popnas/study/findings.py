"""What a study has found and what to do next, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from optuna_popnas.search import hypervolume
from optuna_popnas.study.excess import accuracy_noise
from optuna_popnas.study.excess import expected_accuracies
from optuna_popnas.study.excess import expected_excess
from optuna_popnas.study.levels import LevelSummary
from optuna_popnas.study.quality import calibration
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.selection import select
from optuna_popnas.study.selection import trade
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.words import duration_words


_LEAST_GAIN = 0.01  # of the hypervolume: less does not pay
_LEAST_ACCURACY = 0.005  # where the noise of an accuracy is not known


class Finding(NamedTuple):
    """One thing that a reader should know.

    Attributes:
        title: What it is about.
        text: One to three sentences.
    """

    title: str
    text: str


class DepthGain(NamedTuple):
    """What the cells of one number of blocks added to those of fewer.

    Attributes:
        level: Blocks per cell.
        accuracy: By how much the best accuracy rose; 0 if it did not.
        volume: By how much the hypervolume of accuracy and log time rose, relatively.
        share: Their share of all training seconds; None where times are not known.
    """

    level: int
    accuracy: float
    volume: float
    share: float | None


def findings(view: StudyView, summary: SearchSummary) -> tuple[Finding, ...]:
    """Return what a study says, the most important first; empty if nothing was trained."""
    if not summary.front:
        return ()
    excess = expected_excess(view)
    found = [
        Finding("The cell to take", _choice(view)),
        Finding("Did deeper cells pay?", _depth(view, summary)),
        Finding("How sure the accuracies are", excess.sentence),
        Finding("What to do next", _next(view, summary)),
    ]
    for title, text in (
        ("Where the time went", _time(summary)),
        ("Exploration", exploration_words(summary.levels) if summary.waves is None else ""),
        ("Equivalent cells", equivalence_words(summary.levels)),
        ("How sure the model was", _calibration(view)),
        ("What earlier searches were worth", _warm_start(view)),
        ("What comes next", _outlook(summary)),
        ("Why it ended", summary.ended),
    ):
        if text:
            found.append(Finding(title, text))
    return tuple(found)


def depth_gains(view: StudyView) -> tuple[DepthGain, ...]:
    """Return what each level added to the levels before it, from the second level on."""
    trials = [trial for trial in view.complete if trial.accuracy is not None]
    timed = all((trial.seconds or 0.0) > 0 for trial in trials)
    accuracy = np.array([trial.accuracy for trial in trials], dtype=np.float64)
    level = np.array([level_of(trial) for trial in trials], dtype=int)
    costs = np.zeros(len(trials))
    if timed and trials:
        costs = np.log([trial.seconds or 1.0 for trial in trials])
        costs = (costs - costs.min()) / max(float(np.ptp(costs)), 1e-9)
    total = sum(trial.trained_seconds for trial in (*trials, *view.stopped))
    gains = []
    for b in view.levels[1:]:
        below, upto = level < b, level <= b
        # A little beyond the slowest cell, which counts, too.
        volumes = [hypervolume(accuracy[m], costs[m], reference_cost=1.01) for m in (below, upto)]
        spent = sum(t.trained_seconds for t in (*trials, *view.stopped) if level_of(t) == b)
        gains.append(
            DepthGain(
                b,
                max(float(accuracy[upto].max() - accuracy[below].max()), 0.0),
                volumes[1] / volumes[0] - 1 if volumes[0] > 0 else 0.0,
                spent / total if timed and total > 0 else None,
            )
        )
    return tuple(gains)


def exploration_words(levels: Sequence[LevelSummary]) -> str:
    """Return Table 5.2 in words; empty where there was no exploration step."""
    parts = [
        f"{row.descendants or 'none'} of level {row.level}'s {row.trained} cells "
        f"{'descends' if row.descendants == 1 or not row.descendants else 'descend'}"
        for row in levels
        if row.descendants is not None and row.trained
    ]
    if not parts:
        return ""
    text = f"{', '.join(parts)} from an exploration cell of the level before."
    return text[0].upper() + text[1:]


def equivalence_words(levels: Sequence[LevelSummary]) -> str:
    """Return Table 5.1 in words; empty where nothing was counted."""
    known = [row for row in levels if row.merged is not None]
    if not known:
        return ""
    merged, encodings = sum(row.merged or 0 for row in known), sum(r.encodings or 0 for r in known)
    text = f"Of {encodings:,} encodings of candidates, {merged:,} were equivalent to another one."
    met = [row.equivalents for row in known if row.equivalents is not None]
    if met:
        text += (
            f" Choosing among encodings would have met {sum(met):,} equivalents of the chosen "
            "cells, and trained them again."
        )
    return text


def _choice(view: StudyView) -> str:
    best, bargain = select(view), select(view, "knee")
    seconds = "" if best.seconds is None else f", {best.seconds:.3g} s of training"
    expected = expected_accuracies(view, [best])[0]
    text = f"Trial {best.number}: accuracy {best.accuracy:.3f}{seconds}."
    if best.number in view.confirmed:
        times = len(view.confirmed[best.number])
        text += f" Trained {times} times again it has {confirmed_words(view, best)}."
    elif expected is not None:
        text += (
            f" Expect {expected.mean:.3f} +- {expected.deviation:.3f} when it is trained again."
        )
    if bargain != best:
        text += f" The bargain is trial {bargain.number}: {trade(view, bargain, best)}."
    return text


def _paid(gain: DepthGain, noise: float | None) -> bool:
    return gain.accuracy > (noise or _LEAST_ACCURACY) or gain.volume > _LEAST_GAIN


def _depth(view: StudyView, summary: SearchSummary) -> str:
    gains = [gain for gain in depth_gains(view) if gain.level >= 2]
    deep = sum(level_of(trial) >= 2 for trial in summary.front)
    if not gains:
        return "Only cells of up to one block have been trained so far."
    noise = accuracy_noise(view)
    parts, names, spent = [], [], 0.0
    for gain, after in zip(gains, [*gains[1:], None]):
        names.append(str(gain.level))
        spent += gain.share or 0.0
        rise = _rise(gain, noise)
        if after is not None and rise == _rise(after, noise):
            continue  # both brought nothing
        share = "" if gain.share is None else f", for {spent:.0%} of the training"
        many = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        parts.append(f"cells of {many} blocks raised {rise}{share}")
        names, spent = [], 0.0
    verdict = "Yes" if any(_paid(gain, noise) for gain in gains) else "No"
    return (
        f"{verdict}: {'; '.join(parts)}. {deep} of the {len(summary.front)} cells of the front "
        f"{'has' if deep == 1 else 'have'} two or more blocks."
    )


def _rise(gain: DepthGain, noise: float | None) -> str:
    volume = f"the hypervolume by {gain.volume:.1%}" if gain.volume >= 0.0005 else ""
    if gain.accuracy <= 0:
        most = "not the best accuracy"
        return f"{volume}, {most}" if volume else "neither the best accuracy nor the hypervolume"
    luck = " (no more than the noise)" if noise is not None and gain.accuracy <= noise else ""
    return f"the best accuracy by {gain.accuracy:.3f}{luck}" + (volume and f" and {volume}")


def _next(view: StudyView, summary: SearchSummary) -> str:
    if summary.state == "running":
        return "Wait, or add workers: the same command on this or another machine."
    if summary.state == "stopped":
        return "Run the same command again, it goes on; or train the chosen cell for good."
    noise, gains = accuracy_noise(view), depth_gains(view)
    deepest = gains[-1] if gains else None
    take = "Train the chosen cell to convergence"
    if deepest is not None and deepest.level >= 2 and _paid(deepest, noise):
        more = f"The deepest cells still paid: the same search with {deepest.level + 1} blocks "
        return f"{more}goes on from here. Or: {take[0].lower()}{take[1:]}."
    weak = [
        row.level
        for row in summary.levels[-1:]
        if row.accuracy_quality is not None and (row.accuracy_quality.rho or 0.0) < 0.3
    ]
    advice = f"{take}. More blocks would hardly help"
    if weak:
        advice += "; the last level could not be ranked, as its cells differ by little more than "
        advice += "the noise: more validation images or epochs would tell them apart"
    return f"{advice}. A larger network (more filters) or a longer training would."


def _time(summary: SearchSummary) -> str:
    time = summary.time
    if time.total <= 0:
        return ""
    names = {
        "training": time.training,
        "validation": time.validation,
        "set-up": time.setup,
        "planning": time.planning,
        "waiting": time.waiting,
        "storage, a busy machine and the rest": time.other,
    }
    order = sorted(names, key=lambda name: -names[name])
    shares = [f"{name} {names[name] / time.total:.0%}" for name in order]
    text = f"{duration_words(time.wall)} in all. Of the workers' time: {', '.join(shares)}."
    if summary.repeats:
        text += f" {_trainings(summary.repeats)} repeated a cell, to know its accuracy better."
    stopped = sum(row.stopped for row in summary.levels)
    if stopped:
        were = "was" if stopped == 1 else "were"
        text += f" {_trainings(stopped)} {were} ended early for want of promise."
    return text


def _trainings(count: int) -> str:
    return "1 training" if count == 1 else f"{count:,} trainings"


def _calibration(view: StudyView) -> str:
    found = calibration(view)
    if found is None:
        return ""
    return (
        f"{found.within:.0%} of {found.cells} cells came out within one deviation (the model's "
        "and that of a single training) of what was predicted before; 68% would be perfect."
    )


def _warm_start(view: StudyView) -> str:
    weights = [
        plan.report.warm_weight for plan in view.plans if plan.report.warm_weight is not None
    ]
    if not weights:
        return ""
    names = [str(item).rpartition(",")[0] for item in view.settings.get("warm_start") or ()]
    return (
        f"Trainings of earlier searches ({'; '.join(names)}) say which cells are better than "
        f"their size tells. The weight of that is {weights[-1]:.2f}, and was {weights[0]:.2f} at "
        "first (0 is none): the search's own cells decide."
    )


def _outlook(summary: SearchSummary) -> str:
    if summary.expected_gain is None or summary.state == "finished":
        return ""
    left = f", about {duration_words(summary.seconds_left)} left" if summary.seconds_left else ""
    return (
        f"Wave {summary.waves}: a minute of training is expected to raise the front's hypervolume "
        f"and the best accuracy by {60 * summary.expected_gain:.3g} together{left}."
    )


def confirmed_words(view: StudyView, trial: TrialRecord) -> str:
    """Return the accuracy of fresh trainings as ``"0.912 +- 0.004"``, else empty."""
    values = view.confirmed.get(trial.number, ())
    if not values:
        return ""
    spread = f" +- {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"
