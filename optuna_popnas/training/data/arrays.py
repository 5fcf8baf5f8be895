"""Arrays of any layout and type, as images of bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.source import Damaged
from optuna_popnas.training.data.source import digest_of
from optuna_popnas.training.data.source import Source
from optuna_popnas.training.data.source import UInt8


_CHUNK = 4096


def check_range(images: npt.NDArray[Any], name: str, top: float | None = None) -> float:
    """Return the number that images have where a network sees 1.

    255 for bytes; 1 for floating-point numbers that are all in [0, 1]; else the largest number.

    Args:
        images: Of any shape.
        name: What they are called in an error.
        top: This number for the training images. Numbers up to twice it count as white.

    Raises:
        ValueError: There are negative, infinite or missing values, no numbers at all, or such as
            the training images have not.
    """
    if images.dtype.kind not in "uifb":
        raise ValueError(f"`{name}` must hold numbers, but got an array of {images.dtype}.")
    if images.dtype == np.uint8 and top is None:
        return 255.0
    low, high = 0.0, 0.0
    for start in range(0, len(images), _CHUNK):
        part = images[start : start + _CHUNK]
        # Extremes of arrays with NaN are NaN, and stay so.
        low, high = np.minimum(low, part.min(initial=0)), np.maximum(high, part.max(initial=0))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"`{name}` must hold finite numbers, but got {low} to {high}. Remove such images."
        )
    if low < 0:
        raise ValueError(
            f"`{name}` must hold numbers >= 0, but got {low:g} to {high:g}. "
            "Scale it to [0, 1] first."
        )
    if top is not None and high > 2 * top:
        raise ValueError(
            f"`{name}` must hold numbers from 0 to {top:g} as the training images do, but got "
            f"up to {high:g}. Scale it as they are."
        )
    if images.dtype == np.uint8:
        return 255.0
    return 1.0 if high == 0 or (images.dtype.kind in "fb" and high <= 1) else float(high)


def to_bytes(images: npt.NDArray[Any], top: float) -> UInt8:
    """Return images as bytes, ``top`` as 255, larger numbers, too."""
    if images.dtype == np.uint8 and top == 255:
        return images
    return np.clip(np.rint(images.astype(np.float32) * (255.0 / top)), 0, 255).astype(np.uint8)


def unit_of(images: npt.NDArray[Any], top: float, name: str = "images") -> float:
    """Return which number of further images a network has to see as 1.

    Args:
        images: As the training images were; floating-point numbers in [0, 1] will do, and bytes,
            which are taken for such if they are brighter than the training images.
        top: What :func:`check_range` says of the training images.
        name: What they are called in an error.

    Raises:
        ValueError: They are neither.
    """
    if images.dtype == np.uint8 and not (images.max(initial=0) <= top < 255):
        return 255.0
    own = check_range(images, name, top)
    return 1.0 if own == 1 and images.dtype.kind == "f" else top


def to_unit(images: npt.NDArray[Any], unit: float) -> npt.NDArray[np.float32]:
    """Return images as networks see them: float32 in [0, 1] (Sec. 6.1)."""
    if unit == 1:
        return np.ascontiguousarray(images, dtype=np.float32)
    return to_bytes(images, unit).astype(np.float32) / np.float32(255)


def channels_first(
    images: npt.NDArray[Any], name: str, channels_last: bool | None, *, tensor: bool = False
) -> npt.NDArray[Any]:
    """Return images as ``(N, C, H, W)``; ``(N, H, W)`` is grey.

    Which dimension the channels are is told by its being the only one of at most 4, and by height
    and width being equal; it is not guessed where these say nothing or disagree. Those of a single
    tensor come first then, as everywhere in PyTorch.

    Raises:
        ValueError: The array has another number of dimensions, or its channels cannot be told.
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4:
        raise ValueError(
            f"`{name}` must have the shape (images, height, width), (images, channels, height, "
            f"width) or (images, height, width, channels), but got {images.shape}. Reshape it."
        )
    _, first, middle, last = images.shape
    if channels_last is None:
        signs = {first > 4 >= last} if (first > 4) != (last > 4) else set()
        if (first == middle) != (middle == last):
            signs.add(first == middle)
        if tensor and len(signs) != 1:
            return images
        if len(signs) != 1:
            raise ValueError(
                f"`{name}` must have a dimension that is plainly that of the channels, but got "
                f"{images.shape}. Pass `channels_last=True` if it is the last one, or False."
            )
        channels_last = signs.pop()
    return images.transpose(0, 3, 1, 2) if channels_last else images


def resized(images: UInt8, size: tuple[int, int] | None) -> UInt8:
    """Return images of this height and width (bilinear, antialiased).

    Args:
        images: ``(N, C, H, W)`` uint8.
        size: ``(H, W)``, or None to keep the images' own.
    """
    if size is None or images.shape[2:] == size:
        return np.ascontiguousarray(images)
    import torch
    from torch.nn.functional import interpolate

    pixels = torch.from_numpy(np.ascontiguousarray(images)).float()
    small = interpolate(pixels, size=size, mode="bilinear", antialias=True)
    out: UInt8 = small.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return out


class ArrayImages(Source):
    """The images of an array, scaled and resized when asked for.

    Args:
        images: ``(N, C, H, W)``, numbers of any type, in memory or mapped from a file.
        top: The number that becomes 255.
        size: Height and width that images are resized to; their own if left out.
    """

    def __init__(
        self, images: npt.NDArray[Any], top: float, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(len(images), (images.shape[1], *(size or images.shape[2:])))
        self._images = images
        self._top = top

    def read(self, place: int) -> UInt8:
        """Return one image."""
        return self._made(self._images[place : place + 1])[0]

    def _made(self, images: npt.NDArray[Any]) -> UInt8:
        return resized(to_bytes(images, self._top), self.item_shape[1:])

    def array(self) -> tuple[UInt8, dict[int, Damaged]]:
        """Return all of them; bytes that stay as they are, are not copied."""
        if len(self) == len(self._images) and len(self) <= _CHUNK:
            return self._made(self._images), {}
        plain = self._images.dtype == np.uint8 and self._images.shape[1:] == self.item_shape
        if plain and len(self) == len(self._images):
            return np.ascontiguousarray(self._images), {}
        out = np.empty(self.shape, dtype=np.uint8)
        for start in range(0, len(self), _CHUNK):
            part = slice(start, start + _CHUNK)
            out[part] = self._made(self._images[self.picks[part]])
        return out, {}

    def digest(self) -> bytes:
        """Return a digest of the numbers, as they were before scaling."""
        return digest_of(self._images)
