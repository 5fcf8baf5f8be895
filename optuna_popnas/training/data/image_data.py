"""Images and labels of a classification task, and how they are split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.source import digest_of


@runtime_checkable
class LazyImages(Protocol):
    """Images that are read one by one because together they do not fit in memory."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, C, H, W)``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        """Return image ``index`` as a ``(C, H, W)`` array."""


Images = npt.NDArray[np.uint8] | LazyImages


class Split(NamedTuple):
    """Which images are trained on, and which validate.

    Attributes:
        train: Ascending indices.
        validation: Ascending indices.
    """

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ImageData:
    """Labelled images: those to train and validate on, and maybe a test set.

    Args:
        name: What the data are called in records and reports.
        images: ``(N, C, H, W)`` uint8 array, or lazily read images. Networks see them divided
            by 255 (Sec. 6.1).
        labels: ``(N,)`` class indices.
        class_names: One name per class.
        test_images: Images that take no part in a search, of the same size and channels.
        test_labels: Their class indices.
        validation_fraction: Part of each class that validates.
        validation: Indices of the images that validate, where the data name them; then there
            is one fold only.
        seed: Seed of the split.
        top: What the user's images have where networks see 1.
        content: Digest of what is on the images, wherever they are kept; theirs if left out.
        mirror: Whether a mirrored image is still of its class.

    Raises:
        ValueError: There are fewer than two classes, a class has too few images to be trained
            and validated, labels are missing, or sizes or channels do not agree.
    """

    name: str
    images: Images
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    test_images: Images | None = None
    test_labels: npt.NDArray[np.int64] | None = None
    validation_fraction: float = 0.1
    validation: npt.NDArray[np.int64] | None = None
    seed: int = 0
    top: float = 255.0
    content: str = ""
    mirror: bool = True

    def __post_init__(self) -> None:
        check_labels(self.name, self.images, self.labels, self.classes)
        if self.classes < 2:
            raise ValueError(
                f"A data set must have at least 2 classes, but {self.name!r} has {self.classes}."
            )
        self._check_counts()
        if not 0.0 < self.validation_fraction < 1.0:
            raise ValueError(
                "`validation_fraction` must be between 0 and 1, "
                f"but got {self.validation_fraction!r}."
            )
        if (self.test_images is None) != (self.test_labels is None):
            raise ValueError("`test_images` and `test_labels` must be given together.")
        if self.test_images is None or self.test_labels is None:
            return
        check_labels(f"{self.name} (test)", self.test_images, self.test_labels, self.classes)
        if self.test_images.shape[1] != self.in_channels:
            raise ValueError(
                "Training and test images must have the same number of channels, but "
                f"{self.name!r} has {self.in_channels} and {self.test_images.shape[1]}. "
                "Convert one of them."
            )
        if tuple(self.test_images.shape[2:]) != self.image_size:
            raise ValueError(
                "Training and test images must have the same size, but "
                f"{self.name!r} has {self.image_size} and {tuple(self.test_images.shape[2:])}. "
                "Pass `image_size`."
            )

    def _check_counts(self) -> None:
        if self.validation is None:
            parts = {"to train and to validate": (np.arange(len(self.labels)), 2)}
        else:
            split = self.split()
            parts = {"to train": (split.train, 1), "to validate": (split.validation, 1)}
        for what, (indices, least) in parts.items():
            counts = np.bincount(self.labels[indices], minlength=self.classes)
            few = np.flatnonzero(counts < least)
            if len(few):
                named = ", ".join(f"{self.class_names[i]!r} has {counts[i]}" for i in few[:5])
                raise ValueError(
                    f"Every class must have at least {least} image{'s' * (least > 1)} {what}, "
                    f"but of {self.name!r} {named}{', ...' * (len(few) > 5)}. Add images, or "
                    "remove the class."
                )

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What the data are, wherever they are kept: images of each class, and a hash."""
        content = self.content or digest_of(self.images).hex()
        counts = np.bincount(self.labels, minlength=self.classes).tolist()
        digest = hashlib.blake2b(content.encode(), digest_size=8)
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        return {"classes": dict(zip(self.class_names, counts)), "hash": digest.hexdigest()}

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def in_channels(self) -> int:
        """Channels of an image: 1 for grey, 3 for colour."""
        return int(self.images.shape[1])

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.images.shape[2]), int(self.images.shape[3])

    @property
    def in_memory(self) -> bool:
        """Whether the images are an array, not read one by one."""
        return isinstance(self.images, np.ndarray)

    @property
    def folds(self) -> int:
        """How many splits there are whose validation images do not overlap."""
        if self.validation is not None:
            return 1
        return len(self.labels) // _part_size(len(self.labels), self.validation_fraction)

    @property
    def train_indices(self) -> npt.NDArray[np.int64]:
        """Indices of the training images of the first split."""
        return self.split().train

    @property
    def validation_indices(self) -> npt.NDArray[np.int64]:
        """Indices of the validation images of the first split."""
        return self.split().validation

    def split(self, fold: int = 0) -> Split:
        """Return a stratified split that depends on the data's seed only (Sec. 6.1).

        Args:
            fold: Which one, from 0; validation images of different folds do not overlap.

        Raises:
            ValueError: There is no such fold.
        """
        if not 0 <= fold < self.folds:
            given = (
                "their own validation images"
                if self.validation is not None
                else (f"validation_fraction={self.validation_fraction:g}")
            )
            raise ValueError(
                f"`fold` must be below {self.folds} for data with {given}, but got {fold}. "
                "Use fewer folds."
            )
        if self.validation is not None:
            validation = np.sort(self.validation)
        else:
            validation = stratified(
                self.labels, self.validation_fraction, seed=self.seed, part=fold
            )
        mask = np.ones(len(self.labels), dtype=bool)
        mask[validation] = False
        return Split(np.flatnonzero(mask).astype(np.int64), validation)


