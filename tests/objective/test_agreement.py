"""What an objective and the study it is handed must agree on."""

from __future__ import annotations

from pathlib import Path
import shutil

import numpy as np
import optuna
import pytest

from optuna_popnas import NetworkConfig
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingConfig
from optuna_popnas import TrainingObjective
from optuna_popnas.training.data.load import load_dataset
from tests.training.data.pictures import fill


LABELS = np.arange(40) % 2


def test_digits_are_not_mirrored_unless_asked_for() -> None:
    space = SearchSpace(("identity",), max_blocks=1)
    for flip, expected in ((None, False), (True, True)):
        training = TrainingConfig(flip=flip)
        objective = TrainingObjective(space, load_dataset("digits"), training=training)
        assert objective.training.flip is expected
    plain = load_dataset((np.zeros((40, 8, 8), np.uint8), LABELS))
    assert TrainingObjective(space, plain).training.flip is True


def test_a_study_refuses_changed_images_and_knows_them_elsewhere(tmp_path: Path) -> None:
    """A search went on with other images, and did not with the same ones under another path."""
    photos = fill(tmp_path / "photos")
    space = SearchSpace(("identity",), max_blocks=1)
    network = NetworkConfig(motifs=1, normal_cells=1, filters=2)
    training = TrainingConfig(epochs=1, restart_epochs=None)
    study = optuna.create_study(directions=["maximize", "minimize"])

    def search(folder: Path) -> None:
        objective = TrainingObjective(
            space, load_dataset(folder), network=network, training=training
        )
        study.optimize(objective, n_trials=1)

    search(photos)
    shutil.copytree(photos, tmp_path / "elsewhere")
    search(tmp_path / "elsewhere")
    fill(photos, classes="c")
    with pytest.raises(
        ValueError, match="have changed: it had 2 classes, now 3 .'c'.. Use the same"
    ):
        search(photos)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]
