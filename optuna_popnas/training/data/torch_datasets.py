"""Images and labels of any ``torch.utils.data.Dataset`` of (image, label) pairs."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.arrays import ArrayImages
from optuna_popnas.training.data.arrays import channels_first
from optuna_popnas.training.data.arrays import resized
from optuna_popnas.training.data.files import to_pixels
from optuna_popnas.training.data.forms import innermost
from optuna_popnas.training.data.labels import Part
from optuna_popnas.training.data.source import Damaged
from optuna_popnas.training.data.source import DIGEST_IMAGES
from optuna_popnas.training.data.source import Source
from optuna_popnas.training.data.source import spread
from optuna_popnas.training.data.source import UInt8
from optuna_popnas.training.data.source import undamaged


def read_torch_dataset(
    dataset: Any, size: tuple[int, int] | None, limit: int, skip_damaged: bool
) -> Part:
    """Return images and labels, and class names where the data set or what it wraps has them.

    torchvision's data sets that hold all images in ``data`` and all labels in ``targets``, and
    have no transforms, are read at once. Of others each item is asked for: its image is a PIL
    image, an array ``(H, W)`` or ``(H, W, C)``, or a tensor ``(C, H, W)``.

    Raises:
        ValueError: The data set is empty, or an item is no such pair.
    """
    if len(dataset) == 0:
        raise ValueError("A data set must have images, but got one of length 0.")
    names = getattr(innermost(dataset), "classes", None)
    names = tuple(map(str, names)) if isinstance(names, (list, tuple)) and names else None
    images, labels = getattr(dataset, "data", None), _labels(dataset)
    plain = not any(getattr(dataset, key, None) for key in ("transform", "target_transform"))
    if plain and labels is not None and images is not None:
        if len(getattr(images, "shape", ())) >= 3 and len(images) == len(dataset):
            return Part(as_array(images), labels, _checked(names, labels))
    source = DatasetImages(dataset, size)
    if labels is not None:
        return Part(source, labels, _checked(names, labels), 255.0)
    # Labels come with images: these are kept if they fit.
    fits = int(np.prod(source.shape, dtype=np.int64)) <= limit
    array, bad = source.array() if fits else (None, source.ask())
    keep = undamaged(len(dataset), bad, skip_damaged)
    labels = as_labels([source.labels[index] for index in keep.tolist()])
    images = source.take(keep) if array is None else ArrayImages(array[keep], 255.0)
    return Part(images, labels, _checked(names, labels), 255.0, source.take(keep).digest())


def _checked(names: tuple[str, ...] | None, labels: npt.NDArray[Any]) -> tuple[str, ...] | None:
    """Return the names only if the labels are indices into them."""
    if names is None or labels.dtype.kind not in "ui" or labels.ndim != 1:
        return None
    return names if 0 <= labels.min() and labels.max() < len(names) else None


def _kind(item: Any) -> str:
    """Return what an item is, in words."""
    if isinstance(item, Mapping):
        return f"a dictionary of {', '.join(map(str, item))}"
    return f"{type(item).__name__}" + f" of {len(item)}" * isinstance(item, (tuple, list))


def as_array(value: Any) -> npt.NDArray[Any]:
    """Return a tensor or anything else as an array."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def as_labels(labels: Any) -> npt.NDArray[Any]:
    """Return labels, numbers, texts or tensors, as an array; some may be None."""
    if isinstance(labels, (list, tuple)):
        labels = [as_array(x).tolist() if hasattr(x, "item") else x for x in labels]
        if any(label is None for label in labels):
            return np.array(labels, dtype=object)
    return as_array(labels)


