"""Colours that remain distinct under colour blindness (Okabe and Ito's palette)."""

from __future__ import annotations

from collections.abc import Sequence

from optuna_popnas.space import parse_operator


BLACK = "#1b1f24"
GREY = "#8a929c"
ORANGE = "#e69f00"
SKY = "#56b4e9"
GREEN = "#009e73"
YELLOW = "#f0e442"
BLUE = "#0072b2"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"

#: Order of use where things have no colour of their own.
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, GREY)

#: One colour per level, dark to light, even in brightness; level 0 first. It repeats after 7.
_LEVELS = (GREY, "#440154", "#3b528b", "#21918c", "#5ec962", "#e0a800", "#d55e00", "#a03070")

_FAMILIES = {
    "identity": ("#e4e7eb", "#8a929c"),
    "dconv": ("#cfe8f8", "#3f9fd8"),
    "spatial conv": ("#c9ecdf", "#009e73"),
    "conv": ("#fbe3b4", "#c98a00"),
    "maxpool": ("#f9d3bf", "#d55e00"),
    "avgpool": ("#f8f3b0", "#b3a700"),
    "tconv": ("#f0d6e4", "#b85f8f"),
}
_CUSTOM = ("#d9d5f0", "#6a5fb0")


def level_color(level: int | None) -> str:
    """Return the colour of a level (blocks per cell)."""
    return GREY if level is None else _LEVELS[level % len(_LEVELS)]


def operator_colors(operator: str) -> tuple[str, str]:
    """Return (fill, border) of an operator, by its family; unknown operators have one, too."""
    try:
        family = parse_operator(operator).family.name
    except ValueError:  # an operator that was registered in the process that searched
        return _CUSTOM
    return _FAMILIES.get(family, _CUSTOM)


def series_color(index: int, colors: Sequence[str] = SERIES) -> str:
    """Return the colour of the ``index``-th series; colours repeat."""
    return colors[index % len(colors)]
