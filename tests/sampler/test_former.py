"""A study that the first version of this package stored: read, resumed, or refused in a sentence.

``former_study.sql`` is the dump of its SQLite file: 13 trials in mode "popnas", the last two of
the level of two blocks.
"""

from __future__ import annotations

from pathlib import Path
import sqlite3

import optuna
import pytest

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.cli import main
from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.predictors import GaussianProcessAccuracyPredictor
from optuna_popnas.study import view_study


SPACE = SearchSpace(("identity", "3x3 conv"), max_blocks=3, lookbacks=2)
FORMER = {
    "max_children": 4,
    "max_exploration_children": 2,
    "mode": "popnas",
    "accuracy_predictor": GaussianProcessAccuracyPredictor,
    "time_predictor": AdditiveTimePredictor,
    "seed": 0,
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    file = tmp_path / "former.db"
    connection = sqlite3.connect(file)
    connection.executescript(Path(__file__).with_name("former_study.sql").read_text())
    connection.close()
    return f"sqlite:///{file}"


def resume(url: str, **changes: object) -> optuna.Study:
    sampler = POPNASSampler(SPACE, **{**FORMER, **changes})  # type: ignore[arg-type]
    study = optuna.load_study(study_name="old", storage=url, sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = SPACE.suggest(trial)
        return 0.5 + 0.01 * len(str(cell)) / 40, 1.0 + len(str(cell))

    study.optimize(objective)
    return study


def test_it_is_read(url: str) -> None:
    view = view_study(optuna.load_study(study_name="old", storage=url))
    assert [plan.level for plan in view.plans] == [0, 1, 2]
    assert len(view.complete) == 13
    assert view.complete[11].predicted_accuracy is None  # under another attribute then
    assert view.settings["accuracy_predictor"] == "GaussianProcessAccuracyPredictor"


def test_it_is_resumed_where_it_was(url: str) -> None:
    view = view_study(resume(url))
    assert view.done
    assert [plan.level for plan in view.plans] == [0, 1, 2, 3]
    cells = [trial.cell.canonical() for trial in view.complete if trial.cell is not None]
    assert len(cells) == len(set(cells)) > 13


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mode": "adaptive"}, "`mode` must be 'popnas', with which this study was begun"),
        (
            {"accuracy_predictor": None},
            "Pass accuracy_predictor=optuna_popnas.predictors.GaussianProcessAccuracyPredictor",
        ),
    ],
)
def test_other_defaults_are_refused_with_what_to_pass(
    url: str, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        resume(url, **changes)
    assert len(optuna.load_study(study_name="old", storage=url).trials) <= 14


def test_the_command_says_which_flags_go_on(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["search", "--storage", url, "--operators", "identity,3x3 conv", "--max-blocks", "3"]
    beam = ["--max-children", "4", "--max-exploration-children", "2"]
    for flags, sentence in (
        (beam, "as it chooses small waves of cells, not levels as 'popnas' does"),
        ([], "`mode` must be 'popnas'"),
        ([*beam, "--mode", "popnas"], "Pass --accuracy-predictor gp, or use another study name."),
    ):
        assert main([*command, "--study", "old", *flags]) == 2
        assert sentence in capsys.readouterr().err