def _labels(dataset: Any) -> npt.NDArray[Any] | None:
    """Return all labels where a data set, or what it wraps, keeps a list of them."""
    if getattr(dataset, "target_transform", None) is not None:
        return None
    if hasattr(dataset, "dataset") and hasattr(dataset, "indices"):  # a Subset
        inner = _labels(dataset.dataset)
        return None if inner is None else inner[np.asarray(dataset.indices)]
    if hasattr(dataset, "datasets"):  # a ConcatDataset
        parts = [_labels(part) for part in dataset.datasets]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if len(known) == len(parts) else None
    samples = getattr(dataset, "samples", None)
    lists = [getattr(dataset, key, None) for key in ("targets", "labels", "_labels")]
    for labels in (*lists, samples and [sample[1] for sample in samples]):
        if labels is not None:
            array = as_labels(labels)
            if array.shape[:1] == (len(dataset),):
                return array
    return None


class DatasetImages(Source):
    """The images of a data set, asked for one by one.

    Args:
        dataset: Items are pairs (image, label).
        size: Height and width; those of the first image if left out.
    """

    def __init__(self, dataset: Any, size: tuple[int, int] | None) -> None:
        self._dataset = dataset
        self.labels: dict[int, Any] = {}  # of the items that were asked for
        first = item_bytes(self._pair(0)[0], 0)
        super().__init__(len(dataset), (first.shape[0], *(size or first.shape[1:])))
        self._resize = size is not None

    def ask(self) -> dict[int, Damaged]:
        """Ask for all items, for the sake of their labels; returns those that fail."""
        bad = {}
        for place in range(len(self)):
            try:
                self._pair(place)
            except Damaged as error:
                bad[place] = error
        return bad

    def _pair(self, place: int) -> tuple[Any, Any]:
        try:
            item = self._dataset[place]
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Damaged(f"no. {place}", reason) from None
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise ValueError(
                f"Items of a data set must be pairs (image, label), but item {place} is "
                f"{_kind(item)}. Labels are needed to train."
            )
        self.labels[place] = item[1]
        return item[0], item[1]

    def read(self, place: int) -> UInt8:
        """Ask for an item."""
        image = item_bytes(self._pair(place)[0], place)
        channels, *size = self.item_shape
        if image.shape[0] != channels:
            raise ValueError(
                f"All images must have {channels} channels as the first one, but image "
                f"{place} has {image.shape[0]}. Convert it."
            )
        if not self._resize and image.shape[1:] != tuple(size):
            raise ValueError(
                f"All images must have the size {tuple(size)} of the first one, but image {place} "
                f"has {image.shape[1:]}. Pass `image_size` to resize them."
            )
        return resized(image[None], (size[0], size[1]))[0]

    def digest(self) -> bytes:
        """Return a digest of some images; of none where they are others each time."""
        digest = hashlib.blake2b(repr(self.shape).encode(), digest_size=16)
        places = self.picks[spread(len(self), DIGEST_IMAGES)].tolist()
        try:
            images = [self.read(place).tobytes() for place in places]
            if images[:4] == [self.read(place).tobytes() for place in places[:4]]:
                digest.update(b"".join(images))
        except Damaged:
            pass
        return digest.digest()


def item_bytes(image: Any, index: int) -> UInt8:
    """Return a PIL image, an array or a tensor as a ``(C, H, W)`` uint8 array.

    Floating-point values must be in [0, 1], as ``torchvision.transforms.ToTensor`` gives them.

    Raises:
        ValueError: The values or dimensions are others.
    """
    if hasattr(image, "getbands") and image.getbands()[0] not in ("I", "F"):
        return to_pixels(image, 1 if image.getbands()[0] in ("1", "L") else 3, None)
    tensor = hasattr(image, "detach")
    array = as_array(image)
    if array.ndim not in (2, 3) or array.dtype.kind not in "uifb":
        raise ValueError(
            "Images of a data set must be PIL images, arrays or tensors of 2 or 3 dimensions, but "
            f"image {index} is {type(image).__name__} of shape {array.shape}."
        )
    array = channels_first(array[None], f"image {index}", None, tensor=tensor)[0]
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
