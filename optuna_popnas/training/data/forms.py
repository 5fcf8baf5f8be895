"""Which of the forms that data come in a source has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_torch_dataset(source: Any) -> bool:
    """Whether this is a data set with indices and a length."""
    indexed = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    return indexed and not isinstance(source, (str, bytes, Mapping))


def innermost(dataset: Any) -> Any:
    """Return the data set that others are wrapped around: subsets, concatenations and the like."""
    while True:
        inner = getattr(dataset, "dataset", None) or (getattr(dataset, "datasets", None) or [0])[0]
        if not is_torch_dataset(inner):
            return dataset
        dataset = inner


def are_pairs(source: Any) -> bool:
    """Whether these are ((X, y), (X_test, y_test)), as Keras has them, or three such pairs."""
    return len(source) in (2, 3) and all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 and _depth(pair[0]) > 2
        for pair in source
    )


def are_arrays(source: Any) -> bool:
    """Whether these are images and labels, maybe those of a test set after them."""
    return (
        isinstance(source, (tuple, list))
        and len(source) in (2, 4)
        and not all(map(is_whole, source))
    )


def is_whole(part: Any) -> bool:
    """Whether a part of a sequence is a data set, neither an array nor a list."""
    array = hasattr(part, "shape") or hasattr(part, "iloc") or isinstance(part, (tuple, list))
    return is_torch_dataset(part) and not array


def _depth(value: Any) -> int:
    """Return how many dimensions an array, or lists of lists, have."""
    if hasattr(value, "getbands"):
        return 2
    if hasattr(value, "shape"):
        return len(value.shape)
    return 1 + _depth(value[0]) if isinstance(value, (tuple, list)) and value else 0
