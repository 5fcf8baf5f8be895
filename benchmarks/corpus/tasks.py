"""The trainings that the corpus holds: images, networks, and which cells.

Every training ends with a cosine cycle (3 + 6 epochs, or 3 + 6 + 12). Learning curves are of a few
hundred validation images after some epochs; the accuracy is that of the last epoch on all images
that were not trained on, a few thousand, so that it is worth more than one look at few images.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
import os
from pathlib import Path

import numpy as np

from optuna_popnas import load_dataset
from optuna_popnas import NetworkConfig
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingConfig
from optuna_popnas.training import ImageData


FOUR = ("identity", "1x1 conv", "5x5 dconv", "2x2 avgpool")
TWO = ("3x3 conv", "identity")
#: Epochs after which the learning curve is measured; the last one of 21 is measured too.
CURVE = (1, 2, 3, 6, 9, 21)


@dataclass(frozen=True)
class Task:
    """One file of the corpus.

    Attributes:
        data: The images: ``"digits"``, ``"fashion-mnist"`` or ``"cifar10"``.
        space: The cells.
        cells: How many cells are wanted; None for all of the space.
        seeds: Trainings of every cell; of a sampled space, every tenth cell has three.
        filters: Channels of the first cell.
        epochs: Epochs of one training.
        batch: Images per step.
        like: Train the cells of this other task, in their order.
        turn: Cells that are trained before the next task has its turn.
    """

    data: str
    space: SearchSpace = field(default_factory=lambda: SearchSpace(PAPER_OPERATORS, 5, 2))
    cells: int | None = 4000
    seeds: int = 1
    filters: int = 8
    epochs: int = 9
    batch: int = 64
    like: str | None = None
    turn: int = 20

    @property
    def network(self) -> NetworkConfig:
        """How networks are made of cells: three cells, the middle one halving the image."""
        return NetworkConfig(motifs=2, normal_cells=1, filters=self.filters)

    @property
    def training(self) -> TrainingConfig:
        """How networks are trained."""
        return TrainingConfig(
            epochs=self.epochs,
            batch_size=self.batch,
            restart_epochs=3,
            batch_norm="epoch",
            flip=self.data != "digits",
            translation=0.125 if self.data == "digits" else 0.0,
        )


#: In the order of their turns.
TASKS = {
    "digits4": Task(
        "digits", SearchSpace(FOUR, 2, 2), None, seeds=4, filters=16, batch=32, turn=120
    ),
    "fashion": Task("fashion-mnist", turn=24),
    "cifar10": Task("cifar10", batch=32, turn=14),
    "digits": Task("digits", filters=16, batch=32, turn=16),
    "fashion16": Task("fashion-mnist", cells=2000, filters=16, epochs=21, like="fashion", turn=2),
    "digits2": Task("digits", SearchSpace(TWO, 3, 2), None, filters=16, batch=32, turn=16),
}
# Training, validation and test images; a quarter of the test images of digits, each shifted by
# other pixels, as are the training images.
_SIZES = {"digits": (700, 300, 797), "fashion-mnist": (1280, 800, 4000)}
_SIZES["cifar10"] = (1600, 800, 4000)
_PIXELS = {"digits": None, "fashion-mnist": 14, "cifar10": 16}
_SHIFTS = {"digits": (2, 2)}


def load(name: str, folder: Path | None = None) -> ImageData:
    """Return the images of a task, always the same ones.

    Args:
        name: See :attr:`Task.data`.
        folder: CIFAR-10's images in one folder per class; downloaded if left out.
    """
    train, validation, test = _SIZES[name]
    source = str(folder) if name == "cifar10" and folder is not None else name
    whole = load_dataset(source, image_size=_PIXELS[name], samples=20_000, name=name)
    order = np.random.default_rng(0).permutation(len(whole.labels))
    images = np.asarray(whole.images)[order]
    labels = whole.labels[order]
    parts = np.split(np.arange(train + validation + test), [train, train + validation])
    rng = np.random.default_rng(1)
    times = _SHIFTS.get(name)
    pictures = [images[part] for part in parts]
    classes = [labels[part] for part in parts]
    if times is not None:
        for part, count in zip((1, 2), times):
            pictures[part] = _shifted(np.repeat(pictures[part], count, axis=0), rng)
            classes[part] = np.repeat(classes[part], count)
    return ImageData(
        name,
        np.concatenate(pictures[:2]),
        np.concatenate(classes[:2]),
        whole.class_names,
        test_images=pictures[2],
        test_labels=classes[2],
        validation=np.arange(train, train + len(classes[1])),
    )


def _shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the images, each moved by up to one pixel in both directions."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = images.shape[2:]
    moves = rng.integers(0, 3, (len(images), 2))
    return np.stack(
        [image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, moves)]
    )


def output_folder() -> Path:
    """Where the corpus is: this folder, or that of the variable ``CORPUS``."""
    return Path(os.environ.get("CORPUS", Path(__file__).parent))
