from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import pytest

from optuna_popnas.cli.options import add_options
from optuna_popnas.cli.options import check_value
from optuna_popnas.cli.options import ConfigError
from optuna_popnas.cli.options import describe_arguments
from optuna_popnas.cli.options import nearest
from optuna_popnas.cli.options import Option
from optuna_popnas.cli.options import options_of
from optuna_popnas.cli.options import parse_text
from optuna_popnas.cli.options import show_value


@dataclass(frozen=True)
class Settings:
    """Settings for tests.

    Args:
        epochs: How many.
            On two lines.
        rate: See :class:`~optuna_popnas.Cell` and ``x``.
        low, high: Both ends.

    Raises:
        ValueError: Never.
    """

    epochs: int = 3
    rate: float | None = None
    low: int = 0
    high: int = 1
    names: tuple[str, ...] = ("a", "b")
    flip: bool = True


OPTIONS = {option.name: option for option in options_of("training", Settings)}


def option(hint: Any) -> Option:
    return Option("section", "name", hint, None, "")


def test_options_of_a_dataclass() -> None:
    assert OPTIONS["epochs"] == Option("training", "epochs", int, 3, "How many. On two lines.")
    assert OPTIONS["rate"].help == "See Cell and x."
    assert OPTIONS["low"].help == OPTIONS["high"].help == "Both ends."
    assert OPTIONS["epochs"].key == "training.epochs"


def test_options_of_a_function_skip_what_has_no_default() -> None:
    def function(data: Any, *, size: int = 4, seed: int = 0) -> None:
        """Do.

        Args:
            size: In pixels.
        """

    (only,) = options_of("data", function, skip=("seed",))
    assert (only.name, only.default, only.help) == ("size", 4, "In pixels.")


def test_sections_after_the_arguments_are_no_arguments() -> None:
    texts = describe_arguments(Settings.__doc__ or "")
    assert set(texts) == {"epochs", "rate", "low", "high"}


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "12", 12),
        (float, "1e-2", 0.01),
        (int | None, "none", None),
        (str | None, "none", None),
        (str, "none", "none"),
        (tuple[str, ...], "3x3 conv, identity", ["3x3 conv", "identity"]),
        (dict[str, float], "parameters=1e6,flops=5", {"parameters": 1e6, "flops": 5.0}),
        (str | tuple[float, ...] | None, "balanced", "balanced"),
        (str | tuple[float, ...] | None, "1,2.5", [1, 2.5]),
        (int | tuple[int, int] | None, "8", 8),
        (int | tuple[int, int] | None, "8,9", [8, 9]),
        (bool, True, True),
    ],
)
def test_texts_of_flags(hint: Any, text: Any, value: Any) -> None:
    assert parse_text(option(hint), text) == value


@pytest.mark.parametrize(
    ("hint", "value", "rule"),
    [
        (int, "x", "an integer"),
        (int, 1.5, "an integer"),
        (int, True, "an integer"),
        (float, "fast", "a number"),
        (bool, 1, "true or false"),
        (str, 3, "a text"),
        (tuple[str, ...], "x", "a list"),
        (tuple[str, ...], [1, 2], "a list of texts"),
        (dict[str, float], 3, "a table of numbers"),
    ],
)
def test_values_of_the_wrong_type(hint: Any, value: Any, rule: str) -> None:
    with pytest.raises(ConfigError, match=rf"`section.name` must be {rule}, but got "):
        check_value(option(hint), value)


def test_values_of_the_right_type() -> None:
    assert check_value(option(float), 3) == 3.0
    assert isinstance(check_value(option(float), 3), float)
    assert check_value(option(tuple[str, ...]), ["a"]) == ("a",)
    assert check_value(option(float | None), "none") is None


def test_nearest() -> None:
    assert nearest("epoch", ["epochs", "filters"]) == "Did you mean `epochs`?"
    assert nearest("zzz", ["epochs", "filters"]) == "There are epochs, filters."


def test_flags() -> None:
    parser = argparse.ArgumentParser()
    add_options(
        parser,
        [*options_of("training", Settings), Option("other", "epochs", int, 9, "")],
        aliases={"training.low": "--least"},
    )
    parsed = parser.parse_args(
        [
            "--training.epochs",
            "5",
            "--other.epochs",
            "6",
            "--no-flip",
            "--least",
            "2",
            "--rate",
            "1",
        ]
    )
    assert vars(parsed) == {
        "training.epochs": "5",
        "other.epochs": "6",
        "training.flip": False,
        "training.low": "2",
        "training.rate": "1",
    }
    with pytest.raises(SystemExit):
        parser.parse_args(["--epochs", "5"])  # both sections have it


def test_sections_with_long_flags_alone_leave_the_short_ones_to_others() -> None:
    parser = argparse.ArgumentParser()
    options = [*options_of("training", Settings), Option("lstm", "epochs", int, 9, "")]
    add_options(parser, options, dotted=("lstm",))
    parsed = parser.parse_args(["--epochs", "5", "--lstm.epochs", "6"])
    assert vars(parsed) == {"training.epochs": "5", "lstm.epochs": "6"}


def test_show_value() -> None:
    assert show_value(None) == "none"
    assert show_value(("a", "b")) == "a,b"
    assert show_value({"x": 1.0}) == "x=1.0"
