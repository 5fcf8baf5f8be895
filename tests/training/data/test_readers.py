"""Processes that read images: their memory, their end, how they are started."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from optuna_popnas._failures import MachineFailure
from optuna_popnas.training.data.memory import WORKERS
from optuna_popnas.training.data.readers import reader_count
from optuna_popnas.training.data.readers import Readers
from optuna_popnas.training.data.source import Damaged
from optuna_popnas.training.data.source import Source
from tests.training.data.pictures import fill


class Squares(Source):
    """Image ``i`` has the value ``i`` everywhere; some are damaged or end their reader."""

    def __init__(self, side: int = 4, damaged: int = -1, deadly: int = -1) -> None:
        super().__init__(100, (3, side, side))
        self._bad = damaged, deadly

    def read(self, place: int) -> Any:
        if place == self._bad[0]:
            raise Damaged("'cat.jpg'", "cut off")
        if place == self._bad[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full(self.item_shape, place, np.uint8)

    def digest(self) -> bytes:
        return b""


def make(source: Source, processes: int | None = 1) -> Readers:
    return Readers(source, np.arange(100), processes, 2, torch.device("cpu"))


@pytest.mark.parametrize("processes", [0, 2])
def test_batches_are_those_that_were_asked_for(processes: int) -> None:
    readers = make(Squares(), processes)
    for places in ([[3, 1], [2, 99]], [[5], [6, 7, 8]]):
        batches = list(readers.batches(places))
        assert [batch[:, 0, 0, 0].tolist() for batch in batches] == places
        assert batches[0].shape == (len(places[0]), 4, 4, 3)


@pytest.mark.parametrize("processes", [0, 1])
def test_a_damaged_image_fails_the_training_by_its_name(processes: int) -> None:
    with pytest.raises(MachineFailure, match=r"^The image 'cat.jpg' cannot be read \(cut off\)"):
        list(make(Squares(damaged=5), processes).batches([[1, 2], [5, 6]]))


def test_a_reader_that_is_killed_fails_the_training_with_its_reason() -> None:
    with pytest.raises(MachineFailure, match="ended by the system, .*readers=1"):
        list(make(Squares(deadly=5), 2).batches([[1, 2], [5, 6], [7, 8]]))


def test_readers_are_shared_among_the_workers_of_a_machine(monkeypatch: Any) -> None:
    assert [reader_count(cores) for cores in (1, 2, 6, 64)] == [1, 1, 5, 8]
    monkeypatch.setenv(WORKERS, "4")
    assert [reader_count(cores) for cores in (6, 16, 64)] == [1, 3, 8]


def test_batches_larger_than_the_shared_memory(tmp_path: Path) -> None:
    """A reader that found no shared memory for its batch waited for ever, and the training too."""
    if os.getuid() or shutil.which("unshare") is None:
        pytest.skip("needs root, to mount a small /dev/shm")
    code = (
        "from tests.training.data.test_readers import make, Squares\n"
        "batches = make(Squares(side=512), 2).batches([list(range(24))] * 6)\n"
        "print(sum(batch.shape[0] for batch in batches))"
    )
    shell = 'mount -t tmpfs -o size=8m none /dev/shm && exec "$0" -c "$1"'
    out = subprocess.run(
        ["unshare", "-m", "sh", "-c", shell, sys.executable, code],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert out.stdout.strip() == "144", out.stderr


SCRIPT = """
import multiprocessing
{start}
import optuna_popnas as popnas
data = popnas.load_dataset({folder!r}, image_size=8, memory_limit=10)
network = popnas.NetworkConfig(motifs=1, normal_cells=1, filters=2)
from optuna_popnas.training import train_cell
cell = popnas.Cell.parse("[(-1, 'identity', -1, 'identity')]")
result = train_cell(cell, data, network, popnas.TrainingConfig(epochs=1, restart_epochs=None))
print("epochs", result.epochs)
"""


@pytest.mark.parametrize(
    "method", ["", "forkserver", pytest.param("spawn", marks=pytest.mark.slow)]
)
def test_scripts_without_main_guard_work_or_are_told_what_to_write(
    tmp_path: Path, method: str
) -> None:
    """The script ran again in every reader, and died of "worker exited unexpectedly"."""
    folder = fill(tmp_path / "photos", count=6)
    start = f"multiprocessing.set_start_method({method!r})" if method else ""
    script = tmp_path / "search.py"
    script.write_text(SCRIPT.format(start=start, folder=str(folder)))
    out = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    if method:
        last = out.stderr.strip().splitlines()[-1]
        assert f"{method!r}, which runs the script again" in last
        assert '`if __name__ == "__main__":`, or pass readers=0' in last
    else:
        assert out.stdout.strip() == "epochs 1", out.stderr
