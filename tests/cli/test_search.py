"""The search itself, with real processes and real trainings of tiny networks."""

from __future__ import annotations

from collections import Counter
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from optuna_popnas.cli.progress import describe
from optuna_popnas.cli.progress import SearchBar
from optuna_popnas.cli.storages import load_study
from optuna_popnas.cli.work import StopAfterFailures
from optuna_popnas.cli.work import TooManyFailures
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from tests.visualization.made_up import run_study


SMALL = (
    "--operators", "identity,3x3 dconv", "--max-blocks", "1", "--samples", "60", "--epochs", "1",
    "--motifs", "1", "--normal-cells", "1", "--filters", "2",
)  # fmt: skip


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "optuna_popnas", *arguments]


def search(storage: str, *flags: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("search", "--storage", storage, *SMALL, *flags),
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_search_and_again(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/popnas.db"
    artifacts = tmp_path / "artifacts"
    first = search(storage, "--mode", "popnas", "--workers", "2", "--artifacts", str(artifacts))
    assert first.returncode == 0, first.stderr
    assert "The search is finished: 11 cells trained." in first.stdout
    assert f"optuna-dashboard {storage} --artifact-dir {artifacts}" in first.stdout
    assert "|" not in first.stderr  # no progress bar without a terminal
    assert list(artifacts.iterdir())

    again = search(storage, "--mode", "popnas", "--json")
    assert again.returncode == 0
    assert "Nothing is left to do" in again.stderr
    assert json.loads(again.stdout)["complete"] == 11
    study = load_study(storage)
    assert study.study_name == "digits"
    assert Counter(trial.state.name for trial in study.trials)["COMPLETE"] == 11
    assert study.user_attrs["settings"]["training"]["epochs"] == 1

    other = search(storage, "--mode", "popnas", "--epochs", "2")
    assert other.returncode == 2
    assert "`training.epochs` must be 1, with which the study 'digits' was begun" in other.stderr
    space = search(storage, "--mode", "popnas", "--operators", "identity,3x3 conv")
    assert space.returncode == 2
    assert "`operators` must be" in space.stderr


def test_wrong_data_end_the_search_at_once(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/popnas.db"
    result = search(storage, "--data", str(tmp_path / "nothing"), "--workers", "1")
    assert result.returncode == 2
    assert "[data]" in result.stderr
    assert result.stderr.count("[data]") == 1  # no worker was started again


@pytest.mark.slow
def test_killed_and_resumed(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/popnas.db"
    flags = ("--operators", "identity,3x3 dconv,3x3 conv", "--workers", "2")
    process = subprocess.Popen(
        command("search", "--storage", storage, *SMALL, *flags), start_new_session=True
    )
    deadline = time.monotonic() + 120
    done = 0
    while done < 5 and time.monotonic() < deadline:
        time.sleep(0.5)
        try:
            done = len(view_study(load_study(storage)).complete)
        except ValueError:
            continue
    assert done >= 5
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    result = search(storage, *flags)
    assert result.returncode == 0, result.stderr
    view = view_study(load_study(storage))
    assert view.done
    cells = Counter(trial.cell.canonical() for trial in view.complete if trial.cell is not None)
    assert len(cells) == 1 + 21
    assert set(cells.values()) == {1}


def test_progress_in_words() -> None:
    done, total, before, after = describe(summarize(run_study(n_trials=45)))
    assert (done, before) == (8, "level 2 of 3")
    assert done == total == 8  # and then it was stopped
    assert "front" in after and "best 0." in after
    assert "about 42 s left" in describe(summarize(run_study(n_trials=45)), 42.0)[3]


def test_progress_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    bar = SearchBar(run_study(n_trials=45))  # standard error is no terminal here
    while bar._reader.latest is None:
        time.sleep(0.05)
    for _ in range(3):
        bar.update()
    bar.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("level 2 of 3: 8 of 8 cells, ") and "best 0." in line


def test_a_worker_gives_up_after_many_failures() -> None:
    stop = StopAfterFailures(3)
    study = run_study(n_trials=3, fail=(1, 2))
    complete, *failed = study.trials
    for trial in (*failed, complete, *failed):
        stop(study, trial)
    with pytest.raises(TooManyFailures, match="3 trainings failed one after the other"):
        stop(study, failed[0])


@pytest.mark.slow
def test_a_search_that_has_ended_goes_on_with_a_larger_budget(tmp_path: Path) -> None:
    """The command said that nothing was left to do, as it asked with the former budget."""
    storage = f"sqlite:///{tmp_path}/popnas.db"
    flags = ("--operators", "identity,3x3 conv", "--max-blocks", "2", "--workers", "1")
    first = search(storage, *flags, "--budget-seconds", "0.5")
    assert first.returncode == 0, first.stderr
    before = view_study(load_study(storage))
    assert before.done
    second = search(storage, *flags, "--budget-seconds", "1")
    assert second.returncode == 0, second.stderr
    after = view_study(load_study(storage))
    assert after.settings["budget_seconds"] == 1.0
    assert len(after.trials) > len(before.trials)


def test_the_thesis_method_at_a_tiny_size(tmp_path: Path) -> None:
    """``examples/thesis_small.toml`` itself, with its own predictors on two blocks."""
    result = subprocess.run(
        command(
            "search", str(Path(__file__).parents[2] / "examples" / "thesis_small.toml"),
            "--storage", f"sqlite:///{tmp_path}/popnas.db", "--artifacts", "none",
            "--operators", "identity,2x2 maxpool", "--max-blocks", "2", "--max-children", "2",
            "--max-exploration-children", "1", "--samples", "60", "--epochs", "1",
            "--filters", "2", "--motifs", "1", "--workers", "1", "--lstm.epochs", "2",
            "--catboost.candidates", "1", "--catboost.max-trees", "20",
        ),
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    view = view_study(load_study(f"sqlite:///{tmp_path}/popnas.db"))
    assert view.done and view.settings["mode"] == "popnas"
    # 1 + 10, a front of one cell or two, and what the exploration adds
    assert 12 <= len(view.complete) <= 14
