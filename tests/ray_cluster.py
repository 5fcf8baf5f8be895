"""A search on three raylets of one machine, one of which is killed: nothing is lost.

``python tests/ray_cluster.py`` ends with one line, and exit code 0 only if all is well.
"""

from __future__ import annotations

from collections import Counter
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

from optuna_popnas.cli.storages import load_study
from optuna_popnas.study import StudyView
from optuna_popnas.study import view_study


CELLS = 22
FLAGS = (
    "--operators", "identity,3x3 dconv,3x3 conv", "--max-blocks", "1", "--samples", "400",
    "--epochs", "189", "--motifs", "1", "--normal-cells", "1", "--filters", "2", "--workers", "3",
    "--mode", "popnas",
)  # fmt: skip


def look(url: str) -> StudyView | None:
    try:
        return view_study(load_study(url))
    except (ValueError, RuntimeError):
        return None


def main(seconds: float = 170.0) -> int:
    import ray
    from ray.cluster_utils import Cluster

    os.environ["OMP_NUM_THREADS"] = "1"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    killed = 0
    with tempfile.TemporaryDirectory() as folder:
        url = f"journal:///{folder}/study.log"
        process = subprocess.Popen(
            [sys.executable, "-m", "optuna_popnas", "search", "--storage", url, *FLAGS]
            + ["--ray", cluster.address],
            cwd=Path(folder),
        )
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            view = look(url)
            if not killed and view is not None and len(view.complete) >= 4:
                cluster.remove_node(nodes[0], allow_graceful=False)
                killed = 1
            time.sleep(0.5)
        late = process.poll() is None
        if late:
            process.kill()
        code = process.wait()
        view = look(url)
    if ray.is_initialized():
        ray.shutdown()
    cluster.shutdown()
    counts = Counter(
        t.cell.canonical() for t in (view.complete if view else ()) if t.cell is not None
    )
    lost, twice = CELLS - len(counts), sum(counts.values()) - len(counts)
    print(f"3 nodes, {killed} killed, {len(counts)} cells, {lost} lost, {twice} duplicated")
    return int(bool(late or code or lost or twice or not killed))


if __name__ == "__main__":
    sys.exit(main())
