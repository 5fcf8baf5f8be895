"""Data sets known by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import gzip
import os
from pathlib import Path
import re
import struct
import tempfile
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.labels import Part


#: Where Debian's package ``dataset-fashion-mnist`` puts its files.
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


class Torchvision(NamedTuple):
    """A data set of ``torchvision.datasets``.

    Attributes:
        cls: Name of the class.
        train: Keyword arguments of the training part.
        test: Those of the test part; None if there is no such part.
    """

    cls: str
    train: dict[str, Any]
    test: dict[str, Any] | None


_TRAIN_FLAG = ({"train": True}, {"train": False})
_SPLIT = ({"split": "train"}, {"split": "test"})

TORCHVISION = {
    "mnist": Torchvision("MNIST", *_TRAIN_FLAG),
    "fashion-mnist": Torchvision("FashionMNIST", *_TRAIN_FLAG),
    "kmnist": Torchvision("KMNIST", *_TRAIN_FLAG),
    "cifar10": Torchvision("CIFAR10", *_TRAIN_FLAG),
    "cifar100": Torchvision("CIFAR100", *_TRAIN_FLAG),
    "svhn": Torchvision("SVHN", *_SPLIT),
    "stl10": Torchvision("STL10", *_SPLIT),
    "gtsrb": Torchvision("GTSRB", *_SPLIT),
    "food101": Torchvision("Food101", *_SPLIT),
    "eurosat": Torchvision("EuroSAT", {}, None),
}

#: Every name that :func:`read_named` knows.
NAMES = frozenset(("digits", *TORCHVISION))

_FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


# Data whose classes a mirror changes: numerals, letters, traffic signs.
_ONE_WAY = frozenset((
    "digit", "digits", "mnist", "emnist", "kmnist", "qmnist", "svhn", "usps", "gtsrb", "omniglot",
    "letters", "characters", "alphabet", "hiragana", "katakana", "kanji", "ocr", "captcha",
))  # fmt: skip


def may_be_mirrored(name: str, classes: Iterable[str] = ()) -> bool:
    """Whether a mirrored image is still of its class, as far as the data's names tell."""
    words = set(re.findall("[a-z]+", name.lower()))
    sides = {c.lower() for c in classes}
    turned = any("left" in c and c.replace("left", "right") in sides for c in sides)
    return not turned and ("fashion" in words or words.isdisjoint(_ONE_WAY))


def read_named(
    name: str, root: str | os.PathLike[str] | None, read: Callable[[Any], Part]
) -> dict[str, Part]:
    """Read the parts, "train" and maybe "test", of a data set.

    Args:
        name: One of :data:`NAMES`.
        root: Folder that holds the files, or that they are downloaded to.
        read: What reads a torch data set.

    Raises:
        ValueError: The files are not there and cannot be downloaded.
    """
    if name == "digits":
        return {"train": _read_digits()}
    if name == "fashion-mnist" and root is None and DEBIAN_FASHION_MNIST.is_dir():
        return _read_idx_folder(DEBIAN_FASHION_MNIST, _FASHION_CLASSES)
    folder = Path(root) if root is not None else _cache()
    entry = TORCHVISION[name]
    parts = {}
    for part, arguments in (("train", entry.train), ("test", entry.test)):
        if arguments is not None:
            dataset = _torchvision(entry.cls, folder, arguments, name)
            parts[part] = read(dataset)
    return parts


def _cache() -> Path:
    """Return where downloads are kept; an account without a home has its temporary files."""
    try:
        return Path.home() / ".cache" / "optuna_popnas"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "optuna_popnas"


def _torchvision(cls: str, folder: Path, arguments: dict[str, Any], name: str) -> Any:
    import torchvision

    folder.mkdir(parents=True, exist_ok=True)
    try:
        return getattr(torchvision.datasets, cls)(str(folder), download=True, **arguments)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"Data set {name!r} is not below {str(folder)!r} and cannot be downloaded ({reason}). "
            "Copy torchvision's files there, or pass `root`."
        ) from None


def _read_digits() -> Part:
    from sklearn.datasets import load_digits

    digits = load_digits()  # 0 to 16
    return Part(digits.images, digits.target, tuple("0123456789"))


def _read_idx_folder(folder: Path, names: tuple[str, ...]) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
        parts[part] = Part(images, labels.astype(np.int64), names)
    return parts


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read a gzipped IDX file of bytes, the format of MNIST.

    Raises:
        ValueError: The file is damaged or of another format.
    """
    try:
        with gzip.open(path) as file:
            data = file.read()
        kind, dimensions = data[2], data[3]
        shape = struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions])
        array = np.frombuffer(bytearray(data), dtype=np.uint8, offset=4 + 4 * dimensions)
        if kind != 8:
            raise ValueError("not bytes")
        return array.reshape(shape)
    except (OSError, EOFError, IndexError, struct.error, ValueError) as error:
        raise ValueError(
            f"File {str(path)!r} cannot be read as IDX ({error}). Install its package again."
        ) from None
