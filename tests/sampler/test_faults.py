"""Faults on real storages with real processes; see ``tests/faults.py``."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest


SCRIPT = Path(__file__).parents[1] / "faults.py"


def play(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--limit", "240", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "0 lost, 0 duplicated" in done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_kills_freezes_and_restarts(storage: str) -> None:
    play("--storage", storage, "--workers", "4", "--kills", "3")


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("storage", ["postgresql", "grpc"])
def test_kills_freezes_and_restarts_of_a_server(storage: str) -> None:
    play("--storage", storage, "--workers", "4", "--kills", "3")


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_nobody_disturbs(storage: str) -> None:
    calm = ("--kills", "0", "--freezes", "0", "--restarts", "0")
    play("--storage", storage, "--workers", "8", *calm)
