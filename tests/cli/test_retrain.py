"""Which cell is trained for good, and what is refused before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli.draw import find_cell
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.retrain import choose_cell
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.study import select
from tests.visualization.made_up import run_study


NO_NAMES = {"trial": None, "cell": None, "limits": None}
SMALL = ("--motifs", "1", "--normal-cells", "1", "--filters", "4", "--samples", "120")


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return run_study(max_blocks=2, fail=(4,))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"journal:///{tmp_path_factory.mktemp('retrain')}/journal"
    run_study(max_blocks=1, storage=open_storage(url), n_trials=12)
    return url


def test_rules_say_what_they_chose_and_what_it_trades(
    study: optuna.Study, capsys: pytest.CaptureFixture[str]
) -> None:
    best = select(study)
    assert choose_cell(study, select="accuracy", **NO_NAMES) == best.cell
    text = capsys.readouterr().err
    assert text.startswith(f"Trial {best.number}: accuracy {best.accuracy:.4f}, ")
    assert "than trial" not in text
    fastest = select(study, "fastest")
    assert choose_cell(study, select="fastest", **NO_NAMES) == fastest.cell != best.cell
    assert f"of the time than trial {best.number})" in capsys.readouterr().err
    limits = {**NO_NAMES, "limits": {"seconds": 1.0}}
    chosen = choose_cell(study, select="accuracy", **limits)
    assert chosen == select(study, limits={"seconds": 1.0}).cell


def test_trials_and_cells_by_name(study: optuna.Study) -> None:
    number = next(trial.number for trial in study.trials if trial.number > 9)
    named = {**NO_NAMES, "trial": number}
    assert choose_cell(study, select="accuracy", **named) == find_cell(study, str(number))
    text = "[(-2, '3x3 conv', -1, 'identity')]"
    cell = choose_cell(None, select="accuracy", **{**NO_NAMES, "cell": text})
    assert str(cell) == text
    with pytest.raises(ConfigError, match="`--trial` and `--cell` must not both be given"):
        choose_cell(study, select="accuracy", **{**named, "cell": text})
    with pytest.raises(ConfigError, match="There is no trial 999 with a cell"):
        choose_cell(study, select="accuracy", **{**NO_NAMES, "trial": 999})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--candidates", "0"), "`--candidates` must be at least 1, but got 0."),
        (("--top", "-1"), "`--top` must be at least 1, but got -1."),
        (("--top", "2", "--candidates", "2"), "must not both be given. Choose one."),
        (("--hours", "0"), "`hours` must be greater than 0, but got 0."),
        (("--hours", "-2"), "`hours` must be greater than 0, but got -2."),
        (("--select", "best"), "must be one of"),
        (("--limits", "seconds=1e-9"), "Loosen the limit."),
        (("--limits", "weight=1"), "A limit must be on 'accuracy', 'seconds'"),
        (("--parameters", "5,2"), "`parameters` must be"),
        (("--data", "no-such-folder"), "Check the spelling."),
        (("--device", "cuda:99"), "cuda:99"),
    ],
)
def test_what_cannot_be_is_refused_before_a_folder_is_made(
    flags: tuple[str, ...],
    message: str,
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "model"
    words = ["retrain", "--storage", url, "--data", "digits", *SMALL, "-o", str(folder), *flags]
    assert main(words) != 0
    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_the_five_best_and_their_table(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--storage", url, "--data", "digits", *SMALL, "--epochs", "2", "--top", "2")
    assert main(["retrain", *words, "--device", "cpu", "-o", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "Table 6.5" in text and text.count("| [(") == 2
    cards = [json.loads((tmp_path / f"top{k}" / "model.json").read_text()) for k in (1, 2)]
    assert cards[0]["cell"] != cards[1]["cell"]
    assert all(f"{card['parameters']:,}" in text for card in cards)
    assert main(["retrain", *words, "--device", "cpu", "-o", str(tmp_path), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert [card["cell"] for card in again] == [card["cell"] for card in cards]


def test_the_same_command_goes_on_although_the_machine_is_slower_now(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It counted its epochs anew, and then refused its own checkpoint."""
    words = ["retrain", "--storage", url, "--data", "digits", *SMALL, "-o", str(tmp_path)]
    assert main([*words, "--hours", "1e-9", "--device", "cpu"]) == 0
    capsys.readouterr()
    assert main([*words, "--hours", "1", "--device", "cpu"]) == 0
    assert "Training: epochs 2," in capsys.readouterr().err
