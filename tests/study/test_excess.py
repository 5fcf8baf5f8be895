from __future__ import annotations

import numpy as np
import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import SearchSpace
from optuna_popnas.study import expected_excess
from optuna_popnas.study import StudyView
from optuna_popnas.study import view_study
from optuna_popnas.study.excess import accuracy_noise
from tests.study.test_selection import make_study


def noisy_view(noise: float, count: int = 200, seed: int = 0) -> tuple[StudyView, float]:
    """Return a study of noisy accuracies and by how much its front is too high."""
    rng = np.random.default_rng(seed)
    view = view_study(make_study([(0.5, 1.0)]))
    seconds = np.exp(rng.uniform(0, 2, count))
    truth = 0.7 + 0.05 * np.log(seconds) + rng.normal(0, noise, count)
    luck = rng.normal(0, noise, count)
    space = SearchSpace(["identity", "3x3 conv", "5x5 conv"], max_blocks=2)
    cells = list(space.expand(list(space.first_level())))[:count]
    trials = [
        view.trials[0]._replace(
            number=i,
            cell=cells[i],
            accuracy=float(truth[i] + luck[i]),
            seconds=float(seconds[i]),
            values=(float(truth[i] + luck[i]), float(seconds[i])),
            user_attrs={"learning_curve": (truth[i] + rng.normal(0, noise, 9)).tolist()},
        )
        for i in range(count)
    ]
    view = view._replace(trials=tuple(trials))
    return view, float(np.mean([luck[trial.number] for trial in view.front]))


@pytest.mark.parametrize("noise", [0.005, 0.02])
def test_what_the_choice_adds_is_found_from_the_accuracies_alone(noise: float) -> None:
    studies = [noisy_view(noise, seed=seed) for seed in range(8)]
    found = [expected_excess(study) for study, _ in studies]
    true = float(np.mean([luck for _, luck in studies]))
    assert np.mean([row.noise for row in found]) == pytest.approx(noise, rel=0.1)
    assert np.mean([row.choice for row in found]) == pytest.approx(true, rel=0.35)
    assert all(row.total == pytest.approx(row.epochs + row.choice) for row in found)
    assert f"too high by about {found[0].total:.3f}" in found[0].sentence


def test_fresh_trainings_replace_the_estimate() -> None:
    view, _ = noisy_view(0.01)
    best = view.front[0]
    assert best.accuracy is not None
    view = view._replace(confirmed={best.number: (best.accuracy - 0.02,) * 2})
    excess = expected_excess(view)
    assert excess.measured == excess.total == pytest.approx(0.02)
    assert "0.020 less accurate than in the search" in excess.sentence


def test_noise_of_cells_trained_several_times() -> None:
    view = view_study(make_study([(0.90, 1.0), (0.92, 1.1)]))
    view = view._replace(trials=tuple(t._replace(cell=Cell()) for t in view.trials))
    assert accuracy_noise(view) == pytest.approx(np.std([0.90, 0.92], ddof=1))


def test_nothing_to_say_without_curves_or_repeats(odd_studies: dict[str, optuna.Study]) -> None:
    for study in odd_studies.values():
        excess = expected_excess(study)
        assert excess.sentence
        assert excess.total is None or np.isfinite(excess.total)
    assert expected_excess(odd_studies["empty"]).total is None
