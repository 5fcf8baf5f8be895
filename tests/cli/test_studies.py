"""What is stored before a search, and what is refused before anything is stored."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import load_study
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import study_names
from optuna_popnas.cli.studies import find_study
from optuna_popnas.cli.studies import open_study


def settings(url: str, **sections: dict[str, object]) -> SearchSettings:
    return SearchSettings({"study": {"storage": url}, **sections}, source="the test")


@pytest.mark.parametrize(
    "flags",
    [
        ("--data", "no-such-folder"),
        ("--image-size", "1"),
        ("--device", "cuda:99"),
        ("--validation-fraction", "2"),
        ("--class-weights", "1,2,3"),
        ("--time-predictor", "cat"),
        ("--limits", "parameters=-1"),
        ("--samples", "3"),
    ],
)
def test_wrong_settings_leave_no_study_behind(
    flags: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study was stored with them, which then refused the corrected settings."""
    url = f"sqlite:///{tmp_path}/popnas.db"
    assert main(["search", "--storage", url, *flags]) == 2
    assert capsys.readouterr().err.startswith("optuna-popnas search: ")
    assert main(["search", "--check", "--storage", url, *flags]) == 2
    assert not (tmp_path / "popnas.db").exists()


def test_a_folder_for_pictures_that_cannot_be_made_leaves_no_study_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Workers found it out, one after the other, when the study was there."""
    url, file = f"sqlite:///{tmp_path}/popnas.db", tmp_path / "file"
    file.touch()
    flags = ("--operators", "identity", "--max-blocks", "1", "--epochs", "1", "--filters", "2")
    assert main(["search", "--storage", url, "--artifacts", f"{file}/pictures", *flags]) == 2
    assert "`study.artifacts` must be a folder that can be made" in capsys.readouterr().err
    assert not (tmp_path / "popnas.db").exists()


def test_check_tries_everything_and_stores_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/popnas.db"
    flags = ("--max-blocks", "1", "--operators", "identity", "--epochs", "1", "--filters", "2")
    assert main(["search", "--check", "--storage", url, *flags, "--mode", "popnas"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["training"]["epochs"] == 1
    assert captured.err.startswith("At most 4 trainings with ")
    assert not (tmp_path / "popnas.db").exists()


def test_a_budget_is_said_before_it_is_spent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--budget-seconds` without `--mode` was refused, as the outlook took the thesis' mode."""
    url = f"sqlite:///{tmp_path}/popnas.db"
    flags = ("--operators", "identity", "--epochs", "1", "--filters", "2", "--workers", "2")
    assert main(["search", "--check", "--storage", url, "--budget-seconds", "240", *flags]) == 0
    words = capsys.readouterr().err
    assert words.startswith("4 min 00 s of training with 2 workers on cpu, about 2 min 00 s: ")
    assert main(["search", "--check", "--storage", url, *flags]) == 0
    assert (
        "Trainings with 2 workers on cpu until little more is to be gained"
        in capsys.readouterr().err
    )


def test_a_study_without_trials_takes_new_settings(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/popnas.db"
    open_study(settings(url))
    study = open_study(settings(url, training={"epochs": 3}))
    assert study.user_attrs["settings"]["training"]["epochs"] == 3
    more = settings(url, search={"objectives": ("parameters",)})
    assert len(open_study(more).directions) == 3
    assert find_study(more) is None  # not begun
    open_study(more).add_trial(optuna.trial.create_trial(values=[0.5, 1.0, 2.0]))
    with pytest.raises(ConfigError, match="`training.epochs` must be 21, with which the study"):
        open_study(settings(url, search=more.values["search"], training={"epochs": 3}))
    with pytest.raises(ConfigError, match="has 3 objectives, but these settings have 2"):
        find_study(settings(url))


def test_delete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/popnas.db"
    open_study(settings(url))
    assert main(["delete", "--storage", url]) == 2  # nobody can be asked here
    assert "give --yes" in capsys.readouterr().err
    assert main(["delete", "--storage", url, "--study", "digit", "--yes"]) == 2
    assert "Did you mean `digits`" in capsys.readouterr().err
    assert main(["delete", "--storage", url, "--yes"]) == 0
    assert "Deleted: the study 'digits'" in capsys.readouterr().out
    assert study_names(open_storage(url), url) == []
    with pytest.raises(ConfigError, match="There is no study in"):
        load_study(url)