def stratified(
    labels: npt.NDArray[np.int64],
    fraction: float,
    *,
    seed: int,
    part: int = 0,
    least: int = 1,
    keep: int = 1,
) -> npt.NDArray[np.int64]:
    """Return the ascending indices of a random part that has all classes in proportion.

    Images are ordered by class, at random within each; every class is spread evenly over the
    parts, so that the part's size and each class's share in it are right to within one image.
    Only then classes that have too few images in the part or beside it get more. (Parts of
    scikit-learn's ``StratifiedKFold`` have no image of classes with fewer than there are parts.)

    Args:
        labels: ``(N,)`` class indices.
        fraction: Size of the part, relative to all.
        seed: Seed of the order.
        part: Which of the ``1 / fraction`` parts. They do not overlap, but for classes that
            have hardly as many images as there are parts.
        least: Images of each class in the part, if there are more than ``keep``.
        keep: Images of each class beside it.
    """
    rng = np.random.default_rng([seed, len(labels)])
    shuffled = rng.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # A place along the order belongs to the part when it steps over a multiple of 1 / fraction:
    # this spreads the part evenly, classes with few images included.
    count = len(order)
    size = _part_size(count, fraction)
    position = (np.arange(count) * size) // count
    step = np.flatnonzero(np.diff(position, prepend=-1))
    width = np.diff(np.append(step, count))
    chosen = np.zeros(count, dtype=bool)
    chosen[step + np.minimum(part, width - 1)] = True
    for places in np.split(np.arange(count), np.flatnonzero(np.diff(labels[order])) + 1):
        here = int(chosen[places].sum())
        wanted = max(min(max(here, least), len(places) - keep), 0)
        if here != wanted:
            free = np.roll(places[chosen[places] == (here > wanted)], -part)
            chosen[free[: abs(here - wanted)]] = wanted > here
    return np.sort(order[chosen]).astype(np.int64)


def _part_size(count: int, fraction: float) -> int:
    return min(max(int(count * fraction + 1e-9), 1), count - 1)


def check_labels(name: str, images: Images, labels: npt.NDArray[np.int64], classes: int) -> None:
    """Raise ValueError unless there is one class index per image."""
    if len(images.shape) != 4 or min(images.shape) < 1:
        raise ValueError(
            "Images must be an array (images, channels, height, width) without empty "
            f"dimensions, but {name!r} has shape {tuple(images.shape)}."
        )
    if labels.ndim != 1 or len(labels) != len(images):
        raise ValueError(
            f"There must be one label per image, but {name!r} has {len(images)} images and "
            f"labels of shape {labels.shape}."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"Labels must be from 0 to {classes - 1}, but {name!r} has "
            f"{labels.min()} to {labels.max()}."
        )


def capped(
    labels: npt.NDArray[np.int64], samples: int | None, *, seed: int
) -> npt.NDArray[np.int64]:
    """Return the indices of at most ``samples`` images: two of each class, and in proportion."""
    if samples is None or samples >= len(labels):
        return np.arange(len(labels), dtype=np.int64)
    chosen = stratified(labels, samples / len(labels), seed=seed, least=2, keep=0)
    while len(chosen) > samples:  # classes with few images got more
        largest = np.flatnonzero(labels[chosen] == np.bincount(labels[chosen]).argmax())
        chosen = np.delete(chosen, largest[-1])
    return chosen


def difference(stored: Mapping[str, Any], data: ImageData) -> str | None:
    """Return how data differ from those of a stored fingerprint; None if they are the same."""
    found = data.fingerprint
    if dict(stored) == found:
        return None
    old, new = stored["classes"], found["classes"]
    if list(old) != list(new):
        odd = [name for name in (*old, *new) if (name in old) != (name in new)]
        what = f"{len(old)} classes, now {len(new)}" if odd else "its classes in another order"
        return f"had {what}{f' ({odd[0]!r})' if odd else ''}"
    for name, count in old.items():
        if new[name] != count:
            return f"had {count} images of {name!r}, now {new[name]}"
    return "had other images, of the same number"
