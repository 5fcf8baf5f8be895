from __future__ import annotations

from pathlib import Path
import re

import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli.config import read_settings
from optuna_popnas.cli.init import settings_text
from optuna_popnas.cli.schema import settings


def test_a_settings_file_reads_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "photos.toml"
    flags = ("--epochs", "9", "--operators", "identity,3x3 conv", "--limits", "parameters=1e6")
    assert main(["init", str(path), *flags]) == 0
    assert f"search {path}" in capsys.readouterr().out
    found = read_settings(str(path), {})
    assert found.table("training") == {"epochs": 9}
    assert found.table("space") == {"operators": ("identity", "3x3 conv")}
    assert found.table("search") == {"limits": {"parameters": 1e6}}
    assert main(["init", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["init", str(path), "--force"]) == 0


def test_a_settings_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended in a traceback."""
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert (tmp_path / "popnas.toml").exists()


def test_every_comment_is_a_setting_at_its_default(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    text = settings_text({})
    # Two that stand for each other's default, and one that belongs to another mode.
    path.write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    predictors = {"lstm": {}, "catboost": {}}
    from optuna_popnas.cli.config import read_toml
    from optuna_popnas.cli.config import SearchSettings

    values = read_toml(str(path))
    assert {section: set(table) for section, table in values.items()} == {
        section: set(table) for section, table in settings().items()
    }
    SearchSettings({**values, **predictors}, source="all.toml").check()
