"""Metrics against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from sklearn.metrics import f1_score

from optuna_popnas.training.metrics import measure


@pytest.mark.parametrize("seed", range(5))
def test_against_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(0, 5, (2, 60))
    found = measure(labels, predictions, 6)
    assert found.accuracy == pytest.approx(np.mean(labels == predictions))
    # Class 5 neither occurs nor is predicted.
    assert found.macro_f1 == pytest.approx(f1_score(labels, predictions, average="macro"))
    np.testing.assert_array_equal(
        found.confusion, confusion_matrix(labels, predictions, labels=range(6))
    )
