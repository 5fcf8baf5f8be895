"""Image files: read by Pillow, upright, opaque, as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple
import warnings

import numpy as np
from PIL import Image
from PIL import ImageOps
from PIL import UnidentifiedImageError

from optuna_popnas.training.data.arrays import check_range
from optuna_popnas.training.data.arrays import to_bytes
from optuna_popnas.training.data.source import Damaged
from optuna_popnas.training.data.source import DataWarning
from optuna_popnas.training.data.source import DIGEST_IMAGES
from optuna_popnas.training.data.source import Source
from optuna_popnas.training.data.source import spread
from optuna_popnas.training.data.source import UInt8
from optuna_popnas.training.data.source import undamaged


#: The formats that are read. No other is tried, whatever a file is called: some of Pillow's start
#: a program of the machine (EPS). HEIF is there once its plugin is registered.
FORMATS = (
    "PNG", "JPEG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF", "HEIF",
    "ICO", "PCX", "PSD", "QOI", "SGI", "SUN", "DDS", "TGA",
)  # fmt: skip
_GREY = frozenset(("1", "L", "LA", "La"))
_READ_AHEAD = 8
_EDGE = 1 << 14  # bytes at either end of a file that its digest looks at


class Header(NamedTuple):
    """What is known of an image file before its pixels are needed.

    Attributes:
        grey: Whether it has no colours.
        height: Of the upright image, in pixels.
        width: Likewise.
        top: Its largest number if it is not of bytes (16 bits, 32 bits, floating-point).
        short: Whether these are 16-bit numbers.
        upper: Its largest byte if it has 16-bit colours, of which the upper 8 bits are read.
        transparent: Whether what is behind it can be seen.
        digest: Of size, beginning and end of the file.
    """

    grey: bool
    height: int
    width: int
    top: float | None
    short: bool
    upper: int | None
    transparent: bool
    digest: bytes


def extensions() -> frozenset[str]:
    """Return the endings of file names that are read as images."""
    formats = (*_formats(), "MPO")  # which the reader of JPEG files opens
    return frozenset(e for e, f in Image.registered_extensions().items() if f in formats)


def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def is_image(file: Path) -> bool:
    """Whether a file without a telling ending is an image; TGA has no mark to tell it by."""
    try:
        with Image.open(file, formats=[name for name in _formats() if name != "TGA"]):
            return True
    except Exception:
        return False


def headers(files: Sequence[Path]) -> list[Header | Damaged]:
    """Look at image files; those that may be cut off or are not of bytes are decoded."""
    with ThreadPoolExecutor(_READ_AHEAD) as pool:
        return list(pool.map(_header, files))


def _header(file: Path) -> Header | Damaged:
    try:
        with open(file, "rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            begin = opened.read(_EDGE)
            opened.seek(max(size - _EDGE, 0))
            end = opened.read()
            digest = hashlib.blake2b(b"%d" % size + begin + end, digest_size=16).digest()
            opened.seek(0)
            with Image.open(opened, formats=_formats()) as image:
                return _looked_at(image, begin, end, size, digest)
    except Exception as error:
        return _damaged(file, error)


def _looked_at(image: Image.Image, begin: bytes, end: bytes, size: int, digest: bytes) -> Header:
    tiles: Any = getattr(image, "tile", None)
    raw = tiles[0][3] if tiles else ""
    sixteen = ";16" in str(raw[0] if isinstance(raw, tuple) else raw)
    transparent = image.has_transparency_data
    if _is_whole(image.format, begin, end, size) and not sixteen and not _is_deep(image):
        # Asking a PNG file without it for its orientation would decode it.
        told = image.format != "PNG" or not {"exif", "xmp"}.isdisjoint(image.info)
        turned = told and image.getexif().get(0x0112, 1) >= 5
        width, height = image.size[::-1] if turned else image.size
        return Header(image.mode in _GREY, height, width, None, False, None, transparent, digest)
    picture = upright(image)
    height, width = picture.height, picture.width
    if _is_deep(picture):
        top, short = check_range(np.asarray(picture), "the image"), picture.mode[:2] == "I;"
        return Header(True, height, width, top, short, None, False, digest)
    upper = int(np.asarray(image.convert("RGB")).max()) if sixteen else None
    return Header(image.mode in _GREY, height, width, None, False, upper, transparent, digest)


def _is_whole(kind: str | None, begin: bytes, end: bytes, size: int) -> bool:
    """Whether a file ends as its format wants it to, so that it was not cut off."""
    if kind in ("JPEG", "MPO"):
        return end.rstrip(b"\0").endswith(b"\xff\xd9")
    if kind == "WEBP":
        return int.from_bytes(begin[4:8], "little") + 8 <= size
    return end.endswith({"PNG": b"IEND\xaeB`\x82", "GIF": b";"}.get(kind or "", b"no end"))


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def upright(image: Image.Image) -> Image.Image:
    """Return an image turned as its EXIF orientation says, on white where it is transparent."""
    image = ImageOps.exif_transpose(image)
    if _is_deep(image) or not image.has_transparency_data:
        image.load()
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def to_pixels(
    image: Image.Image, channels: int, size: tuple[int, int] | None, top: float = 65535.0
) -> UInt8:
    """Return an image as a ``(C, H, W)`` array of bytes.

    Args:
        image: Of any mode.
        channels: 1 for grey, 3 for colour.
        size: Height and width; its own if left out.
        top: What becomes 255 where numbers are not bytes.
    """
    picture = upright(image)
    if _is_deep(picture):
        picture = Image.fromarray(to_bytes(np.asarray(picture), top))
    picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None and (picture.height, picture.width) != size:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    array = np.asarray(picture, dtype=np.uint8)
    return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


class ImageFiles(Source):
    """Image files that are decoded when asked for.

    Args:
        files: Paths.
        found: What :func:`headers` says of them.
        channels: 1 or 3.
        size: Height and width that images are resized to.
        top: What becomes 255 where numbers are not bytes.
    """

    threads = _READ_AHEAD

    def __init__(
        self,
        files: Sequence[Path],
        found: Sequence[Header],
        channels: int,
        size: tuple[int, int],
        top: float,
    ) -> None:
        super().__init__(len(files), (channels, *size))
        self._files = list(files)
        self._found = list(found)
        self._top = top

    def read(self, place: int) -> UInt8:
        """Decode a file."""
        channels, *size = self.item_shape
        try:
            with Image.open(self._files[place], formats=_formats()) as image:
                # JPEG files can be decoded at an eighth of their size and more, much faster.
                image.draft(None, (2 * max(size), 2 * max(size)))
                return to_pixels(image, channels, (size[0], size[1]), self._top)
        except Exception as error:
            raise _damaged(self._files[place], error) from None

    def warn_of_ground(self) -> None:
        """Warn if drawings cannot be seen on the white that transparent images are laid on."""
        seen = [place for place in self.picks.tolist() if self._found[place].transparent]
        seen = [seen[place] for place in spread(len(seen), DIGEST_IMAGES)]
        blank = 0
        for place in seen:
            try:
                pixels = self.read(place)
            except Damaged:  # told by whoever reads them all
                continue
            blank += int(pixels.min() == pixels.max())
        if blank > len(seen) // 2:
            warnings.warn(
                f"Transparent images are laid on white, on which {blank} of {len(seen)} looked at "
                "are blank. Lay them on a ground that shows what is drawn, and save them again.",
                DataWarning,
                stacklevel=4,
            )

    def digest(self) -> bytes:
        """Return a digest of sizes, beginnings and ends of the files, not of their names."""
        parts = [self._found[place].digest for place in self.picks]
        return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


def headers_of(
    parts: Mapping[str, Sequence[Path]], skip_damaged: bool
) -> dict[str, list[Header | Damaged]]:
    """Look at the files of all parts.

    Raises:
        ValueError: Files cannot be read and may not be left out; all are named together, also
            those whose headers are good.
    """
    looked = {key: headers(files) for key, files in parts.items()}
    pairs = [pair for key, files in parts.items() for pair in zip(files, looked[key])]
    bad = [look for _, look in pairs if isinstance(look, Damaged)]
    if bad and not skip_damaged:
        whole = [(file, look) for file, look in pairs if isinstance(look, Header)]
        files, found = [file for file, _ in whole], [look for _, look in whole]
        bad += ImageFiles(files, found, 1, (1, 1), 65535.0).damaged().values()
    undamaged(len(pairs), dict(enumerate(bad)), skip_damaged)
    return looked


def image_files(files: Sequence[Path], channels: int, size: tuple[int, int]) -> ImageFiles:
    """Return files as images of this form, such as a model takes.

    Raises:
        ValueError: A file is no image that is read.
    """
    looked = headers(files)
    known = [found for found in looked if isinstance(found, Header)]
    for found in looked:
        if not isinstance(found, Header):
            raise found
    return ImageFiles(files, known, channels, size, common(known)[2] or 65535.0)


def _damaged(file: Path, error: Exception) -> Damaged:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        reason = "no image of a format that is read"
    return Damaged(repr(str(file)), reason.rstrip("."))


def common(found: Sequence[Header]) -> tuple[int, tuple[int, int], float | None]:
    """Return the channels, the mean height and width, and what becomes 255, of image files.

    Numbers that are not bytes are scaled as arrays are: floating-point numbers in [0, 1] by 255,
    others so that the largest is 255. 16-bit files among files of bytes keep the full range of the
    8, 10, 12, 14 or 16 bits that they use.

    Raises:
        ValueError: 16-bit colours use but a few of their bits.
    """
    channels = 1 if all(header.grey for header in found) else 3
    height, width = (
        max(round(sum(side) / len(found)), 1)
        for side in ([h.height for h in found], [h.width for h in found])
    )
    uppers = [header.upper for header in found if header.upper is not None]
    if uppers and max(uppers) < 64:
        raise ValueError(
            "16-bit colours must fill their 16 bits, of which the upper 8 are read, but of these "
            f"images none has more than {max(uppers)} there. Multiply them, or save 8 bits."
        )
    tops = [header.top for header in found if header.top is not None]
    top: float | None = max(tops, default=None)
    if tops and len(tops) < len(found) and any(header.short for header in found):
        bits = next(bits for bits in (8, 10, 12, 14, 16, 32) if max(tops) < 1 << bits)
        top = float((1 << bits) - 1)
    return channels, (height, width), top
