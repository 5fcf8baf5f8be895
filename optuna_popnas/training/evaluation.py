"""How good a trained model is on images that it has not seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.metrics import measure
from optuna_popnas.training.model import TrainedModel


_BATCH = 256


class Evaluation(NamedTuple):
    """What a model got right.

    Attributes:
        images: How many images were looked at.
        accuracy: Share of the images whose class was found.
        top5: Share whose class was among the five most likely; None with five classes or fewer.
        macro_f1: Mean of the classes' F1 scores.
        confusion: ``(K, K)`` images; rows are true classes, columns predicted ones.
        class_names: One name per class.
    """

    images: int
    accuracy: float
    top5: float | None
    macro_f1: float
    confusion: npt.NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def deviation(self) -> float:
        """Standard deviation of the accuracy, as it is of so many images."""
        return float(np.sqrt(self.accuracy * (1 - self.accuracy) / max(self.images, 1)))


def evaluate(model: TrainedModel, data: ImageData | Any) -> Evaluation:
    """Test a model: on the test set of some data, or on all their images if they have none.

    Args:
        model: The model.
        data: Images with the model's classes, or whatever :func:`~optuna_popnas.load_dataset`
            takes; they are resized as those that it was trained on.

    Raises:
        ValueError: The data have other classes or channels than the model.
    """
    found = data
    if not isinstance(found, ImageData):
        found = load_dataset(data, image_size=model.image_size)
    unknown = [name for name in found.class_names if name not in model.class_names]
    if unknown:
        raise ValueError(
            f"Classes of {found.name!r} must be among those of the model, "
            f"{', '.join(model.class_names[:8])}, but got {unknown[0]!r}."
        )
    if found.in_channels != model.network.in_channels:
        raise ValueError(
            f"Images must have {model.network.in_channels} channels, as those that the model was "
            f"trained on, but {found.name!r} has {found.in_channels}."
        )
    places = np.array([model.class_names.index(name) for name in found.class_names])
    images, labels = found.images, found.labels
    if found.test_images is not None and found.test_labels is not None:
        images, labels = found.test_images, found.test_labels
    labels = places[labels]
    parts = [
        model.predict(np.stack([images[place] for place in range(start, stop)]))
        for start, stop in _batches(len(labels))
    ]
    logits = np.concatenate(parts)
    result = measure(labels, logits.argmax(axis=1), len(model.class_names))
    top5 = None
    if len(model.class_names) > 5:
        best = np.argpartition(-logits, 5, axis=1)[:, :5]
        top5 = float((best == labels[:, None]).any(axis=1).mean())
    return Evaluation(
        len(labels), result.accuracy, top5, result.macro_f1, result.confusion, model.class_names
    )


def _batches(count: int) -> list[tuple[int, int]]:
    return [(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]
