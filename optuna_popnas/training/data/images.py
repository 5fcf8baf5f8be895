"""Turning what users have - arrays, tensors, image files - into uint8 images of one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


#: File name endings that count as images.
EXTENSIONS = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
)
_GREY_MODES = frozenset(("1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L"))
_CHUNK = 4096

UInt8 = npt.NDArray[np.uint8]


def memory_limit(limit: int | None) -> int:
    """Return how many bytes images may take: the limit given, or half of the free memory."""
    if limit is not None:
        return limit
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024 // 2
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (AttributeError, ValueError, OSError):
        return 1 << 32


class ArrayScale:
    """How numbers of any type become bytes: one rule for training and test images.

    uint8 is kept as it is; floating-point images whose values are all in [0, 1] are multiplied
    by 255; other non-negative numbers are scaled so that the largest of the training images is
    255.

    Args:
        images: The training images.
        name: What they are called in an error.

    Raises:
        ValueError: There are negative, infinite or missing values, or no numbers at all.
    """

    def __init__(self, images: npt.NDArray[Any], name: str) -> None:
        self.factor: float | None = None
        if images.dtype == np.uint8 or not images.size:
            return
        _check_numbers(images, name)
        largest = float(images.max())
        unit = images.dtype.kind in "fb" and largest <= 1.0
        self.factor = 255.0 if unit or largest == 0 else 255.0 / largest

    def __call__(self, images: npt.NDArray[Any], name: str) -> UInt8:
        """Return the images as bytes, in their own shape."""
        if images.dtype == np.uint8 and self.factor is None:
            return images
        _check_numbers(images, name)
        factor = 1.0 if self.factor is None else self.factor
        out = np.empty(images.shape, dtype=np.uint8)
        for start in range(0, len(images), _CHUNK):
            part = images[start : start + _CHUNK].astype(np.float32) * factor
            out[start : start + _CHUNK] = np.clip(np.rint(part), 0, 255)
        return out


def _check_numbers(images: npt.NDArray[Any], name: str) -> None:
    if images.dtype.kind not in "uifb":
        raise ValueError(f"`{name}` must hold numbers, but got an array of {images.dtype}.")
    low, high = images.min(initial=0), images.max(initial=0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"`{name}` must hold finite numbers, but got {low} to {high}. Remove such images."
        )
    if low < 0:
        raise ValueError(
            f"`{name}` must hold numbers >= 0, but got {low:g} to {high:g}. "
            "Scale it to [0, 1] first."
        )


def channels_first(images: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Return images as ``(N, C, H, W)``.

    ``(N, H, W)`` is grey; ``(N, H, W, C)`` is told from ``(N, C, H, W)`` by its last dimension
    being 1 to 4 and the second one not.

    Raises:
        ValueError: The array has another number of dimensions.
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4:
        raise ValueError(
            f"`{name}` must have the shape (images, height, width), (images, channels, height, "
            f"width) or (images, height, width, channels), but got {images.shape}. Reshape it."
        )
    if images.shape[3] <= 4 and images.shape[1] > 4:
        return images.transpose(0, 3, 1, 2)
    return images


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

    out = np.empty((*images.shape[:2], *size), dtype=np.uint8)
    for start in range(0, len(images), _CHUNK):
        part = np.ascontiguousarray(images[start : start + _CHUNK])
        small = interpolate(
            torch.from_numpy(part).float(), size=size, mode="bilinear", antialias=True
        )
        out[start : start + _CHUNK] = small.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return out


def find_images(folder: Path) -> tuple[list[str], list[Path], list[int]]:
    """List the images of a folder that has one sub-folder per class.

    Returns:
        The class names (sorted), the image files and their class indices.
    """
    names: list[str] = []
    files: list[Path] = []
    labels: list[int] = []
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith("."):
            continue
        inside = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in EXTENSIONS and not file.name.startswith(".")
        )
        labels += [len(names)] * len(inside)
        files += inside
        names.append(path.name)
    return names, files, labels


class ImageFiles:
    """Image files that are decoded when asked for, as a sequence of ``(C, H, W)`` arrays.

    Args:
        files: Paths.
        channels: 1 or 3.
        size: Height and width that images are resized to.
    """

    def __init__(self, files: Sequence[Path], channels: int, size: tuple[int, int]) -> None:
        self._files = list(files)
        self._channels = channels
        self._size = size

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, C, H, W)``."""
        return len(self._files), self._channels, *self._size

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> UInt8:
        return _decode(self._files[index], self._channels, self._size)


def read_all(images: Any) -> UInt8:
    """Return lazily read images as one array; files are decoded by a few threads."""
    out = np.empty(images.shape, dtype=np.uint8)

    def fill(index: int) -> None:
        out[index] = images[index]

    workers = min(os.cpu_count() or 1, 8) if isinstance(images, ImageFiles) else 1
    if workers == 1:
        for index in range(len(images)):
            fill(index)
        return out
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(fill, range(len(images)), chunksize=64):
            pass
    return out


def inspect(files: Sequence[Path]) -> tuple[int, tuple[int, int]]:
    """Return the channels (1 if all are grey, else 3) and mean height and width of image files.

    Only the files' headers are read.

    Raises:
        ValueError: A file is no image that can be read.
    """
    grey, height, width = True, 0.0, 0.0
    for mode, w, h in _headers(files):
        grey = grey and mode in _GREY_MODES
        height += h / len(files)
        width += w / len(files)
    return 1 if grey else 3, (max(round(height), 1), max(round(width), 1))


def _headers(files: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    from PIL import Image

    for file in files:
        try:
            with Image.open(file) as image:
                yield image.mode, image.width, image.height
        except Exception as error:
            raise _unreadable(file, error) from None


def _decode(file: Path, channels: int, size: tuple[int, int]) -> UInt8:
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode.startswith("I;16"):
                grey = np.asarray(image).astype(np.uint16) >> 8
                image = Image.fromarray(grey.astype(np.uint8))
            picture = image.convert("L" if channels == 1 else "RGB")
            if (picture.height, picture.width) != size:
                picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            array = np.asarray(picture, dtype=np.uint8)
    except Exception as error:
        raise _unreadable(file, error) from None
    return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _unreadable(file: Path, error: Exception) -> ValueError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ValueError(f"Image {str(file)!r} cannot be read ({reason}). Repair or remove it.")
