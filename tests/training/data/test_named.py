"""Data sets known by name."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.data.named import may_be_mirrored
from optuna_popnas.training.data.named import read_idx


def test_mirroring_is_told_by_the_data() -> None:
    """Digits, letters and traffic signs were mirrored."""
    assert not load_dataset("digits").mirror
    for name in ("mnist", "svhn", "gtsrb", "kmnist", "mnist_png", "EMNIST", "chars-ocr"):
        assert not may_be_mirrored(name), name
    for name in ("cifar10", "fashion-mnist", "FashionMNIST", "eurosat", "photos", "pathmnist"):
        assert may_be_mirrored(name), name
    assert not may_be_mirrored("signs", ("turn left", "turn right"))
    assert may_be_mirrored("pets", ("cleft", "dog"))


def test_data_and_training_without_a_home(tmp_path: Path) -> None:
    """Accounts without HOME and without an entry in passwd could load no data by name."""
    if os.getuid() or shutil.which("unshare") is None:
        pytest.skip("needs root, to hide /etc/passwd")
    code = """if True:
        import optuna_popnas as popnas
        from optuna_popnas.training.data.named import _cache
        print(_cache())
        data = popnas.load_dataset("digits", samples=100)
        cell = popnas.Cell.parse("[(-1, 'identity', -1, 'identity')]")
        network = popnas.NetworkConfig(motifs=1, normal_cells=1, filters=2)
        training = popnas.TrainingConfig(epochs=1, restart_epochs=None)
        from optuna_popnas.training import train_cell
        print(train_cell(cell, data, network, training).epochs)
    """
    shell = 'mount --bind /dev/null /etc/passwd && exec "$0" -c "$1"'
    for temporary in ("/nowhere", str(tmp_path / ("long" * 40)), str(tmp_path / "a b'")):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ".", "TMPDIR": temporary}
        if temporary != "/nowhere":
            os.mkdir(temporary)
        out = subprocess.run(
            ["unshare", "-m", "sh", "-c", shell, sys.executable, code],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert out.returncode == 0, out.stderr
        assert out.stdout.split()[-1] == "1"


def test_idx_files(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    with gzip.open(path, "wb") as file:
        file.write(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + pixels.tobytes())
    np.testing.assert_array_equal(read_idx(path), pixels)
    with gzip.open(path, "wb") as file:
        file.write(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 5) + pixels.tobytes())
    with pytest.raises(ValueError, match="cannot be read as IDX"):
        read_idx(path)
