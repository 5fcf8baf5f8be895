"""The arrays of an ``.npz`` file, mapped into memory where they are too large to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO
import zipfile

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.data.labels import Part


#: Names of the arrays: images, labels, for training, validation and test.
_NAMES = {
    "train": (
        ("x_train", "y_train"), ("train_images", "train_labels"), ("X_train", "y_train"),
        ("X", "y"), ("x", "y"), ("images", "labels"), ("data", "target"), ("arr_0", "arr_1"),
    ),
    "validation": (("x_val", "y_val"), ("val_images", "val_labels"), ("X_val", "y_val")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels"), ("X_test", "y_test")),
}  # fmt: skip


def read_npz(path: Path, limit: int) -> dict[str, Part]:
    """Return the parts of a file: "train" and maybe "validation" and "test".

    Args:
        path: The file.
        limit: Bytes that arrays may take; larger ones are read from the file when asked for.

    Raises:
        ValueError: The file is damaged or has other arrays, or a large array is compressed.
    """
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            arrays = {
                info.filename.removesuffix(".npy"): _array(archive, info, path, file, limit)
                for info in archive.infolist()
            }
    except (OSError, zipfile.BadZipFile, ValueError, EOFError) as error:
        raise ValueError(f"File {str(path)!r} cannot be read as .npz ({error}).") from None
    parts = {}
    for part, pairs in _NAMES.items():
        for images, labels in reversed(pairs):
            if images in arrays and labels in arrays:
                parts[part] = Part(arrays[images], arrays[labels])
    if "train" not in parts:
        raise ValueError(
            "An .npz file must hold images and labels, such as X and y or x_train and y_train, "
            f"but {path.name!r} has {', '.join(sorted(arrays)) or 'nothing'}. Rename its arrays."
        )
    return parts


def _array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, file: BinaryIO, limit: int
) -> npt.NDArray[Any]:
    with archive.open(info) as member:
        if info.file_size <= limit:
            array: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
            return array
        if info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(
                f"{info.filename!r} takes {info.file_size / 1e9:.1f} GB of memory, of which "
                f"{limit / 1e9:.1f} may be used; numpy.savez, which does not compress, writes "
                "arrays that need not fit"
            )
        version = np.lib.format.read_magic(member)
        read = {(1, 0): np.lib.format.read_array_header_1_0}
        shape, fortran, dtype = read.get(version, np.lib.format.read_array_header_2_0)(member)
        header = member.tell()
    # The member's own header: 30 bytes, then a name and extra fields, whose lengths it holds.
    file.seek(info.header_offset + 26)
    lengths = sum(np.frombuffer(file.read(4), dtype="<u2").tolist())
    offset = info.header_offset + 30 + lengths + header
    order: Any = "F" if fortran else "C"
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order=order)
