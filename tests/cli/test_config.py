from __future__ import annotations

from dataclasses import fields
import inspect
from pathlib import Path

import optuna
import pytest

from optuna_popnas import NetworkConfig
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingConfig
from optuna_popnas.cli.config import read_settings
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import CommandParser
from optuna_popnas.cli.schema import add_sections
from optuna_popnas.cli.schema import LSTM_SIZES
from optuna_popnas.cli.schema import LSTMSettings
from optuna_popnas.cli.schema import settings
from optuna_popnas.cli.search import SECTIONS
from optuna_popnas.cli.studies import check_same
from optuna_popnas.cli.studies import full_settings


EXAMPLES = Path(__file__).parents[2] / "examples"


def read(path: Path | None = None, *flags: str) -> SearchSettings:
    return read_settings(None if path is None else str(path), make_parser().parse(flags)[1])


def make_parser() -> CommandParser:
    def command() -> int:
        """Do nothing."""
        return 0

    return CommandParser("search", command, lambda parser: add_sections(parser, SECTIONS))


def write(folder: Path, text: str) -> Path:
    path = folder / "search.toml"
    path.write_text(text)
    return path


def test_defaults_are_the_thesis() -> None:
    settings = full_settings(read())
    assert settings["training"]["epochs"] == 21
    assert settings["network"] == {
        "motifs": 3, "normal_cells": 2, "filters": 24, "concat_all": False, "dropout": 0.0,
        "drop_path": 0.0, "multi_output": False, "join": "add", "stem": "auto",
    }  # fmt: skip
    assert settings["data"] == {"source": "digits"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    assert read(path).study_name == path.stem


def test_flags_win(tmp_path: Path) -> None:
    path = write(tmp_path, "[training]\nepochs = 3\n[space]\nmax_blocks = 2\n")
    settings = read(path, "--epochs", "5", "--operators", "identity,3x3 conv", "--no-flip")
    assert settings.table("training") == {"epochs": 5, "flip": False}
    assert settings.table("space") == {"max_blocks": 2, "operators": ("identity", "3x3 conv")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trainning]\nepochs = 3", "`trainning` is no section of .*Did you mean `training`"),
        ("[training]\nepoch = 3", "`training.epoch` is no setting .*Did you mean `epochs`"),
        ("epochs = 3", r"`epochs` must be in a section, .*Write `epochs` below \[training\]"),
        ("[network]\nepochs = 3", r"`network.epochs` is no .*Write `epochs` below \[training\]"),
        ("[training]\nepochs = 'x'", "`training.epochs` must be an integer, but got 'x'"),
        ("[training]\nepochs = 0", r"\[training\] `epochs` must be an integer of at least 1"),
        ("[network]\nmotifs = 99", r"\[network\] `motifs` must be between"),
        ("[space]\noperators = ['3x3 cnv']", r"\[space\] An operator must be one that is regist"),
        ("[space]\nmax_blocks = 0", r"\[space\] `max_blocks` must be"),
        ("[search]\nmode = 'popnass'", r"\[search\] `mode` must be one of"),
        ("[search]\nmax_children = 0", r"\[search\] `max_children` must be"),
        ("[search]\ntime_predictor = 'cat'", "A predictor must be one of additive, catboost"),
        ("[search.limits]\nparams = 3", r"\[search\] Limits and objectives must be among"),
        ("[study]\nworkers = 0", r"\[study\] `workers` must be at least 1"),
        ("training = 3", "`training` must be a table"),
        ("[training", "is not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(write(tmp_path, text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file"):
        read(tmp_path / "none.toml")


def test_no_heavy_module_is_loaded_to_check_settings() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from optuna_popnas.cli.config import read_settings\n"
        "read_settings(None, {})\n"
        "sys.exit(len({'torch', 'catboost', 'plotly'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_of_predictors() -> None:
    from optuna_popnas.predictors import CatBoostTimePredictor
    from optuna_popnas.predictors import LSTMAccuracyPredictor

    flags = ("--lstm.epochs", "2", "--lstm.units", "8", "--catboost.candidates", "3")
    planner = read(None, *flags).make_sampler()._planner
    space = planner.space
    accuracy, seconds = planner.accuracy(space, seed=1), planner.seconds(space, seed=1)
    assert isinstance(accuracy, LSTMAccuracyPredictor)
    assert (accuracy.epochs, accuracy.config.units) == (2, 8)
    assert isinstance(seconds, CatBoostTimePredictor)
    assert seconds.candidates == 3


def test_predictors_by_name() -> None:
    from optuna_popnas.predictors import NNLSTimePredictor

    planner = read(None, "--time-predictor", "nnls").make_sampler()._planner
    assert planner.seconds is NNLSTimePredictor
    with pytest.raises(ConfigError, match=r"\[catboost\] is set, but the predictor is 'nnls'"):
        read(None, "--time-predictor", "nnls", "--catboost.jobs", "2")


def test_lstm_settings_are_those_of_the_predictor() -> None:
    from optuna_popnas.predictors import LSTMAccuracyPredictor
    from optuna_popnas.predictors.lstm_network import LSTMConfig

    parameters = inspect.signature(LSTMAccuracyPredictor).parameters
    sizes = LSTMConfig()
    for field in fields(LSTMSettings):
        if field.name in LSTM_SIZES:
            assert getattr(sizes, field.name) == field.default
        else:
            assert parameters[field.name].default == field.default


def test_every_setting_has_a_help_text_and_a_flag() -> None:
    flags = make_parser().flags
    assert set(settings()) == set(SECTIONS)
    for table in settings().values():
        for action in table.values():
            assert action.help, f"{action.dest} is not described"
            assert f"--{action.dest.replace('_', '-')}" in flags
    assert "--epochs" in flags and "--lstm.epochs" in flags
    assert "--units" not in flags  # one of the predictors' own


def test_a_study_keeps_its_settings() -> None:
    directions = ["maximize", "minimize"]
    study = optuna.create_study(study_name="digits", directions=directions)
    study.set_user_attr("settings", full_settings(read()))

    def check(*flags: str) -> None:
        check_same(study, full_settings(read(None, *flags)), directions)

    check()
    with pytest.raises(
        ConfigError, match="`training.epochs` must be 21, with which the study 'digits' was begun"
    ):
        check("--epochs", "3")
    with pytest.raises(ConfigError, match=r"`training.flip` must be False"):
        check("--data", "cifar10")
    with pytest.raises(ConfigError, match=r"`study.seed` must be 0"):
        check("--seed", "1")
    with pytest.raises(ConfigError, match="has 2 objectives, but these settings have 3"):
        check_same(study, full_settings(read()), [*directions, "minimize"])
    # What changes no result may differ.
    check("--threads", "2", "--root", "/data")


def test_limits_of_measured_costs_are_for_the_objective(tmp_path: Path) -> None:
    limits = "[search]\nlimits = {latency = 0.01, parameters = 1000}\n"
    alone = read(write(tmp_path, limits))
    assert alone.make_sampler()._planner.config.limits == {"parameters": 1000}
    assert alone.values["search"]["limits"] == {"latency": 0.01, "parameters": 1000}
    both = read(write(tmp_path, f"{limits}objectives = ['latency']\n"))
    config = both.make_sampler()._planner.config
    assert config.limits == {"latency": 0.01, "parameters": 1000}
    assert config.objectives == ("latency",)


def test_predictors_get_the_number_of_cells_of_the_network(tmp_path: Path) -> None:
    settings = read(write(tmp_path, "[network]\nmotifs = 2\nnormal_cells = 1\n"))
    assert settings.make_sampler()._planner.config.total_cells == 3


def test_the_thesis_is_written_out_in_full() -> None:
    """Sec. 6.1 in one file: no setting of network and trainings is left to a default."""
    thesis = read(EXAMPLES / "thesis.toml")
    sampler = thesis.make_sampler()
    assert sampler.settings["mode"] == "popnas"
    ours = {
        "training": TrainingConfig(batch_norm="running", flip=True),
        "network": NetworkConfig(stem="none"),
    }
    for section, config in ours.items():
        assert thesis.build(section, type(config)) == config
        # These say how, or give a way out of, what the thesis has.
        ways = {"class_weights", "fit_periods"}
        names = {field.name for field in fields(config)}
        assert names - set(thesis.values[section]) <= ways
    assert thesis.build("space", SearchSpace) == SearchSpace()
    assert set(thesis.values["lstm"]) == {field.name for field in fields(LSTMSettings)}
    assert {"candidates", "max_trees", "patience"} == set(thesis.values["catboost"])
    assert {"mode", "max_children", "max_exploration_children", "beam"} < {
        *thesis.values["search"]
    }


def test_commands_of_the_thesis_are_accepted() -> None:
    """Table 6.4 compares its file in two modes: what one has no use for does not stop it."""
    pnas = read(EXAMPLES / "thesis.toml", "--mode", "pnas", "--study", "thesis-pnas")
    assert pnas.make_sampler().settings["mode"] == "pnas"
    assert pnas.values["training"] == read(EXAMPLES / "thesis.toml").values["training"]
    assert {"beam", "max_exploration_children", "time_predictor"}.isdisjoint(pnas.values["search"])
    assert pnas.values["catboost"] == {} and pnas.values["lstm"]["models"] == 5
    flags = [
        line.split()[4:]
        for line in (EXAMPLES / "thesis.toml").read_text().splitlines()
        if line.startswith("#   optuna-popnas search")
    ]
    assert ["--mode", "pnas", "--study", "thesis-pnas"] in flags
    # What is given beside the mode is refused all the same.
    with pytest.raises(ConfigError, match="`time_predictor` must be left out in mode 'pnas'"):
        read(EXAMPLES / "thesis.toml", "--mode", "pnas", "--time-predictor", "nnls")
    with pytest.raises(ConfigError, match="`mode` must be one of"):
        read(EXAMPLES / "thesis.toml", "--mode", "pnass")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--mode pnas --time-limit 5", "`time_limit` must be left out in mode 'pnas', as it pre"),
        ("--mode pnas --time-predictor nnls", "`time_predictor` must be left out in mode 'pnas'"),
        ("--mode popnas-v1 --lookbacks 1", "`join` must be 'concat' in mode 'popnas-v1'"),
        ("--mode popnas-v1 --lookbacks 1", "or add --network.join concat"),
        ("--mode popnas-v1 --network.join concat", "`lookbacks` must be 1 in mode 'popnas-v1'"),
        ("--mode pnas --catboost.patience 3", r"\[catboost\] `patience` must be left out"),
        ("--mode popnas --wave-size 3", "`wave_size` must be left out in mode 'popnas'"),
        ("--max-children 16", "`max_children` must be left out in mode 'adaptive', as it"),
        ("--optimism 1", "not levels as 'popnas' does, but got 1.0"),
    ],
)
def test_settings_that_a_mode_ignores_are_refused(flags: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(None, *flags.split()).make_sampler()
