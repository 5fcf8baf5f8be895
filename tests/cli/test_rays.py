from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import optuna
import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli import parser_of


SMALL = ("--operators", "identity", "--max-blocks", "1", "--epochs", "1", "--filters", "2")


def test_no_cluster_at_the_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = f"journal:///{tmp_path}/log"
    code = main(["search", *SMALL, "--storage", url, "--ray", "127.0.0.1:1"])
    assert code == 1
    assert "No Ray cluster answers at '127.0.0.1:1'" in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


def test_without_ray_nothing_is_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The study was made before the cluster was looked for."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["search", *SMALL, "--storage", f"journal:///{tmp_path}/log", "--ray"]) == 2
    assert "`--ray`: Ray is not installed. Install it: pip install ray." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["x.toml", "--ray"], ["--ray", "x.toml"], ["--ray", "--workers", "2", "x.toml"]]
)
def test_ray_needs_no_address(words: list[str]) -> None:
    own, _ = parser_of("search").parse(words)
    assert own["ray"] == "any" and own["source"] == "x.toml"


def test_an_address_after_ray() -> None:
    parser = parser_of("search")
    for address in ("auto", "local", "10.0.0.1:6379", "ray://head:10001"):
        assert parser.parse(["x.toml", "--ray", address])[0]["ray"] == address


@pytest.mark.slow
def test_a_search_on_a_cluster_one_of_whose_nodes_dies() -> None:
    pytest.importorskip("ray")
    script = Path(__file__).parents[1] / "ray_cluster.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last == "3 nodes, 1 killed, 22 cells, 0 lost, 0 duplicated"
