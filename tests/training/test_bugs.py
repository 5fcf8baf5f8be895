from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest


SCRIPT = """
import multiprocessing
multiprocessing.set_start_method("forkserver", force=True)
import optuna_popnas as popnas
from optuna_popnas import Cell
data = popnas.load_dataset({folder!r}, image_size=8, memory_limit=1000)
network = popnas.NetworkConfig(motifs=1, normal_cells=1, filters=2)
popnas.train_cell(Cell(), data, network, popnas.TrainingConfig(epochs=1, restart_epochs=None))
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_of_it(tmp_path: Path) -> None:
    """Readers that are spawned run the script again and die: "exited unexpectedly" was all."""
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(20):
            pixels = np.full((16, 16, 3), index, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(folder=str(tmp_path / "images")))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode != 0
    assert 'if __name__ == "__main__":`, or pass readers=0' in done.stderr.splitlines()[-1]
