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


COSTS = {"identity": 0.1, "3x3 conv": 1.0, "5x5 conv": 1.6}


def noisy_view(noise: float, count: int = 200, seed: int = 0) -> tuple[StudyView, float]:
    """Return a study of noisy accuracies and by how much its front is too high."""
    rng = np.random.default_rng(seed)
    view = view_study(make_study([(0.5, 1.0)]))
    space = SearchSpace(["identity", "3x3 conv", "5x5 conv"], max_blocks=2)
    cells = list(space.expand(list(space.first_level())))
    trials, lucks = [], []
    for number, row in enumerate(rng.choice(len(cells), count, replace=False)):
        work = sum(COSTS[name] for name in cells[row].operators)
        truth = 0.9 - 0.3 * np.exp(-work / 2)
        lucks.append(rng.normal(0, noise))
        values = (float(truth + lucks[-1]), float(work * np.exp(rng.normal(0, 0.1))))
        trials.append(
            view.trials[0]._replace(
                number=number,
                cell=cells[row],
                accuracy=values[0],
                seconds=values[1],
                values=values,
                user_attrs={"learning_curve": [0.1, values[0], values[0] - 0.003]},
            )
        )
    view = view._replace(trials=tuple(trials))
    return view, float(np.mean([lucks[trial.number] for trial in view.front]))


@pytest.mark.parametrize("noise", [0.005, 0.02])
def test_what_the_choice_adds_is_found_from_the_accuracies_alone(noise: float) -> None:
    studies = [noisy_view(noise, seed=seed) for seed in range(4)]
    found = [expected_excess(study) for study, _ in studies]
    true = float(np.mean([luck for _, luck in studies]))
    assert 0.7 < np.mean([row.noise for row in found]) / noise < 1.8
    assert 0.5 < np.mean([row.choice for row in found]) / true < 2
    assert all(row.total == pytest.approx(0.003 + row.choice) for row in found)
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
