from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import optuna
import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli.rays import give_back
from optuna_popnas.sampler.liveness import process_of
from optuna_popnas.study import view_study
from tests.visualization.made_up import run_study


SMALL = ("--operators", "identity", "--max-blocks", "1", "--epochs", "1", "--filters", "2")


def test_the_cells_of_a_dead_node_are_free_at_once() -> None:
    study = run_study(n_trials=3)
    view_study(study).space.suggest(study.ask())
    running = study.trials[-1]
    assert running.state.name == "RUNNING"
    token = process_of(running)
    assert token is not None
    give_back(study, "another:1:")
    assert study.trials[-1].state.name == "RUNNING"
    give_back(study, token.rpartition(":")[0] + ":")
    assert study.trials[-1].state.name == "FAIL"


def test_no_cluster_at_the_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = f"journal:///{tmp_path}/log"
    code = main(["search", *SMALL, "--storage", url, "--ray", "127.0.0.1:1"])
    assert code == 1
    assert "No Ray cluster answers at '127.0.0.1:1'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_search_on_a_cluster_one_of_whose_nodes_dies() -> None:
    pytest.importorskip("ray")
    script = Path(__file__).parents[1] / "ray_cluster.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last == "3 nodes, 1 killed, 22 cells, 0 lost, 0 duplicated"
