"""Labels of any kind, as class indices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Part(NamedTuple):
    """Images with labels as their source has them.

    Attributes:
        images: An array of any layout and type, or a source of images.
        labels: ``(N,)`` labels of any type, or class indices if ``names`` is given.
        names: Class names that the labels are indices of.
        top: What the images have where networks see 1; found out of an array.
        content: Digest of what is on the images; found out if left out.
    """

    images: Any
    labels: npt.NDArray[Any]
    names: tuple[str, ...] | None = None
    top: float | None = None
    content: bytes | None = None


def classes_of(name: str, part: Part) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the class names of a part, and its labels as indices into them.

    Names without an image, such as those of the classes that a subset leaves out, are no classes.

    Raises:
        ValueError: Labels are missing or no classes.
    """
    labels = np.asarray(part.labels)
    if part.names is not None:
        present, indices = np.unique(labels.astype(np.int64), return_inverse=True)
        return tuple(part.names[index] for index in present), indices.astype(np.int64)
    labels = _flat_labels(name, labels)
    values, indices = np.unique(labels, return_inverse=True)
    return tuple(str(value) for value in values.tolist()), indices.astype(np.int64)


def _flat_labels(name: str, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "uifb" and _is_one_hot(labels):
        labels = labels.argmax(axis=1)
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels)
    if labels.dtype.kind == "O":
        missing = np.array([value is None or value != value for value in labels.ravel()])
        labels = labels if missing.any() else np.array(labels.tolist())
    else:
        missing = np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(1, dtype=bool)
    if labels.ndim != 1 or labels.dtype.kind not in "uibfUSO":
        raise ValueError(
            f"Labels must be one number or text per image, but {name!r} has an array of shape "
            f"{labels.shape} and type {labels.dtype}."
        )
    if missing.any():
        raise ValueError(
            f"Every image must have a label, but {name!r} has {int(missing.sum())} without. "
            "Remove them."
        )
    if labels.dtype.kind == "f":
        if (labels != np.rint(labels)).any():
            raise ValueError(
                f"Labels must be classes, but {name!r} has fractions such as "
                f"{labels[labels != np.rint(labels)][0]:g}."
            )
        labels = labels.astype(np.int64)
    return labels


def _is_one_hot(labels: npt.NDArray[Any]) -> bool:
    """Whether each row has one 1 among zeros, as Keras' ``to_categorical`` makes them."""
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all())


def indices_of(name: str, part: Part, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return a part's labels as indices into the class names of the training part.

    Raises:
        ValueError: It has a class that they do not have.
    """
    values, indices = classes_of(name, part)
    place = {value: index for index, value in enumerate(names)}
    unknown = [values[k] for k in np.unique(indices).tolist() if values[k] not in place]
    if unknown:
        raise ValueError(
            f"All classes must be among those of the training images, but {name!r} has "
            f"{unknown[0]!r}."
        )
    return np.array([place.get(value, 0) for value in values], dtype=np.int64)[indices]
