"""Workers on a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

import optuna_popnas as popnas
from optuna_popnas.objective import proxies
from optuna_popnas.objective.proxies import PROXIES
from optuna_popnas.objective.ray_workers import give_back
from optuna_popnas.sampler.liveness import process_of
from optuna_popnas.study import view_study
from tests.visualization.made_up import run_study


def test_the_cells_of_a_dead_node_are_free_at_once() -> None:
    study = run_study(n_trials=3)
    view_study(study).space.suggest(study.ask())
    running = study.trials[-1]
    assert running.state.name == "RUNNING"
    token = process_of(running)
    assert token is not None
    give_back(study, "another:1:", "gone")
    assert study.trials[-1].state.name == "RUNNING"
    give_back(study, token.rpartition(":")[0] + ":", "gone")
    assert study.trials[-1].state.name == "FAIL"


def test_a_storage_in_memory_is_refused() -> None:
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(ValueError, match="`storage` must be reached by other processes"):
        popnas.search("digits", hours=1, ray=True, storage=storage)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_search_on_a_cluster_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(proxies, "PROXIES", PROXIES[-1:])
    given: dict[str, Any] = {"operators": ("identity", "3x3 conv"), "max_blocks": 1}
    with pytest.raises(ValueError, match="99 workers need 99 cores, but the cluster has"):
        popnas.search("digits", hours=1, ray="local", n_jobs=99, device="cpu", **given)
    with pytest.raises(ValueError, match="1 workers need 1 GPUs, but the cluster has 0"):
        popnas.search("digits", hours=1, ray="local", device="cuda", **given)
    study = popnas.search("digits", hours=0.01, ray="local", device="cpu", **given)
    assert study.best_trials and [path.name for path in tmp_path.glob("*.log")] == ["digits.log"]
    seats = {t.user_attrs["popnas"]["seat"] for t in study.trials if "popnas" in t.user_attrs}
    assert all(seat.endswith(":ray-0") for seat in seats)


def test_no_cluster_at_the_address() -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConnectionError, match="No Ray cluster answers at '127.0.0.1:1'"):
        popnas.search("digits", hours=1, ray="127.0.0.1:1")
