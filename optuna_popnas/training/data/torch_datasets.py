"""Images and labels of any ``torch.utils.data.Dataset`` of (image, label) pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.images import read_all
from optuna_popnas.training.data.images import resized


UInt8 = npt.NDArray[np.uint8]


def is_torch_dataset(source: Any) -> bool:
    """Whether this is a data set with indices and a length."""
    return hasattr(source, "__getitem__") and hasattr(source, "__len__")


def read_torch_dataset(
    dataset: Any, size: tuple[int, int] | None, limit: int
) -> tuple[Any, npt.NDArray[Any], tuple[str, ...] | None]:
    """Return images (an array, or read lazily if they are too many), labels and class names.

    torchvision's data sets that hold all images in ``data`` and all labels in ``targets``, and
    have no transforms, are read at once. Of others each item is asked for: its image is a PIL
    image, an array ``(H, W)`` or ``(H, W, C)``, or a tensor ``(C, H, W)``.

    Raises:
        ValueError: The data set is empty, or an item is no such pair.
    """
    if len(dataset) == 0:
        raise ValueError("A data set must have images, but got one of length 0.")
    names = getattr(dataset, "classes", None)
    names = tuple(map(str, names)) if isinstance(names, (list, tuple)) and names else None
    whole = _arrays(dataset)
    if whole is not None:
        images, labels = whole
        return images, labels, _checked_names(names, labels)
    lazy = DatasetImages(dataset, size)
    fits = int(np.prod(lazy.shape, dtype=np.int64)) <= limit
    if not fits:
        labels = _labels(dataset)
        return lazy, labels, _checked_names(names, labels)
    lazy.labels = [None] * len(dataset)
    images = read_all(lazy)
    labels = _label_array(lazy.labels)
    return images, labels, _checked_names(names, labels)


def _checked_names(
    names: tuple[str, ...] | None, labels: npt.NDArray[Any]
) -> tuple[str, ...] | None:
    """Return the names only if the labels are indices into them."""
    if names is None or labels.dtype.kind not in "ui" or labels.ndim != 1:
        return None
    return names if 0 <= labels.min() and labels.max() < len(names) else None


def _arrays(dataset: Any) -> tuple[Any, npt.NDArray[Any]] | None:
    if any(getattr(dataset, key, None) is not None for key in ("transform", "target_transform")):
        return None
    data = getattr(dataset, "data", None)
    labels = getattr(dataset, "targets", getattr(dataset, "labels", None))
    if data is None or labels is None or not hasattr(data, "shape"):
        return None
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    labels = _label_array(labels)
    if len(data) != len(dataset) or len(labels) != len(dataset):
        return None
    return data, labels


def _label_array(labels: Any) -> npt.NDArray[Any]:
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    elif isinstance(labels, (list, tuple)):
        labels = [label.item() if hasattr(label, "item") else label for label in labels]
        if any(label is None for label in labels):
            return np.array(labels, dtype=object)
    return np.asarray(labels)


def _labels(dataset: Any) -> npt.NDArray[Any]:
    """Return all labels, from a list that the data set keeps if it does."""
    for key in ("targets", "labels", "_labels"):
        labels = getattr(dataset, key, None)
        if labels is not None and getattr(dataset, "target_transform", None) is None:
            array = _label_array(labels)
            if array.shape[:1] == (len(dataset),):
                return array
    samples = getattr(dataset, "samples", None)
    if samples is not None and len(samples) == len(dataset):
        return _label_array([sample[1] for sample in samples])
    return _label_array([_pair(dataset, index)[1] for index in range(len(dataset))])


def _pair(dataset: Any, index: int) -> tuple[Any, Any]:
    try:
        item = dataset[index]
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"Image {index} of the data set cannot be read ({reason}). Repair or remove it."
        ) from None
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise ValueError(
            "Items of a data set must be pairs (image, label), but item "
            f"{index} is {type(item).__name__}. Labels are needed to train."
        )
    return item[0], item[1]


class DatasetImages:
    """The images of a data set, as uint8 arrays of one size, asked for one by one.

    Args:
        dataset: Items are pairs (image, label).
        size: Height and width; those of the first image if left out.
    """

    def __init__(self, dataset: Any, size: tuple[int, int] | None) -> None:
        self._dataset = dataset
        first = to_bytes(_pair(dataset, 0)[0], 0)
        self._channels = first.shape[0]
        self._size = size or (first.shape[1], first.shape[2])
        self._resize = size is not None
        self.labels: list[Any] | None = None  # filled in as items are read

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, C, H, W)``."""
        return len(self._dataset), self._channels, *self._size

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> UInt8:
        value, label = _pair(self._dataset, int(index))
        if self.labels is not None:
            self.labels[index] = label
        image = to_bytes(value, index)
        if image.shape[0] != self._channels:
            raise ValueError(
                f"All images must have {self._channels} channels as the first one, but image "
                f"{index} has {image.shape[0]}. Convert it."
            )
        if not self._resize and image.shape[1:] != self._size:
            raise ValueError(
                f"All images must have the size {self._size} of the first one, but image {index} "
                f"has {image.shape[1:]}. Pass `image_size` to resize them."
            )
        return resized(image[None], self._size)[0]


def to_bytes(image: Any, index: int) -> UInt8:
    """Return a PIL image, an array or a tensor as a ``(C, H, W)`` uint8 array.

    Floating-point values must be in [0, 1], as ``torchvision.transforms.ToTensor`` gives them.

    Raises:
        ValueError: The values or dimensions are others.
    """
    tensor = hasattr(image, "detach")
    array = np.asarray(image.detach().cpu() if tensor else image)
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and not tensor and (array.shape[2] <= 4 or array.shape[0] > 4):
        array = array.transpose(2, 0, 1)
    if array.ndim != 3 or array.dtype.kind not in "uifb":
        raise ValueError(
            "Images of a data set must be PIL images, arrays or tensors of 2 or 3 dimensions, but "
            f"image {index} is {type(image).__name__} of shape {array.shape}."
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    top = 1.0 if array.dtype.kind in "fb" else 255.0
    low, high = float(array.min(initial=0)), float(array.max(initial=0))
    if not 0.0 <= low <= high <= top + 1e-6:
        raise ValueError(
            f"Values of an image must be from 0 to {top:g}, but image {index} has "
            f"{low:g} to {high:g}. Leave normalisation out: networks are given [0, 1]."
        )
    return np.rint(array.astype(np.float32) * (255.0 / top)).astype(np.uint8)
