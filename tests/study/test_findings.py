from __future__ import annotations

import optuna
import pytest

from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.study.findings import depth_gains
from optuna_popnas.study.findings import equivalence_words
from optuna_popnas.study.findings import findings


def test_a_finished_search(finished: optuna.Study) -> None:
    view = view_study(finished)
    found = {finding.title: finding.text for finding in findings(view, summarize(view))}
    best = view.front[0]
    assert found["The cell to take"].startswith(
        f"Trial {best.number}: accuracy {best.accuracy:.3f}"
    )
    assert "cells of 2 blocks raised the best accuracy by" in found["Did deeper cells pay?"]
    assert "too high by about" in found["How sure the accuracies are"]
    assert "were equivalent to another one" in found["Equivalent cells"]


def test_gains_add_up(finished: optuna.Study) -> None:
    view = view_study(finished)
    gains = depth_gains(view)
    assert [gain.level for gain in gains] == [1, 2, 3]
    start = max(trial.accuracy for trial in view.complete if trial.level == 0)
    assert start + sum(gain.accuracy for gain in gains) == pytest.approx(view.front[0].accuracy)
    assert sum(gain.share for gain in gains) == pytest.approx(1, abs=0.02)
    assert all(gain.volume >= 0 for gain in gains)


@pytest.mark.parametrize(
    ("gain", "verdict", "advice"),
    [(-0.5, "No", "More blocks would hardly help"), (0.03, "Yes", "with 4 blocks")],
)
def test_whether_depth_paid_decides_the_advice(
    finished: optuna.Study, gain: float, verdict: str, advice: str
) -> None:
    """Depth that brought nothing "did not raise the accuracy and the hypervolume by 0.1%"."""
    view = view_study(finished)
    best = max(trial.accuracy for trial in view.complete if trial.level < 2)
    trials = []
    for trial in view.trials:
        if trial.is_valid and trial.level >= 2:
            accuracy = max(best + gain * trial.level, 0.01)
            trial = trial._replace(accuracy=accuracy, values=(accuracy, trial.seconds))
        trials.append(trial)
    view = view._replace(trials=tuple(trials))
    found = {finding.title: finding.text for finding in findings(view, summarize(view))}
    said = found["Did deeper cells pay?"]
    assert said.startswith(f"{verdict}: cells of 2 ")
    assert ("neither the best accuracy nor the hypervolume, for" in said) == (verdict == "No")
    assert advice in found["What to do next"]


def test_studies_at_the_edges(odd_studies: dict[str, optuna.Study]) -> None:
    for study in odd_studies.values():
        view = view_study(study)
        found = findings(view, summarize(view))
        assert bool(found) == bool(view.front)
        assert all(finding.text and "nan" not in finding.text for finding in found)
    interrupted = view_study(odd_studies["interrupted"])
    texts = [finding.text for finding in findings(interrupted, summarize(interrupted))]
    assert any("Run the same command again" in text for text in texts)


def test_no_words_where_nothing_was_counted() -> None:
    assert equivalence_words([]) == ""


def test_levels_that_brought_nothing_are_told_together(finished: optuna.Study) -> None:
    """A search of five blocks said three times that the accuracy and the volume did not rise."""
    view = view_study(finished)
    trials = []
    for trial in view.trials:
        if trial.is_valid and trial.level >= 2:
            trial = trial._replace(accuracy=0.01, values=(0.01, trial.seconds))
        trials.append(trial)
    view = view._replace(trials=tuple(trials))
    found = {finding.title: finding.text for finding in findings(view, summarize(view))}
    share = sum(gain.share or 0.0 for gain in depth_gains(view) if gain.level >= 2)
    assert found["Did deeper cells pay?"].startswith(
        "No: cells of 2 and 3 blocks raised neither the best accuracy nor the hypervolume, "
        f"for {share:.0%} of the training. 0 of the "
    )
