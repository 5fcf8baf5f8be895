"""What terminals show: tables, the state of a search, commands that work in this shell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from datetime import timedelta
import os
from pathlib import Path
import sys

import optuna
import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli import shell
from optuna_popnas.cli.progress import describe
from optuna_popnas.cli.status import status_text
from optuna_popnas.cli.text import CELL_LEGEND
from optuna_popnas.cli.text import front_table
from optuna_popnas.cli.text import level_table
from optuna_popnas.cli.text import table
from optuna_popnas.space import Cell
from optuna_popnas.study import SearchSummary
from optuna_popnas.study import summarize
from optuna_popnas.study.summary import WorkerSummary
from tests.visualization.conftest import parameters
from tests.visualization.made_up import run_study


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return run_study(
        max_blocks=2, values=3, fail=(4,), objectives=("parameters",), cost=parameters
    )


@pytest.fixture(scope="module")
def summary(study: optuna.Study) -> SearchSummary:
    return summarize(study)


def test_numbers_are_aligned_at_the_right_and_texts_at_the_left() -> None:
    text = table(("name", "count", "cell"), [("a", "7", "x"), ("bcd", "1,234", "y")], width=80)
    assert text.splitlines() == ["name  count  cell", "a         7  x", "bcd   1,234  y"]


def test_the_last_column_is_wrapped_below_itself() -> None:
    words = " ".join(["3x3 conv of -2"] * 6)
    lines = table(("trial", "cell"), [("12", words), ("3", "short")], width=60).splitlines()
    assert len(lines) > 3 and max(map(len, lines)) < 60
    assert all(line.startswith(" " * 7) for line in lines[2:-1])
    assert " ".join(line[7:] for line in lines[1:-1]) == words
    assert lines[-1] == "    3  short"


def test_a_narrow_terminal_breaks_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    lines = table(("accuracy", "cell"), [("0.9876", "identity of -2 + 3x3 conv of -1")])
    assert lines.splitlines()[1] == "  0.9876  identity of -2 + 3x3 conv of -1"


def test_the_front_names_every_objective_and_says_what_is_left_out(study: optuna.Study) -> None:
    front = summarize(study).front
    lines = front_table(front, ("accuracy", "seconds", "size"), most=3).splitlines()
    assert lines[0].split()[:5] == ["accuracy", "seconds", "parameters", "size", "trial"]
    first = lines[1].split()
    assert first[0] == f"{front[0].accuracy:.4f}"
    assert first[2] == f"{front[0].user_attrs['parameters']:,}"
    assert first[4] == str(front[0].number)
    assert lines[-1] == f"... and {len(front) - 3} more"
    assert "more" not in front_table(front)


def test_levels_say_what_was_ended_early(summary: SearchSummary) -> None:
    rows = [*summary.levels[:-1], summary.levels[-1]._replace(stopped=14, message="few left")]
    lines = level_table(summary._replace(levels=tuple(rows))).splitlines()
    head, last = lines[0], lines[-1]
    place = head.index("ended early")
    assert last[place : place + 11].strip() == "14"
    assert last.endswith("few left")
    assert lines[1].startswith("empty cell") and "1 of 1" in lines[1]
    assert not lines[1][place : place + 11].strip()


def test_status_shows_who_works_and_who_waits(summary: SearchSummary) -> None:
    now = datetime(2026, 1, 2, 12, 0, 0)
    cell = Cell.parse("[(-2, '3x3 conv', -1, 'identity')]")
    workers = (
        WorkerSummary("one:17", 40, cell, now - timedelta(seconds=75)),
        WorkerSummary("two:18", 41, None, None),
    )
    text = status_text(
        summary._replace(workers=workers, waited_seconds=60.0), ("accuracy",), front=2, now=now
    )
    assert "1 min 00 s of waiting, all workers together." in text
    row = next(line for line in text.splitlines() if line.startswith("one:17"))
    assert row.split("  ")[-1] == "trains 3x3 conv of -2 + identity of -1"
    assert "1 min 15 s" in row and " 40 " in row
    assert next(line for line in text.splitlines() if "two:18" in line).endswith("waits")
    assert f"Pareto front, {len(summary.front)} cells:" in text
    assert "Pareto front" not in status_text(summary, front=0)


def test_status_of_nothing_is_one_line() -> None:
    empty = summarize(optuna.create_study(directions=["maximize", "minimize"]))
    assert status_text(empty).endswith(": Nothing has been trained yet.")
    assert describe(empty) == (0, 1, "starting", "")


def test_the_legend_is_of_the_words_that_tables_use() -> None:
    assert "-1 is the cell before" in CELL_LEGEND and max(map(len, CELL_LEGEND.split("\n"))) < 80


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def test_commands_are_those_of_this_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = tmp_path / "env" / "bin", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir(parents=True)
        (folder / "optuna-popnas").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setenv("PATH", str(own))
    assert shell.command("report") == "optuna-popnas report"
    with inside(tmp_path):
        for path in ("", str(other)):  # not on the path, or another one before it
            monkeypatch.setenv("PATH", path)
            assert shell.command("draw", "a b") == "env/bin/optuna-popnas draw 'a b'"
    with inside(other):
        assert shell.command("report") == f"{own}/optuna-popnas report"
    (own / "optuna-popnas").unlink()
    monkeypatch.setenv("PATH", "")
    with inside(tmp_path):
        assert shell.command("report") == "env/bin/python -m optuna_popnas report"
        assert shell.command(program="optuna-dashboard") == "optuna-dashboard"


def test_commands_lead_to_the_study_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POPNAS_STORAGE", raising=False)
    assert shell.study_words("sqlite:///popnas.db") == []
    url = "mysql://me:secret@host/db"
    assert shell.study_words(url, "b") == ["--storage", "mysql://me:***@host/db", "--study", "b"]
    monkeypatch.setenv("POPNAS_STORAGE", url)
    assert shell.study_words(url) == []


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "Interrupted."),
        (OSError("the disk is full"), 1, "optuna-popnas checks: the disk is full"),
        (ValueError("pass resume=False"), 1, "optuna-popnas checks: pass --restart"),
        (
            ValueError(
                "accuracy_predictor=optuna_popnas.predictors.GaussianProcessAccuracyPredictor, or"
            ),
            1,
            "--accuracy-predictor gp, or",
        ),
    ],
)
def test_errors_are_one_sentence_and_a_code(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(url: str) -> None:
        raise error

    monkeypatch.setattr("optuna_popnas.cli.checks.this_machine", fail)
    assert main(["checks"]) == code
    text = capsys.readouterr().err
    assert words in text and text.count("\n") == 1


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serch"]) == 2
    assert "no command `serch`. Did you mean `search`?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("optuna-popnas 0.")


def test_faults_of_the_program_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("optuna_popnas.cli.checks.this_machine", fail)
    with pytest.raises(ZeroDivisionError):
        main(["checks"])
