"""One line from what a user has to :class:`ImageData`: a name, a folder, arrays, a file."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.image_data import capped
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.image_data import Images
from optuna_popnas.training.data.image_data import SelectedImages
from optuna_popnas.training.data.image_data import stratified
from optuna_popnas.training.data.images import ArrayScale
from optuna_popnas.training.data.images import channels_first
from optuna_popnas.training.data.images import find_images
from optuna_popnas.training.data.images import ImageFiles
from optuna_popnas.training.data.images import inspect
from optuna_popnas.training.data.images import memory_limit as free_memory
from optuna_popnas.training.data.images import read_all
from optuna_popnas.training.data.images import resized
from optuna_popnas.training.data.labels import classes_of
from optuna_popnas.training.data.labels import indices_of
from optuna_popnas.training.data.labels import Part
from optuna_popnas.training.data.named import NAMES
from optuna_popnas.training.data.named import read_named
from optuna_popnas.training.data.torch_datasets import is_torch_dataset
from optuna_popnas.training.data.torch_datasets import read_torch_dataset


#: Names of the arrays of an npz file: images, labels, for training, validation and test.
_TRAIN_KEYS = (("x_train", "y_train"), ("train_images", "train_labels"), ("X_train", "y_train"))
_PLAIN_KEYS = (
    ("X", "y"),
    ("x", "y"),
    ("images", "labels"),
    ("data", "target"),
    ("arr_0", "arr_1"),
)
_VALIDATION_KEYS = (("x_val", "y_val"), ("val_images", "val_labels"), ("X_val", "y_val"))
_TEST_KEYS = (("x_test", "y_test"), ("test_images", "test_labels"), ("X_test", "y_test"))


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
    memory_limit: int | None = None,
    name: str | None = None,
) -> ImageData:
    """Load a labelled set of images; sizes, channels and classes are found out.

    Args:
        source: One of

            - a name: ``"digits"`` (scikit-learn; nothing is downloaded), ``"fashion-mnist"``
              (Debian's package ``dataset-fashion-mnist`` is used if it is there), ``"cifar10"``,
              ``"cifar100"``, ``"eurosat"`` and others of torchvision;
            - a folder with one sub-folder of images per class, or with such folders below
              ``train``, ``val`` and ``test``;
            - a tuple ``(X, y)`` of arrays or tensors; images of shape ``(N, H, W)``,
              ``(N, C, H, W)`` or ``(N, H, W, C)``;
            - an ``.npz`` file with arrays ``X`` and ``y``, or ``x_train``, ``y_train``,
              ``x_test``, ``y_test``;
            - a ``torch.utils.data.Dataset`` of (image, label) pairs.
        test: The test set, in any of these forms, where ``source`` has none.
        image_size: Height and width, or one number for both, that images are resized to. Left
            out, they keep their size; files of different sizes get their mean size.
        samples: The largest number of training and validation images; classes stay in
            proportion.
        validation_fraction: Part of each class that validates (Sec. 6.1: 0.1).
        test_fraction: Part of each class to set aside as the test set if there is none.
        seed: Seed of the splits.
        root: Folder for downloads; ``~/.cache/optuna_popnas`` if left out.
        memory_limit: Bytes that images may take. Larger sets, by default those larger than half
            the free memory, are read image by image while networks train.
        name: What the data are called; found out if left out.

    Raises:
        ValueError: The source is none of these, or its images or labels cannot be used; the
            text names the cause and the fix.

    Example:
        >>> data = load_dataset("digits")
        >>> data.images.shape, data.classes
        ((1797, 1, 8, 8), 10)
    """
    size = _check_size(image_size)
    if samples is not None and (isinstance(samples, bool) or int(samples) != samples):
        raise ValueError(f"`samples` must be an integer or None, but got {samples!r}.")
    if not 0.0 <= test_fraction < 1.0:
        raise ValueError(f"`test_fraction` must be in [0, 1), but got {test_fraction!r}.")
    limit = free_memory(memory_limit)
    found, parts = _read(source, size, root, limit)
    if test is not None:
        _, others = _read(test, size, root, limit)
        parts = {**parts, "test": others["train"]}
    name = name or found
    names, labels = classes_of(name, parts["train"])
    images = parts["train"].images
    scale = None if _lazy(images) else ArrayScale(np.asarray(images), "X")
    if len(images) != len(labels):
        raise ValueError(
            f"There must be one label per image, but {name!r} has {len(images)} images and "
            f"{len(labels)} labels."
        )
    if test_fraction and "test" not in parts:
        chosen = stratified(labels, test_fraction, seed=seed + 1)
        rest = np.setdiff1d(np.arange(len(labels)), chosen)
        parts = {**parts, "test": Part(_taken(images, chosen), labels[chosen], names)}
        images, labels = _taken(images, rest), labels[rest]
    if samples is not None and samples < 2 * len(names):
        raise ValueError(
            f"`samples` must be at least {2 * len(names)}, two for each class of {name!r}, "
            f"but got {samples}."
        )
    # Fewer images before they are resized or decoded.
    chosen = capped(labels, samples, seed=seed)
    if len(chosen) < len(labels):
        images, labels = _taken(images, chosen), labels[chosen]
    parts = {**parts, "train": Part(images, labels, names)}
    return _assemble(name, parts, size, scale, limit, validation_fraction, seed)


def _taken(images: Any, indices: npt.NDArray[np.int64]) -> Any:
    return SelectedImages(images, indices) if _lazy(images) else np.asarray(images)[indices]


def _read(source: Any, size: Any, root: Any, limit: int) -> tuple[str, dict[str, Part]]:
    """Return the name and the parts: "train" and maybe "validation" and "test"."""
    if isinstance(source, ImageData):
        return source.name, {"train": Part(source.images, source.labels, source.class_names)}
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        if isinstance(source, str) and source.lower().replace("_", "-") in NAMES:
            key = source.lower().replace("_", "-")
            return key, {k: Part(*v) for k, v in read_named(key, root, size, limit).items()}
        if path.is_dir():
            return path.resolve().name, _read_folder(path, size)
        if path.is_file() and path.suffix == ".npz":
            return path.stem, _read_npz(path)
        raise ValueError(
            f"`source` must be a name ({', '.join(sorted(NAMES))}), a folder of images or an "
            f".npz file, but got {str(source)!r}. Check the spelling."
        )
    if isinstance(source, (tuple, list)) and len(source) in (2, 4):
        parts = {"train": Part(_array(source[0]), _array(source[1]))}
        if len(source) == 4:
            parts["test"] = Part(_array(source[2]), _array(source[3]))
        return "arrays", parts
    if is_torch_dataset(source):
        return type(source).__name__, {"train": Part(*read_torch_dataset(source, size, limit))}
    raise ValueError(
        "`source` must be a name, a folder, an .npz file, a tuple (X, y) or a torch Dataset with "
        f"a length, but got {type(source).__name__}."
    )


def _array(value: Any) -> npt.NDArray[Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def _read_folder(folder: Path, size: tuple[int, int] | None) -> dict[str, Part]:
    below = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    if "train" in below:
        places = {"train": below["train"]}
        for key in ("val", "valid", "validation", "test"):
            if key in below:
                places["test" if key == "test" else "validation"] = below[key]
    else:
        places = {"train": folder}
    parts: dict[str, Part] = {}
    for part, place in places.items():
        names, files, labels = find_images(place)
        if not files:
            raise ValueError(
                f"A folder of images must have one sub-folder of images per class, but "
                f"{str(place)!r} has none. Put images below {place.name}/<class>/."
            )
        channels, mean_size = inspect(files)
        if size is None:
            size = mean_size
        images = ImageFiles(files, channels, size)
        parts[part] = Part(images, np.asarray(labels, dtype=np.int64), tuple(names))
    return parts


def _read_npz(path: Path) -> dict[str, Part]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except Exception as error:
        raise ValueError(f"File {str(path)!r} cannot be read as .npz ({error}).") from None
    parts = {}
    for part, pairs in (
        ("train", (*_TRAIN_KEYS, *_PLAIN_KEYS)),
        ("validation", _VALIDATION_KEYS),
        ("test", _TEST_KEYS),
    ):
        found = _pair(arrays, pairs)
        if found is not None:
            parts[part] = found
    if "train" not in parts:
        raise ValueError(
            "An .npz file must hold images and labels, such as X and y or x_train and y_train, "
            f"but {path.name!r} has {', '.join(sorted(arrays)) or 'nothing'}. Rename its arrays."
        )
    return parts


def _pair(arrays: Mapping[str, Any], pairs: tuple[tuple[str, str], ...]) -> Part | None:
    for images, labels in pairs:
        if images in arrays and labels in arrays:
            return Part(arrays[images], arrays[labels])
    return None


def _assemble(
    name: str,
    parts: dict[str, Part],
    size: tuple[int, int] | None,
    scale: ArrayScale | None,
    limit: int,
    validation_fraction: float,
    seed: int,
) -> ImageData:
    names, labels = classes_of(name, parts["train"])
    images = _images(parts["train"].images, scale, size, limit, "X")
    validation = None
    if "validation" in parts:
        more = _images(parts["validation"].images, scale, images.shape[2:], limit, "X_val")
        if not (isinstance(images, np.ndarray) and isinstance(more, np.ndarray)):
            raise ValueError(
                f"{name!r} with a validation part of its own must fit in memory. "
                "Pass a smaller `image_size` or a larger `memory_limit`."
            )
        _check_channels(name, images, more)
        validation = np.arange(len(images), len(images) + len(more), dtype=np.int64)
        images = np.concatenate([images, more])
        labels = np.concatenate([labels, indices_of(name, parts["validation"], names)])
    test_images = test_labels = None
    if "test" in parts:
        test_images = _images(parts["test"].images, scale, images.shape[2:], limit, "X_test")
        test_labels = indices_of(f"{name} (test)", parts["test"], names)
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
    )


def _lazy(images: Any) -> bool:
    return not isinstance(images, np.ndarray) and hasattr(images, "shape")


def _images(images: Any, scale: ArrayScale | None, size: Any, limit: int, name: str) -> Images:
    if _lazy(images):
        fits = int(np.prod(images.shape, dtype=np.int64)) <= limit
        return read_all(images) if fits else images
    array = channels_first(np.asarray(images), name)
    scale = scale or ArrayScale(array, name)
    return resized(scale(array, name), None if size is None else (int(size[0]), int(size[1])))


def _check_channels(name: str, first: Images, second: Images) -> None:
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            "All images must have the same number of channels, but "
            f"{name!r} has {first.shape[1]} and {second.shape[1]}. Convert one of them."
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
