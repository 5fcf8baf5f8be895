"""A search in one call, and what comes after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optuna_popnas as popnas
from optuna_popnas.objective import proxies
from optuna_popnas.objective.proxies import affordable_proxy
from optuna_popnas.objective.proxies import PROXIES
from optuna_popnas.objective.proxies import Proxy
from optuna_popnas.objective.proxies import validation_part
from optuna_popnas.training.schedule import wasted_epochs


OPERATORS = ("identity", "3x3 conv")


def test_from_images_to_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "PROXIES", PROXIES[-1:])
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    arguments: dict[str, Any] = {"operators": OPERATORS, "max_blocks": 1, "storage": storage}
    study = popnas.search("digits", hours=0.005, progress=False, **arguments)
    assert study.best_trials and study.study_name == "digits"
    trained = len(study.trials)
    again = popnas.search("digits", hours=0.005, progress=False, **arguments)
    assert len(again.trials) >= trained
    model = popnas.retrain(study, hours=1e-6, machine=popnas.MachineConfig())
    searched = popnas.TrainingConfig.from_dict(study.user_attrs["settings"]["training"])
    assert model.training == {**searched.to_dict(), "epochs": 2, "restart_epochs": 2}
    assert popnas.evaluate(model, "digits").images == 1797


def test_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "PROXIES", [Proxy(6, 1, 1, 2, 3)])
    labels = np.arange(60) % 2
    pixels = np.full((60, 12, 12), 30, np.uint8) + (200 * labels[:, None, None]).astype(np.uint8)
    study = popnas.search(
        (pixels, labels), hours=0.0005, operators=OPERATORS, max_blocks=1, progress=False
    )
    assert study.user_attrs["proxy"][0] == 6  # resized
    with pytest.raises(ValueError, match="`data` must be given"):
        popnas.retrain(study)


def test_hours_must_be_positive() -> None:
    with pytest.raises(ValueError, match="`hours` must be greater than 0, but got 0"):
        popnas.search("digits", hours=0)


def test_the_richest_proxy_that_is_fast_enough() -> None:
    made: list[Proxy] = []
    data = popnas.load_dataset("digits", samples=100)

    def make(proxy: Proxy) -> popnas.TrainingObjective:
        made.append(proxy)
        space = popnas.SearchSpace(OPERATORS, max_blocks=1)
        training = popnas.TrainingConfig(epochs=3)
        small = popnas.NetworkConfig(1, 1, 2)
        return popnas.TrainingObjective(space, data, network=small, training=training)

    assert affordable_proxy(make, 1e9)[0] == PROXIES[0]._replace(side=8)
    assert made == [PROXIES[0]]
    assert affordable_proxy(make, 0.0)[0] == PROXIES[-1]._replace(side=8)


@pytest.mark.parametrize("proxy", PROXIES)
def test_proxies_end_with_a_period(proxy: Proxy) -> None:
    assert wasted_epochs(popnas.TrainingConfig(epochs=proxy.epochs)) is None


def test_the_room_of_the_algorithm_is_a_room_still() -> None:
    import optuna_popnas.search

    assert optuna_popnas.search.pareto_front([1.0], [1.0]).tolist() == [0]


@pytest.mark.parametrize(("count", "part"), [(60, 0.3), (300, 0.3), (1000, 0.2), (9000, 0.1)])
def test_a_larger_part_of_few_images_validates(count: int, part: float) -> None:
    """300 photos were searched with 30 of them: the best of the first ten cells had 1.000."""
    images = np.zeros((count, 4, 4), np.uint8)
    data = popnas.load_dataset((images, np.arange(count) % 2))
    assert validation_part(data) == part
    more = popnas.load_dataset((images, np.arange(count) % 2), validation_fraction=0.5)
    assert validation_part(more) == 0.5
