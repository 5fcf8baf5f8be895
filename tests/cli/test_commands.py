from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import optuna
import pytest

from optuna_popnas.cli import COMMANDS
from optuna_popnas.cli import main
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import load_study
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import open_storage
from tests.visualization.made_up import run_study


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A journal with a finished made-up search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = f"journal:///{tmp_path_factory.mktemp('cli')}/journal"
    run_study(max_blocks=2, storage=open_storage(url), fail=(4,))
    return url


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"optuna-popnas {command}" in capsys.readouterr().out


def test_help_names_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"    {command} " in text for command in COMMANDS)


def test_no_command() -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2


def test_unknown_option(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run(capsys, "status", "--storag", storage)
    assert code == 2
    assert "no option `--storag`. Did you mean `--storage`?" in errors
    code, _, errors = run(capsys, "search", "--epoch", "3")
    assert code == 2
    assert "no option `--epoch`. Did you mean `--epochs`?" in errors


def test_status(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, errors = run(capsys, "status", "--storage", storage)
    assert (code, errors) == (0, "")
    assert text.startswith("made-up: The search is finished: ")
    assert "2 blocks" in text
    assert "Pareto front" in text


def test_status_as_json(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, "status", "--storage", storage, "--json")
    data = json.loads(text)
    assert code == 0
    assert data["state"] == "finished"
    assert data["failed"] == 1
    assert [row["level"] for row in data["levels"]] == [0, 1, 2]


def test_report(storage: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    code, text, _ = run(capsys, "report", "--storage", storage, "-o", str(path))
    assert code == 0
    assert str(path) in text
    assert "What to do next" in path.read_text(encoding="utf-8")


def test_compare(storage: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cells.svg"
    code, text, errors = run(
        capsys, "compare", "made-up", "--storage", storage, "-o", str(path), "--markdown"
    )
    assert (code, errors) == (0, "")
    for table in ("5.1", "5.2", "6.2", "6.3", "6.4"):
        assert f"Table {table}" in text
    assert "| made-up | popnas |" in text
    assert ElementTree.fromstring(path.read_text()).tag.endswith("svg")
    code, text, _ = run(capsys, "compare", f"{storage}#made-up", "made-up", "--json",
                        "--storage", storage)  # fmt: skip
    assert code == 2  # the same study twice would be no comparison
    code, text, _ = run(capsys, "compare", f"{storage}#made-up", "--json")
    row = json.loads(text)[0]
    assert (code, row["name"], row["mode"]) == (0, "made-up", "popnas")
    assert row["summary"]["time"]["training"] > 0


def test_compare_says_how_a_study_is_chosen(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The advice was ``--study``, which the command has not."""
    url = f"journal:///{tmp_path}/journal"
    for name in ("one", "two"):
        optuna.create_study(study_name=name, storage=open_storage(url))
    code, _, errors = run(capsys, "compare", url)
    assert code == 2
    assert "one, two. Choose one by URL#NAME." in errors
    assert run(capsys, "compare", f"{url}#one")[0] == 0


def test_compare_without_names_compares_all(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = f"journal:///{tmp_path}/journal"
    optuna.create_study(study_name="empty", storage=open_storage(url))
    for name in ("one", "two"):
        run_study(n_trials=3, name=name, storage=open_storage(url))
    code, text, _ = run(capsys, "compare", "--storage", url, "--json")
    assert code == 0
    assert [row["name"] for row in json.loads(text)] == ["empty", "one", "two"]
    other = f"journal:///{tmp_path}/other"
    optuna.create_study(study_name="gone", storage=open_storage(other))
    optuna.delete_study(study_name="gone", storage=open_storage(other))
    code, _, errors = run(capsys, "compare", "--storage", other)
    assert code == 2 and "There is no study in journal" in errors


def test_files_that_cannot_be_written_are_told_in_words(
    storage: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "missing" / "cells.svg")
    for command in (["compare", "made-up"], ["draw"]):
        code, _, errors = run(capsys, *command, "--storage", storage, "-o", path)
        assert code == 1
        assert f"{path!r} cannot be used: No such file or directory. Check the path." in errors


def test_predictors_needs_deeper_cells(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/journal"
    run_study(max_blocks=1, storage=open_storage(url))
    code, _, errors = run(capsys, "predictors", "--storage", url)
    assert code == 2
    assert "must have cells of two blocks" in errors


@pytest.mark.slow
def test_predictors(storage: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "features.html"
    code, text, _ = run(capsys, "predictors", "--storage", storage, "-o", str(path))
    assert code == 0
    assert "Table 5.4" in text and "CatBoost" in text and "default" in text
    assert "Time features" in path.read_text(encoding="utf-8")


def test_draw(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cell.svg"
    cell = "[(-2, '3x3 conv', -1, 'identity')]"
    assert run(capsys, "draw", cell, "-o", str(path))[0] == 0
    assert ElementTree.fromstring(path.read_text()).tag.endswith("svg")
    code, text, _ = run(capsys, "draw", cell, "--network", "--motifs", "2", "-o", "-")
    assert code == 0
    assert "motif 2" in text


def test_draw_of_a_study(
    storage: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It filled the terminal with SVG, and drew networks of other sizes than the study's."""
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "draw", "--storage", storage)[1] == "Written: cell.svg\n"
    best = Path("cell.svg").read_text(encoding="utf-8")
    own = f"journal:///{tmp_path}/journal"
    study = run_study(n_trials=3, storage=open_storage(own))
    study.set_user_attr("settings", {"network": {"motifs": 2, "filters": 5}})
    network = run(capsys, "draw", "--network", "--storage", own, "-o", "-")[1]
    assert "motif 2" in network and "motif 3" not in network and "10 filters" in network
    number = run(capsys, "draw", "0", "--storage", storage, "-o", "-")[1]
    assert "<svg" in best and "<svg" in number
    assert "pooling, linear" in number  # trial 0 is the empty cell
    code, _, errors = run(capsys, "draw", "999", "--storage", storage)
    assert code == 2
    assert "There is no trial 999" in errors


@pytest.mark.parametrize("cell", ["[(-2, '3x3 cnv', -1, 'identity')]", "[(0, 'identity', -1", "x"])
def test_draw_of_no_cell(cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run(capsys, "draw", cell)
    assert code == 2
    assert "must be" in errors


def test_profile(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--operators", "identity,3x3 conv", "--max-blocks", "3", "--timed", "0")
    code, text, _ = run(capsys, "profile", "--study.storage", "x", *flags, "--json")
    assert code == 2  # a storage without a study cannot be meant
    example = str(Path(__file__).parents[2] / "examples" / "digits.toml")
    code, text, _ = run(capsys, "profile", example, *flags, "--json")
    data = json.loads(text)
    assert code == 0
    # Two operators, two lookbacks: golden counts of the specification.
    assert [row["distinct"] for row in data["levels"]] == [10, 165, 3840]
    assert [row["encodings"] for row in data["levels"]] == [10, 210, 7560]
    assert data["training_hours"] is None


@pytest.mark.parametrize("mode", ["adaptive", "popnas"])
def test_a_profile_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Its table was 103 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    example = str(Path(__file__).parents[2] / "examples" / "thesis_small.toml")
    text = run(capsys, "profile", example, "--mode", mode, "--timed", "1")[1]
    assert max(map(len, text.splitlines())) <= 80
    assert ("trained: at most" in text) == (mode == "popnas")


def test_profile_says_whether_limits_can_be_met(capsys: pytest.CaptureFixture[str]) -> None:
    example = str(Path(__file__).parents[2] / "examples" / "digits.toml")
    flags = ("--operators", "identity,3x3 conv", "--max-blocks", "2", "--timed", "0")
    text = run(capsys, "profile", example, *flags, "--limits", "parameters=10")[1]
    assert "NO candidate of 2 blocks" in text
    text = run(capsys, "profile", example, *flags, "--limits", "parameters=10000")[1]
    assert "% of the candidates of 2 blocks are within them" in text


def test_no_such_storage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    code, _, errors = run(capsys, "status", "--storage", url)
    assert code == 2
    assert "There is no file" in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["popnas.db", "nonsense://x", "sqlite://"])
def test_no_storage_url(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run(capsys, "status", "--storage", url)
    assert code == 2
    assert errors.count("\n") == 1


def test_study_names(tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/journal"
    store = open_storage(url)
    with pytest.raises(ConfigError, match="There is no study in"):
        load_study(url)
    for name in ("one", "two"):
        optuna.create_study(study_name=name, storage=store)
    with pytest.raises(ConfigError, match="There are 2 studies .* one, two. Choose one"):
        load_study(url)
    assert load_study(url, "one").study_name == "one"
    with pytest.raises(ConfigError, match="There is no study 'ones' .* Did you mean `one`"):
        load_study(url, "ones")


def test_passwords_are_not_shown() -> None:
    masked = mask_password("postgresql+psycopg://user:s3cret@host:5432/db")
    assert masked == "postgresql+psycopg://user:***@host:5432/db"
    assert mask_password("sqlite:///popnas.db") == "sqlite:///popnas.db"


def test_retrain_needs_data(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run(capsys, "retrain", "--storage", storage)
    assert code == 2
    assert "Name them: --data" in errors


def test_export_needs_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, errors = run(capsys, "export", str(tmp_path / "none"))
    assert code == 2
    assert "There is no" in errors
