"""One line from what a user has to :class:`ImageData`: a name, a folder, arrays, a file."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
import os
from pathlib import Path
import re
from typing import Any
import warnings

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.arrays import ArrayImages
from optuna_popnas.training.data.arrays import channels_first
from optuna_popnas.training.data.arrays import check_range
from optuna_popnas.training.data.arrays import unit_of
from optuna_popnas.training.data.files import common
from optuna_popnas.training.data.files import Header
from optuna_popnas.training.data.files import headers_of
from optuna_popnas.training.data.files import ImageFiles
from optuna_popnas.training.data.folders import find_images
from optuna_popnas.training.data.forms import are_arrays
from optuna_popnas.training.data.forms import are_pairs
from optuna_popnas.training.data.forms import innermost
from optuna_popnas.training.data.forms import is_torch_dataset
from optuna_popnas.training.data.forms import is_whole
from optuna_popnas.training.data.image_data import capped
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.image_data import Images
from optuna_popnas.training.data.image_data import stratified
from optuna_popnas.training.data.labels import classes_of
from optuna_popnas.training.data.labels import indices_of
from optuna_popnas.training.data.labels import Part
from optuna_popnas.training.data.memory import memory_limit as free_memory
from optuna_popnas.training.data.named import may_be_mirrored
from optuna_popnas.training.data.named import NAMES
from optuna_popnas.training.data.named import read_named
from optuna_popnas.training.data.npz import read_npz
from optuna_popnas.training.data.source import Damaged
from optuna_popnas.training.data.source import DataWarning
from optuna_popnas.training.data.source import digest_of
from optuna_popnas.training.data.source import Joined
from optuna_popnas.training.data.source import Source
from optuna_popnas.training.data.source import undamaged
from optuna_popnas.training.data.torch_datasets import as_array
from optuna_popnas.training.data.torch_datasets import as_labels
from optuna_popnas.training.data.torch_datasets import read_torch_dataset


_SPELLINGS = {name.replace("-", ""): name for name in NAMES}
_LARGE = 200 * 200  # pixels of an image that make trainings slow


def load_dataset(
    source: Any,
    *,
    test: Any = None,
    image_size: int | tuple[int, int] | None = None,
    samples: int | None = None,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.0,
    seed: int = 0,
    root: str | os.PathLike[str] | None = None,
    memory_limit: float | None = None,
    name: str | None = None,
    channels_last: bool | None = None,
    skip_damaged: bool = False,
) -> ImageData:
    """Load a labelled set of images; sizes, channels and classes are found out.

    Args:
        source: One of

            - a name: ``"digits"`` (scikit-learn; nothing is downloaded), ``"fashion-mnist"``
              (Debian's package ``dataset-fashion-mnist`` is used if it is there), ``"cifar10"``,
              ``"cifar100"``, ``"eurosat"`` and others of torchvision;
            - a folder with one sub-folder of images per class, or with such folders below
              ``train``, ``val`` and ``test``. Images are turned upright as their EXIF data say;
              transparent ones are laid on white;
            - a tuple ``(X, y)`` of arrays or tensors, or ``((X, y), (X_test, y_test))``; images
              of shape ``(N, H, W)``, ``(N, C, H, W)`` or ``(N, H, W, C)``;
            - an ``.npz`` file with arrays ``X`` and ``y``, or ``x_train``, ``y_train``,
              ``x_test``, ``y_test``;
            - a ``torch.utils.data.Dataset`` of (image, label) pairs.
        test: The test set, in any of these forms, where ``source`` has none.
        image_size: Height and width, or one number for both, that images are resized to. Left
            out, they keep their size; files of different sizes get their mean size.
        samples: The largest number of training and validation images; classes stay in
            proportion, none loses all its images.
        validation_fraction: Part of each class that validates (Sec. 6.1: 0.1).
        test_fraction: Part of each class to set aside as the test set if there is none.
        seed: Seed of the splits.
        root: Folder for downloads; ``~/.cache/optuna_popnas`` if left out.
        memory_limit: Bytes that images may take. Larger sets, by default those larger than half
            the free memory, are read image by image while networks train.
        name: What the data are called; found out if left out.
        channels_last: Whether arrays are ``(N, H, W, C)``; found out if left out.
        skip_damaged: Leave out images that cannot be read.

    Raises:
        ValueError: The source is none of these, or its images or labels cannot be used; the
            text names the cause and the fix.

    Example:
        >>> data = load_dataset("digits")
        >>> data.images.shape, data.classes
        ((1797, 1, 8, 8), 10)
    """
    size = _check_size(image_size)
    for what, number in (("samples", samples), ("seed", seed)):
        if number is not None and (isinstance(number, bool) or int(number) != number):
            raise ValueError(f"`{what}` must be an integer, but got {number!r}.")
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, but got {seed!r}.")
    if not 0.0 <= test_fraction < 1.0:
        raise ValueError(f"`test_fraction` must be in [0, 1), but got {test_fraction!r}.")
    loading = _Loading(size, free_memory(memory_limit), root, channels_last, skip_damaged)
    found, parts = loading.read(source)
    name = name or found
    train = loading.as_source(parts.pop("train"), name, "X", None)
    loading.like(train)
    if test is not None:
        parts["test"] = loading.read(test)[1]["train"]
    parts = {key: loading.as_source(part, name, f"X_{key}", train) for key, part in parts.items()}
    names, labels = classes_of(name, train)
    content = train.content or digest_of(train.images)
    images = train.images
    if test_fraction and "test" not in parts:
        chosen = stratified(labels, test_fraction, seed=seed + 1, keep=2)
        rest = np.setdiff1d(np.arange(len(labels)), chosen)
        parts["test"] = Part(images.take(chosen), labels[chosen], names)
        images, labels = images.take(rest), labels[rest]
    if samples is not None and samples < 2 * len(names):
        raise ValueError(
            f"`samples` must be at least {2 * len(names)}, two for each class of {name!r}, "
            f"but got {samples}."
        )
    if isinstance(images, ImageFiles):
        images.warn_of_ground()
    chosen = capped(labels, samples, seed=seed)
    images, keep = loading.fetch(images.take(chosen))
    labels = labels[chosen][keep]
    validation = test_images = test_labels = None
    if "validation" in parts:
        more, keep = loading.fetch(parts["validation"].images)
        content += parts["validation"].content or digest_of(parts["validation"].images)
        more_labels = indices_of(f"{name} (validation)", parts["validation"], names)[keep]
        validation = np.arange(len(images), len(images) + len(more), dtype=np.int64)
        images, labels = _joined(name, images, more), np.concatenate([labels, more_labels])
    if "test" in parts:
        test_images, keep = loading.fetch(parts["test"].images)
        test_labels = indices_of(f"{name} (test)", parts["test"], names)[keep]
    undamaged(loading.asked, dict(enumerate(loading.bad)), skip_damaged)
    if size is None and images.shape[2] * images.shape[3] > _LARGE:
        _warn_of_size(images.shape)
    return ImageData(
        name=name,
        images=images,
        labels=labels,
        class_names=names,
        test_images=test_images,
        test_labels=test_labels,
        validation_fraction=validation_fraction,
        validation=validation,
        seed=seed,
        top=train.top or 255.0,
        content=content.hex(),
        mirror=may_be_mirrored(found, names),
    )


@dataclass
class _Loading:
    """How sources are read.

    Args:
        size: Height and width of the images, or None.
        limit: Bytes that images may take; less as they are fetched.
        root: Folder for downloads.
        channels_last: Layout of arrays, or None.
        skip_damaged: Whether to leave out images that cannot be read.
        channels: The least number of channels of image files.
        asked: How many images were fetched.
        bad: Those of them that cannot be read, and may not be left out.
    """

    size: tuple[int, int] | None
    limit: int
    root: str | os.PathLike[str] | None
    channels_last: bool | None
    skip_damaged: bool
    channels: int = 1
    asked: int = 0
    bad: list[Damaged] = field(default_factory=list)

    def read(self, source: Any) -> tuple[str, dict[str, Part]]:
        """Return the name and the parts: "train" and maybe "validation" and "test"."""
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            key = _SPELLINGS.get(re.sub("[ _-]", "", str(source).lower()))
            if isinstance(source, str) and key is not None and not path.is_dir():
                return key, read_named(key, self.root, self._dataset)
            if str(source).startswith("~"):
                path = path.expanduser()
            if path.is_dir():
                return path.resolve().name, self._folder(path)
            if path.is_file() and path.suffix == ".npz":
                return path.stem, read_npz(path, self.limit)
            raise ValueError(
                f"`source` must be a name ({', '.join(sorted(NAMES))}), a folder of images or an "
                f".npz file, but got {str(source)!r}. Check the spelling."
            )
        if isinstance(source, (tuple, list)) and are_pairs(source):
            keys = ("train", "test") if len(source) == 2 else ("train", "validation", "test")
            return "arrays", {key: self._arrays(*pair) for key, pair in zip(keys, source)}
        if are_arrays(source):
            pairs = {"train": source[:2], "test": source[2:]}
            return "arrays", {key: self._arrays(*pair) for key, pair in pairs.items() if pair}
        if is_torch_dataset(source):
            if isinstance(source, (tuple, list)) and all(map(is_whole, source)):
                raise ValueError(
                    f"`source` must be one data set, but got {len(source)} of them. Pass those to "
                    "train and validate on as one, and `test=` those to test on."
                )
            return type(innermost(source)).__name__, {"train": self._dataset(source)}
        raise ValueError(
            "`source` must be a name, a folder, an .npz file, a tuple (X, y) or a torch Dataset "
            f"with a length, but got {type(source).__name__}."
        )

    def _dataset(self, dataset: Any) -> Part:
        return read_torch_dataset(dataset, self.size, self.limit, self.skip_damaged)

    def _arrays(self, images: Any, labels: Any) -> Part:
        """Return arrays as a part; images of several sizes are asked for one by one."""
        try:
            labels = as_labels(labels)
        except ValueError:
            raise ValueError(
                "Labels must be one number or text per image, but got lists of several lengths."
            ) from None
        pillow = isinstance(images, (list, tuple)) and any(hasattr(i, "getbands") for i in images)
        try:
            array = np.empty(0, dtype=object) if pillow else as_array(images)
        except ValueError:
            array = np.empty(0, dtype=object)
        if array.dtype != object:
            return Part(array, labels)
        return self._dataset([(image, 0) for image in images])._replace(labels=labels)

    def _folder(self, folder: Path) -> dict[str, Part]:
        parts: dict[str, Part] = {}
        found = find_images(folder)
        looked = headers_of({key: part.files for key, part in found.items()}, self.skip_damaged)
        for key in ("train", "validation", "test"):
            if key not in found:
                continue
            names, files, labels = found[key]
            keep = [i for i, look in enumerate(looked[key]) if isinstance(look, Header)]
            good = [look for look in looked[key] if isinstance(look, Header)]
            if not good:
                raise ValueError(f"The folder {str(folder)!r} must have images to {key}.")
            channels, mean_size, top = common(good)
            if key == "train":
                train = (channels, self.size or mean_size, top)
            images = ImageFiles(
                [files[i] for i in keep],
                good,
                max(channels, train[0], self.channels),
                train[1],
                train[2] or top or 255.0,
            )
            parts[key] = Part(images, np.array(labels)[keep], tuple(names), train[2])
        return parts

    def like(self, train: Part) -> None:
        """Read what follows in the size and with the channels of the training images."""
        self.channels, *size = train.images.shape[1:]
        self.size = (size[0], size[1])

    def as_source(self, part: Part, data: str, name: str, train: Part | None) -> Part:
        """Return a part whose images are a source, scaled as those of the training part are."""
        if len(part.images) != len(part.labels):
            raise ValueError(
                f"There must be one label per image, but {data!r} has {len(part.images)} images "
                f"and {len(part.labels)} labels."
            )
        if isinstance(part.images, Source):
            return part
        array = channels_first(part.images, name, self.channels_last)
        if part.top is None:
            if train is None:
                top = check_range(array, name)
            else:
                top = unit_of(array, train.top or 255.0, name)
            part = part._replace(top=top)
        return part._replace(images=ArrayImages(array, part.top or 255.0, self.size))

    def fetch(self, images: Any) -> tuple[Images, npt.NDArray[np.int64]]:
        """Return images as an array if they fit, and which of them can be read."""
        needed = int(np.prod(images.shape, dtype=np.int64))
        if needed > self.limit:
            bad = images.damaged() if self.skip_damaged else {}
            keep = undamaged(len(images), bad, skip=True)
            return (images.take(keep) if bad else images), keep
        self.limit -= needed
        array, bad = images.array()
        self.asked += len(images)
        if not self.skip_damaged:  # those of all parts are named together
            self.bad += bad.values()
            return array, np.arange(len(images))
        keep = undamaged(len(images), bad, skip=True)
        return (array[keep] if bad else array), keep


def _joined(name: str, first: Images, second: Images) -> Images:
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            "All images must have the same number of channels, but "
            f"{name!r} has {first.shape[1]} and {second.shape[1]}. Convert one of them."
        )
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.concatenate([first, second])
    return Joined(first, second)


def _warn_of_size(shape: tuple[int, ...]) -> None:
    count, channels, height, width = shape
    warnings.warn(
        f"Images keep their size, on average {height} x {width}: {count} of them take "
        f"{count * channels * height * width / 1e9:.2g} GB of memory, and a training takes about "
        f"{height * width / 1024:.0f} times as long as with 32 x 32. Pass `image_size`.",
        DataWarning,
        stacklevel=3,
    )


def _check_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(pair) != 2 or any(int(side) != side or side < 1 for side in pair):
        raise ValueError(
            f"`image_size` must be a number of pixels or (height, width), but got {size!r}."
        )
    return int(pair[0]), int(pair[1])
