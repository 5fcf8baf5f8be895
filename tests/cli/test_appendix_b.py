"""Whoever comes from the thesis' program types the names of its appendix B."""

from __future__ import annotations

from pathlib import Path
import re

import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli import parser_of
from optuna_popnas.cli.appendix_b import NO_SETTINGS
from optuna_popnas.cli.appendix_b import SETTINGS
from optuna_popnas.cli.schema import settings


PAGE = Path(__file__).parents[2] / "docs" / "command_line.md"

# L1556 to L1634 of the thesis.
NAMES = """
j r cpu pnas blocks max_children max_exploration_children lookback_depth lookforward_depth
operators epochs batch_size learning_rate filters weight_reg use_adamW drop_path_prob
cosine_decay_restart enabled period_in_epochs t_mul m_mul alpha softmax_dropout motifs
normal_cells_per_motif concat_only_unused_blocks multi_output lr wr er embedding_dim cells name
path classes_count folds samples data_augmentation perform_on_gpu predictions_batch_size
pnas_mode use_cpu
""".split()
SAME = [
    "max_children", "max_exploration_children", "operators", "epochs", "batch_size",
    "learning_rate", "filters", "motifs", "multi_output", "folds", "samples",
]  # fmt: skip


def test_every_name_is_known_and_no_other() -> None:
    assert {*SETTINGS, *NO_SETTINGS, *SAME} == {*NAMES}
    assert len(SETTINGS) + len(NO_SETTINGS) + len(SAME) == len(NAMES)
    table = PAGE.read_text().split("| appendix B | here |")[1].split("output folder")[0]
    left = [row.split("|")[1] for row in table.splitlines() if row.count("|") == 3]
    assert {*NAMES} <= {*re.findall(r"\w+", " ".join(left))}
    flags = parser_of("search").flags
    assert all(f"--{name}" in flags for name in SAME)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_names_lead_to_ours(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    section, _, ours = SETTINGS[name][0].partition(".")
    assert ours in settings()[section]
    for typed in {f"--{name}", f"--{name.replace('_', '-')}"}:
        assert main(["search", typed, "1"]) == 2
        message = capsys.readouterr().err
        found = re.search(rf"The thesis' `{name}` is `(--[\w.-]+)` here", message)
        assert found is not None, message
        assert parser_of("search").flags[found[1]].dest == f"{section}.{ours}"
    file = tmp_path / "search.toml"
    for text in (f"{name} = 1\n", f"[machine]\n{name} = 1\n"):
        file.write_text(text)
        assert main(["search", str(file)]) == 2
        assert f"`{name}` is `{ours}` below [{section}] here" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted({*NO_SETTINGS} - {"name"}))
def test_names_without_a_setting_say_why(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", f"-{name}" if len(name) == 1 else f"--{name}", "1"]) == 2
    assert NO_SETTINGS[name] in capsys.readouterr().err
    file = tmp_path / "search.toml"
    file.write_text(f"[data]\n{name} = 1\n")
    assert main(["search", str(file)]) == 2
    assert NO_SETTINGS[name] in capsys.readouterr().err


def test_commands_that_do_not_take_the_setting_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "--lr", "1"]) == 2
    assert "is lstm.learning_rate here, which this command does not" in capsys.readouterr().err
    assert main(["search", "--name", "cifar10"]) == 2
    assert "data set is `--data`" in capsys.readouterr().err


def test_the_join_of_popnas_v1_is_asked_for_as_it_is_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """``--join`` alone starts more workers; the advice was to give it."""
    assert main(["search", "--mode", "popnas-v1", "--lookbacks", "1"]) == 2
    advice = re.search(r"or add (--\S+) (\w+)\.", capsys.readouterr().err)
    assert advice is not None
    _, given = parser_of("search").parse([advice[1], advice[2]])
    assert given == {"network": {"join": "concat"}}
