"""A trained network with everything that is known about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from optuna_popnas._version import __version__
from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.cost import cell_costs
from optuna_popnas.networks.network import build_network
from optuna_popnas.networks.network import Network
from optuna_popnas.space.cell import Cell
from optuna_popnas.training.checkpoint import read_tensors
from optuna_popnas.training.checkpoint import write_json
from optuna_popnas.training.checkpoint import write_tensors
from optuna_popnas.training.data.arrays import to_unit
from optuna_popnas.training.data.arrays import unit_of
from optuna_popnas.training.data.files import image_files
from optuna_popnas.training.data.image_data import ImageData


#: What the file is; readers check it.
FORMAT = "optuna-popnas model"
VERSION = 1


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained network and its card.

    Args:
        network: The network, in evaluation mode.
        data: What it was trained on: ``name``, ``image_size`` (height, width), ``class_names``
            and ``range``, the numbers between which the images were that networks see as 0 to 1.
        training: Settings of its training.
        figures: What was measured, as JSON values: ``test_accuracy``, ``validation_accuracy``,
            ``confusion`` (rows are true classes, columns predicted ones), ``train_seconds`` and
            others.
        samples: ``(n, C, H, W)`` some real images, uint8, to check exported files on.
    """

    network: Network
    data: Mapping[str, Any]
    training: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    samples: npt.NDArray[np.uint8] | None = None

    @property
    def cell(self) -> Cell:
        """The cell that the network is made of."""
        return self.network.cell

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name per class."""
        return tuple(self.data["class_names"])

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its images."""
        height, width = self.data["image_size"]
        return int(height), int(width)

    @property
    def top(self) -> float:
        """The number of the training images that the network saw as 1."""
        return float(self.data.get("range", (0, 255))[1])

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """``(classes, classes)`` images of the true class (row) given a class (column)."""
        return np.array(self.figures["confusion"], dtype=np.int64)

    def card(self) -> dict[str, Any]:
        """Return what there is to know about the model, as JSON values."""
        network = self.network
        costs = cell_costs(
            [network.cell],
            network.config,
            in_channels=network.in_channels,
            classes=network.classes,
            image_size=self.image_size,
        )
        return {
            "format": FORMAT,
            "version": VERSION,
            "library": __version__,
            "cell": str(network.cell),
            "network": network.config.to_dict(),
            "data": {
                "name": self.data["name"],
                "in_channels": network.in_channels,
                "image_size": list(self.image_size),
                "class_names": list(self.class_names),
                "range": [0.0, self.top],
            },
            "training": dict(self.training),
            "input": {
                "name": "images",
                "shape": ["batch", network.in_channels, *self.image_size],
                "type": "float32",
                "range": [0, 1],
            },
            "output": {"name": "logits", "shape": ["batch", network.classes]},
            "parameters": int(costs.parameters[0]),
            "flops": int(costs.flops[0]),
            "figures": dict(self.figures),
        }

    def predict(
        self,
        images: npt.NDArray[Any] | str | Path | Sequence[str | Path],
        *,
        batch_size: int = 256,
    ) -> npt.NDArray[np.float32]:
        """Return the logits of images.

        Args:
            images: ``(n, C, H, W)``, in the range of the training images; uint8 and
                floating-point numbers in [0, 1] will always do. Or an image file, or several,
                which are resized.
            batch_size: Images at a time.

        Returns:
            ``(n, classes)``; the largest of a row is the predicted class.

        Raises:
            ValueError: They are in another range, or a file is no image.

        Example:
            >>> row = model.predict("cat.jpg")[0]  # doctest: +SKIP
            >>> model.class_names[row.argmax()]  # doctest: +SKIP
            'cat'
        """
        if isinstance(images, (str, Path)):
            images = [images]
        if len(images) and all(isinstance(image, (str, Path)) for image in images):
            files = [Path(str(file)) for file in images]
            source = image_files(files, self.network.in_channels, self.image_size)
            images = np.stack([source.read(place) for place in range(len(files))])
        images = np.asarray(images)
        unit = unit_of(images, self.top)
        device = next(self.network.parameters()).device
        logits = []
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                batch = to_unit(images[start : start + batch_size], unit)
                logits.append(self.network(torch.from_numpy(batch).to(device)).float().cpu())
        if not logits:
            return np.empty((0, self.network.classes), dtype=np.float32)
        result: npt.NDArray[np.float32] = torch.cat(logits).numpy()
        return result

    def save(self, folder: str | Path, *, name: str = "model") -> Path:
        """Write ``<name>.safetensors`` and the card ``<name>.json``; :func:`load_model` reads it.

        The card is in the safetensors file, too, so that the two cannot be mixed up.

        Returns:
            The safetensors file.

        Raises:
            OSError: A file cannot be written; those that were there are kept.
        """
        card = self.card()
        path = Path(folder) / f"{name}.safetensors"
        write_tensors(path, self.network.state_dict(), card, what="Model file")
        write_json(path.with_suffix(".json"), card, what="Model card")
        return path


def describe_data(data: ImageData) -> dict[str, Any]:
    """Return what a model's card says of the data that it was trained on."""
    return {
        "name": data.name,
        "image_size": list(data.image_size),
        "class_names": list(data.class_names),
        "range": [0.0, data.top],
    }


def load_model(path: str | Path, *, name: str = "model") -> TrainedModel:
    """Read a model that was saved by :meth:`TrainedModel.save`.

    Args:
        path: The safetensors file, or the folder it is in.
        name: The file's name without its ending, if ``path`` is a folder.

    Raises:
        ValueError: The file is missing, damaged, or no model of this library.
    """
    path = Path(path)
    if path.is_dir() or path.suffix != ".safetensors":
        path = path / f"{name}.safetensors"
    tensors, card = read_tensors(path, what="Model file")
    if card.get("format") != FORMAT:
        raise ValueError(
            f"Model file {str(path)!r} must be a saved model, but it is {card.get('format')!r}. "
            "Retrain to the end, or name the model's file."
        )
    try:
        return _read_model(card, tensors)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"Model file {str(path)!r} must be as it was saved, but its card does not fit its "
            f"weights ({type(error).__name__}: {str(error).strip().splitlines()[0]}). Copy it "
            "again, or register the operators that it was made with."
        ) from None


def _read_model(card: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TrainedModel:
    data = card["data"]

    def build() -> Network:
        return build_network(
            Cell.parse(card["cell"]),
            NetworkConfig.from_dict(card["network"]),
            in_channels=data["in_channels"],
            classes=len(data["class_names"]),
        )

    with torch.device("meta"):  # a card may ask for any size; no memory is taken for it
        shapes = {name: tensor.shape for name, tensor in build().state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if shapes != found:
        wrong = next(n for n in (*shapes, *found) if shapes.get(n) != found.get(n))
        raise ValueError(f"{wrong}: {found.get(wrong)} instead of {shapes.get(wrong)}")
    network = build()
    network.load_state_dict(dict(tensors))
    return TrainedModel(network.eval(), dict(data), dict(card["training"]), dict(card["figures"]))
