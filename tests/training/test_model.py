"""Trained models, asked about images."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_popnas import Cell
from optuna_popnas import NetworkConfig
from optuna_popnas import retrain
from optuna_popnas import TrainingConfig
from optuna_popnas.training.data.load import load_dataset


LABELS = np.arange(40) % 2


@pytest.mark.parametrize("top", [16, 1.0, 4095.0, 255])
def test_models_take_images_as_the_user_has_them(top: float) -> None:
    """Digits as 0 to 16 were predicted as if they were 0 to 1: 29.5 % right instead of 84.1 %."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (40, 8, 8)) / 16 * top
    if top in (255, 16):
        images = np.rint(images).astype(np.uint8 if top == 255 else np.int64)
    data = load_dataset((images, LABELS), validation_fraction=0.2)
    cell = Cell.parse("[(-1, 'identity', -1, 'identity')]")
    network = NetworkConfig(motifs=1, normal_cells=1, filters=2)
    training = TrainingConfig(epochs=1, restart_epochs=None)
    model = retrain(cell, data, network=network, training=training)
    assert model.card()["data"]["range"] == [0.0, top]
    expected = model.predict(np.asarray(data.images))  # the library's bytes
    # As the training images were, in whatever type; and as the network sees them.
    given = images[:, None]
    for same in (given, given.astype(np.float32), given.astype(np.float64) / top):
        np.testing.assert_allclose(model.predict(same), expected, atol=0.02)
    with pytest.raises(ValueError, match=f"`images` must hold numbers from 0 to {top:g} as the"):
        model.predict(given.astype(np.float64) * 300)
    with pytest.raises(ValueError, match="`images` must hold numbers >= 0"):
        model.predict(given.astype(np.float64) - 1)
    assert len(model.predict(given[:0])) == 0
