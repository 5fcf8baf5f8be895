"""What to run where there is a GPU: ``make gpu`` runs all of it, about an hour.

    python benchmarks/gpu.py tests        (a) every test marked gpu
    python benchmarks/gpu.py training     (b) benchmarks/training.py on the GPU
    python benchmarks/gpu.py sharing      (c) cells an hour of one, two and four workers on one GPU
    python benchmarks/gpu.py search       (d) CIFAR-10 for 20 minutes

Workers that share a GPU take turns on it unless NVIDIA's MPS runs (``nvidia-cuda-mps-control -d``,
before this). Seconds of a cell are longer under sharing: (c) prints by how much.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile

import torch

from optuna_popnas.cli.storages import load_study
from optuna_popnas.study import view_study


PARTS = ("tests", "training", "sharing", "search")
HERE = Path(__file__).parent
SEARCH = ("--device", "cuda", "--mode", "popnas", "--seed", "0", "--artifacts", "none")


def run(*command: str, check: bool = True) -> None:
    print("$", *command, flush=True)
    subprocess.run([sys.executable, *command], check=check, cwd=HERE.parent)


def searched(data: str, storage: str, *flags: str) -> None:
    """Search; time that is up is no failure."""
    words = ("search", "--data", data, "--storage", storage, *SEARCH, *flags)
    run("-m", "optuna_popnas", *words, check=False)


def sharing(data: str, folder: str, minutes: float) -> None:
    """Print cells an hour, and the seconds of the cells that all had trained."""
    seconds = {}
    for workers in (1, 2, 4):
        url = f"sqlite:///{folder}/{workers}.db"
        searched(data, url, "--workers", str(workers), "--timeout", str(60 * minutes))
        done = view_study(load_study(url)).complete
        seconds[workers] = {trial.cell: trial.seconds for trial in done}
        print(f"{workers} workers: {60 * len(done) / minutes:,.0f} cells an hour", flush=True)
    for workers in (2, 4):
        both = set(seconds[1]) & set(seconds[workers])
        ratios = [(seconds[workers][cell] or 0.0) / (seconds[1][cell] or 1.0) for cell in both]
        if ratios:
            print(f"{workers} workers: a cell takes {statistics.median(ratios):.2f} times as long")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART", help="all if left out")
    parser.add_argument("--data", default="cifar10", help="a name or folder of images [cifar10]")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the search [20]")
    options = parser.parse_args()
    wrong = set(options.parts) - set(PARTS)
    if wrong:
        parser.error(f"A part must be one of {', '.join(PARTS)}, but got {', '.join(wrong)}.")
    if not torch.cuda.is_available():
        sys.exit(
            "PyTorch finds no CUDA device here, so nothing was run. These parts need a GPU: "
            f"{', '.join(options.parts)}."
        )
    print(torch.cuda.get_device_name(), torch.__version__, os.cpu_count(), "cores", flush=True)
    if "tests" in options.parts:
        run("-m", "pytest", "-m", "gpu")
    if "training" in options.parts:
        run("benchmarks/training.py", "--device", "cuda")
    with tempfile.TemporaryDirectory() as folder:
        if "sharing" in options.parts:
            sharing(options.data, folder, options.minutes / 4)
        if "search" in options.parts:
            url = f"sqlite:///{folder}/search.db"
            searched(options.data, url, "--timeout", str(60 * options.minutes))
            run("-m", "optuna_popnas", "compare", url, "--markdown")


if __name__ == "__main__":
    main()
