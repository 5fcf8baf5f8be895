from __future__ import annotations

import json
from pathlib import Path
import struct
from typing import Any

import pytest
import torch

from optuna_popnas.training.checkpoint import pack
from optuna_popnas.training.checkpoint import read_tensors
from optuna_popnas.training.checkpoint import replacing
from optuna_popnas.training.checkpoint import unpack
from optuna_popnas.training.checkpoint import write_tensors


def test_round_trip(tmp_path: Path) -> None:
    weights = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    value = {"a": [1, {3: weights, "x": None}], "b": torch.tensor(2), "c": weights, "d": "text"}
    tensors, facts = pack(value)
    assert len(tensors) == 2  # the weights are written once
    write_tensors(tmp_path / "file", tensors, facts, what="File")
    found = unpack(*read_tensors(tmp_path / "file", what="File"))
    assert torch.equal(found["a"][1][3], weights) and found["a"][1]["x"] is None
    assert torch.equal(found["c"], weights) and int(found["b"]) == 2 and found["d"] == "text"


def test_the_file_is_plain_safetensors(tmp_path: Path) -> None:
    write_tensors(tmp_path / "file", {"t": torch.ones(3)}, {"epoch": 7}, what="File")
    content = (tmp_path / "file").read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    assert header["t"]["shape"] == [3]
    assert json.loads(header["__metadata__"]["optuna_popnas"]) == {"epoch": 7}


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="File .* cannot be written .*the file that was there is"):
        with replacing(path, "File") as part:
            part.write_text("half of the new")
            raise OSError(28, "No space left on device")
    with pytest.raises(KeyboardInterrupt):
        with replacing(path, "File") as part:
            part.write_text("half of the new")
            raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Checkpoint .*cannot be written.*choose another folder"):
        write_tensors(tmp_path / "file" / "below", {}, {}, what="Checkpoint")


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "foreign"])
def test_files_that_cannot_be_read(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "file"
    write_tensors(path, {"t": torch.ones(300)}, {}, what="File")
    content: Any = {
        "truncated": path.read_bytes()[:-20],
        "text": b"this is no such file",
        "empty": b"",
        "foreign": path.read_bytes().replace(b"optuna_popnas", b"somebody_else"),
    }[damage]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="File .*must be a whole safetensors file.*cannot be rea"):
        read_tensors(path, what="File")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Model file .*none' must be a file, but there is none"):
        read_tensors(tmp_path / "none", what="Model file")
