"""What is measured on validation and test images, from predictions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Metrics(NamedTuple):
    """Quality of predictions.

    Attributes:
        accuracy: Share of right predictions.
        macro_f1: Mean over classes of the F1 score; classes that neither occur nor are
            predicted are left out.
        confusion: ``(K, K)`` counts, rows are true classes, columns predicted ones.
    """

    accuracy: float
    macro_f1: float
    confusion: npt.NDArray[np.int64]


def measure(
    labels: npt.NDArray[np.int64], predictions: npt.NDArray[np.int64], classes: int
) -> Metrics:
    """Compare predicted with true classes.

    Args:
        labels: ``(n,)`` true classes.
        predictions: ``(n,)`` predicted classes.
        classes: Number of classes K.
    """
    confusion = np.bincount(labels * classes + predictions, minlength=classes * classes)
    confusion = confusion.reshape(classes, classes).astype(np.int64)
    right = np.diagonal(confusion)
    involved = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = involved > 0
    f1 = 2.0 * right[present] / involved[present]
    accuracy = float(right.sum() / max(len(labels), 1))
    return Metrics(accuracy, float(f1.mean()) if len(f1) else 0.0, confusion)
