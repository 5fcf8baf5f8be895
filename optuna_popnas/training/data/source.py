"""The one form that images have inside: a sequence of uint8 arrays, or one array of all."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
import copy
import hashlib
import os
from typing import Any
import warnings

import numpy as np
import numpy.typing as npt


UInt8 = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

#: Bytes of a source that its digest looks at, and images of one that is asked image by image.
DIGEST_BYTES, DIGEST_IMAGES = 1 << 30, 64
_NAMED = 10


class DataWarning(UserWarning):
    """Something about data that a user should know of."""


class Damaged(ValueError):
    """An image cannot be read.

    Args:
        name: Which.
        reason: Why.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The image {name} cannot be read ({reason}). Repair or remove it.")
        self.brief = f"{name} ({reason})"


class Source(ABC):
    """Images that are read when asked for, as uint8 arrays ``(C, H, W)`` of one shape.

    Args:
        count: How many there are.
        shape: Channels, height and width of each.
    """

    #: How many threads may read at a time.
    threads = 1

    def __init__(self, count: int, shape: tuple[int, int, int]) -> None:
        self.item_shape = shape
        self.picks: Indices = np.arange(count, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, C, H, W)``."""
        return len(self.picks), *self.item_shape

    def __len__(self) -> int:
        return len(self.picks)

    def __getitem__(self, index: int) -> UInt8:
        return self.read(int(self.picks[index]))

    def take(self, indices: Indices) -> Source:
        """Return some of the images as a source of their own."""
        part = copy.copy(self)
        part.picks = self.picks[indices]
        return part

    @abstractmethod
    def read(self, place: int) -> UInt8:
        """Return the image at a place of the whole source.

        Raises:
            Damaged: It cannot be read.
        """

    @abstractmethod
    def digest(self) -> bytes:
        """Return bytes that are the same for the same images, wherever they are kept."""

    def array(self) -> tuple[UInt8, dict[int, Damaged]]:
        """Read all images.

        Returns:
            ``(N, C, H, W)``, and what is wrong with those images that cannot be read.
        """
        out = np.zeros(self.shape, dtype=np.uint8)

        def fill(index: int) -> None:
            out[index] = self[index]

        return out, self._each(fill)

    def damaged(self) -> dict[int, Damaged]:
        """Return what is wrong with those images that cannot be read."""
        return self._each(self.__getitem__)

    def _each(self, call: Callable[[int], object]) -> dict[int, Damaged]:
        bad: dict[int, Damaged] = {}

        def tried(index: int) -> None:
            try:
                call(index)
            except Damaged as error:
                bad[index] = error

        with ThreadPoolExecutor(min(os.cpu_count() or 1, self.threads)) as pool:
            list(pool.map(tried, range(len(self))))
        return dict(sorted(bad.items()))


class Joined(Source):
    """The images of one sequence, then those of another."""

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__(len(first) + len(second), tuple(first.shape[1:]))
        self._parts = first, second

    def read(self, place: int) -> UInt8:
        """Return an image of either."""
        first, second = self._parts
        image: UInt8 = first[place] if place < len(first) else second[place - len(first)]
        return image

    def digest(self) -> bytes:
        """Return the digest of both."""
        return b"".join(digest_of(part) for part in self._parts)


def digest_of(images: Any) -> bytes:
    """Return a digest of images of any kind: an array, a source, or other lazily read ones."""
    if isinstance(images, Source):
        return images.digest()
    digest = hashlib.blake2b(repr(tuple(images.shape)).encode(), digest_size=16)
    most = DIGEST_IMAGES
    if isinstance(images, np.ndarray):
        most = DIGEST_BYTES // max(images.nbytes // max(len(images), 1), 1)
        digest.update(str(images.dtype).encode())
    for index in spread(len(images), max(most, 1)):
        try:
            digest.update(np.ascontiguousarray(images[index]).data)
        except Exception:  # whoever trains on it is told
            digest.update(b"unreadable")
    return digest.digest()


def spread(count: int, most: int) -> Indices:
    """Return at most ``most`` of ``count`` indices, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def undamaged(count: int, bad: Mapping[int, Damaged], skip: bool) -> Indices:
    """Return the indices of those images that can be read.

    Args:
        count: Number of all images.
        bad: Those that cannot.
        skip: Whether to do without them, with a warning.

    Raises:
        ValueError: There are such images; the text names them all at once, or counts them.
    """
    if bad:
        briefs = [error.brief for error in bad.values()]
        more = f" and {len(bad) - _NAMED} more" * (len(bad) > _NAMED)
        text = f"{len(bad)} of {count} images cannot be read: {', '.join(briefs[:_NAMED])}{more}."
        if not skip:
            raise ValueError(f"{text} Repair or remove them, or pass skip_damaged=True.")
        warnings.warn(f"{text} They are left out.", DataWarning, stacklevel=3)
    return np.array([index for index in range(count) if index not in bad], dtype=np.int64)
