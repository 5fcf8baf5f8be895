"""Files that are either whole or not there: tensors as safetensors, notes as JSON. No pickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextlib import suppress
import json
import os
from pathlib import Path
import secrets
from typing import Any

from safetensors import safe_open
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor


_KEY = "optuna_popnas"
_TENSOR = "$tensor"
_ITEMS = "$items"


@contextmanager
def replacing(path: Path, what: str) -> Iterator[Path]:
    """Give a path to write to; afterwards that file takes the place of ``path`` at once.

    Whatever happens, ``path`` is either as it was or wholly written.

    Args:
        path: The file to be written.
        what: What it is called in errors, such as ``"Checkpoint"``.

    Raises:
        OSError: It cannot be written.
    """
    # Nobody can foresee the name, and what is there already is not followed.
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise OSError(
            f"{what} {str(path)!r} cannot be written ({error.strerror or error}). Free some space "
            "or choose another folder, and run it again: the file that was there is kept."
        ) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any], *, what: str
) -> None:
    """Write tensors and JSON notes as one safetensors file.

    Args:
        path: The file.
        tensors: By name; any device and memory layout.
        notes: JSON values, kept in the file's metadata.
        what: What the file is called in errors.

    Raises:
        OSError: The disk is full, or the folder cannot be written to.
    """
    dense = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(dense, metadata={_KEY: json.dumps(notes)})
    with replacing(path, what) as part:
        part.write_bytes(content)


def write_json(path: Path, notes: Mapping[str, Any], *, what: str) -> None:
    """Write notes as an indented JSON file.

    Raises:
        OSError: It cannot be written.
    """
    with replacing(path, what) as part:
        part.write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")


def read_tensors(path: Path, *, what: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote.

    Returns:
        Tensors on the CPU by name, and the notes.

    Raises:
        ValueError: The file is missing, damaged, or was not written by this library.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        notes = json.loads(metadata[_KEY])
    except FileNotFoundError:
        raise ValueError(f"{what} {str(path)!r} must be a file, but there is none.") from None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        reason = "no notes in it" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise ValueError(
            f"{what} {str(path)!r} must be a whole safetensors file of this library, but it "
            f"cannot be read ({reason}). Remove it, or copy it again."
        ) from None
    return tensors, notes


def pack(value: Any) -> tuple[dict[str, Tensor], Any]:
    """Take the tensors out of nested dicts and lists.

    Returns:
        Tensors by name, and the same nesting with their names, all of it JSON values;
        :func:`unpack` puts them together again.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[int, str] = {}  # a tensor that occurs twice is written once

    def walk(item: Any, name: str) -> Any:
        if isinstance(item, Tensor):
            name = names.setdefault(id(item), name)
            tensors[name] = item
            return {_TENSOR: name}
        if isinstance(item, Mapping):
            # JSON has no integer keys, which states of optimisers have.
            return {_ITEMS: [[key, walk(item[key], f"{name}.{key}")] for key in item]}
        if isinstance(item, (list, tuple)):
            return [walk(part, f"{name}.{index}") for index, part in enumerate(item)]
        return item

    return tensors, {key: walk(item, key) for key, item in value.items()}


def unpack(tensors: Mapping[str, Tensor], value: Any) -> Any:
    """Put tensors back where :func:`pack` took them from."""
    if isinstance(value, Mapping):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        pairs = value[_ITEMS] if _ITEMS in value else value.items()
        return {key: unpack(tensors, item) for key, item in pairs}
    if isinstance(value, list):
        return [unpack(tensors, item) for item in value]
    return value
