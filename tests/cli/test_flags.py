from __future__ import annotations

from collections.abc import Mapping
import re
from typing import Any

from jsonargparse import ArgumentParser
import pytest

from optuna_popnas.cli import COMMANDS
from optuna_popnas.cli import main
from optuna_popnas.cli import schema
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.errors import nearest
from optuna_popnas.cli.flags import CommandParser
from optuna_popnas.cli.flags import plain_text
from optuna_popnas.cli.flags import show_value


def command(
    file: str,
    /,
    *,
    count: int = 1,
    rate: float | None = None,
    text: str = "x",
    maybe: str | None = None,
    names: tuple[str, ...] = ("a", "b"),
    size: int | tuple[int, int] | None = None,
    weights: str | tuple[float, ...] | None = None,
    limits: Mapping[str, float] | None = None,
    flip: bool = True,
    json: bool = False,
) -> int:
    """Do something.

    Args:
        file: A file.
        count: How many.
            On two lines, see :class:`~optuna_popnas.Cell`.
        rate: A rate.
        text: A text.
        maybe: Another.
        names: Names.
        size: Pixels.
        weights: Weights.
        limits: Limits.
        flip: Mirror.
        json: Print JSON.

    Examples:
        optuna-popnas do this
    """
    return 0


def training(*, epochs: int = 3, filters: int = 2) -> None:
    """Train.

    Args:
        epochs: How many.
        filters: How wide.
    """


def add(parser: ArgumentParser) -> None:
    for section in ("training", "lstm"):
        group = parser.add_argument_group(f"[{section}]")
        group.add_function_arguments(training, section, as_group=False)


def parse(*words: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    return CommandParser("do", command, add).parse(["file", *words])


@pytest.mark.parametrize(
    ("flag", "text", "value"),
    [
        ("count", "12", 12),
        ("rate", "1e-2", 0.01),
        ("rate", "3", 3.0),
        ("rate", "none", None),
        ("maybe", "none", None),
        ("text", "none", "none"),
        ("text", "12", "12"),
        ("text", "a,b=3", "a,b=3"),
        ("names", "3x3 conv, identity", ("3x3 conv", "identity")),
        ("names", "identity", ("identity",)),
        ("limits", "parameters=1e6,flops=5", {"parameters": 1e6, "flops": 5.0}),
        ("weights", "balanced", "balanced"),
        ("weights", "1,2.5", (1.0, 2.5)),
        ("size", "8", 8),
        ("size", "8,9", (8, 9)),
        ("flip", "false", False),
    ],
)
def test_texts_of_flags(flag: str, text: str, value: Any) -> None:
    assert parse(f"--{flag}={text}")[0] == {"file": "file", flag: value}


@pytest.mark.parametrize(
    ("flag", "value", "rule"),
    [
        ("count", "x", "an integer"),
        ("count", "1.5", "an integer"),
        ("count", "true", "an integer"),
        ("rate", "fast", 'a number or "none"'),
        ("flip", "maybe", "true or false"),
        ("limits", "3", "a table of numbers"),
        ("size", "big", 'an integer or a list of numbers or "none"'),
    ],
)
def test_values_of_the_wrong_type(flag: str, value: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=rf"^`{flag}` must be {rule}.*, but got "):
        parse(f"--{flag}={value}")


def test_flags_and_their_sections() -> None:
    own, settings = parse("--epochs", "5", "--lstm.epochs", "6", "--no-flip", "--json")
    assert own == {"file": "file", "flip": False, "json": True}
    assert settings == {"training": {"epochs": 5}, "lstm": {"epochs": 6}}
    assert parse("--training.filters", "4")[1] == {"training": {"filters": 4}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epoch", "3"], "There is no option `--epoch`. Did you mean `--epochs`?"),
        (["--no-count"], "There is no option `--no-count`"),
        (["--count"], "`--count` must be followed by its value"),
        (["--training.epochs", "x"], "`training.epochs` must be an integer, but got 'x'"),
    ],
)
def test_mistakes(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        parse(*words)


def test_arguments() -> None:
    def look(first: str, more: tuple[str, ...], /) -> int:
        """Look.

        Args:
            first: A file.
            more: More files.
        """
        return 0

    parser = CommandParser("do", look)
    assert parser.positional == ["first", "more"]
    assert parser.parse(["a", "b", "c"])[0] == {"first": "a", "more": ["b", "c"]}
    with pytest.raises(ConfigError, match="FIRST is missing"):
        parser.parse([])
    with pytest.raises(ConfigError, match="There must be no argument 'b'"):
        CommandParser("do", command).parse(["a", "b"])


def test_short_and_long_help() -> None:
    parser = CommandParser("do", command, add, common=["training.epochs"])
    short, long = parser.help(everything=False), parser.help(everything=True)
    assert short.splitlines()[2] == "  optuna-popnas do this"
    assert "--count N                How many. On two lines, see Cell. [1]" in short
    assert "--no-flip" in short and "--epochs N" in short
    assert "--filters" not in short and "3 more settings: optuna-popnas do --help-all" in short
    assert "--filters N" in long and "--lstm.filters N" in long


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_two_screens_and_begins_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50 and max(map(len, lines)) <= 80
    assert lines[2].startswith(f"  optuna-popnas {name}")
    with pytest.raises(SystemExit):
        main([name, "--help-all"])
    assert len(capsys.readouterr().out.splitlines()) >= len(lines) - 2


def test_nearest() -> None:
    assert nearest("epoch", ["epochs", "filters"]) == "Did you mean `epochs`?"
    assert nearest("zzz", ["epochs", "filters"]) == "There are epochs, filters."


def test_show_value() -> None:
    assert show_value(None) == "none"
    assert show_value(("a", "b")) == "a,b"
    assert show_value({"x": 1.0}) == "x=1.0"


def test_plain_text() -> None:
    assert plain_text("See :class:`~a.b.Cell`,\n    ``x``.") == "See Cell, x."


def test_help_names_every_predictor() -> None:
    text = schema._choose_predictors.__doc__ or ""
    for names in (schema.ACCURACY_PREDICTORS, schema.TIME_PREDICTORS):
        assert set(names) <= set(re.findall(r"\w+", text))
