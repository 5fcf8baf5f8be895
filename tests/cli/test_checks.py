from __future__ import annotations

import json
from pathlib import Path

import pytest

from optuna_popnas.cli import main


def test_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    assert main(["checks", "--storage", url]) == 0
    text = capsys.readouterr().out
    assert f"{url} (not begun)" in text
    assert "optuna " in text and "torch " in text and text.endswith("All is well.\n")
    assert list(tmp_path.iterdir()) == []


def test_checks_hide_passwords_and_name_what_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = "nonsense+driver://user:s3cret@host/db"
    assert main(["checks", "--storage", url, "--json"]) == 1
    text = capsys.readouterr().out
    assert "s3cret" not in text
    assert len(json.loads(text)["problems"]) == 1
