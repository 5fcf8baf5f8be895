"""Colours and marks that remain distinct under colour blindness (Okabe and Ito's palette).

Figures have no background of their own, so every colour here reads on white and on nearly black
pages. Levels and roles differ in their marks, too.
"""

from __future__ import annotations

from optuna_popnas.space import parse_operator


GREY = "#8a929c"
ORANGE = "#e69f00"
SKY = "#56b4e9"
GREEN = "#009e73"
BLUE = "#2b83ba"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"

#: Text, axes: contrast above 4:1 on white and on nearly black.
NEUTRAL = "#757d87"
GRID = "rgba(128,136,146,0.22)"

SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, GREY)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")

_LEVEL_COLORS = (GREY, SKY, ORANGE, GREEN, PURPLE, VERMILION, BLUE)
_LEVEL_SYMBOLS = ("x", "circle", "square", "diamond", "triangle-up", "cross", "star")

#: Why a cell was trained -> (colour, mark, words).
ROLES = {
    "front": (BLUE, "circle", "front"),
    "accurate": (VERMILION, "star", "most accurate"),
    "exploration": (ORANGE, "diamond", "exploration"),
    "reserve": (PURPLE, "triangle-up", "reserve"),
    "pilot": (GREY, "cross", "pilot"),
    "first": (SKY, "circle", "one block"),
    "empty": (GREY, "x", "empty cell"),
}

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


def level_mark(level: int | None) -> tuple[str, str]:
    """Return (colour, mark) of a level (blocks per cell); they repeat for very long cells."""
    if level is None:
        return GREY, "circle-open"
    index = level if level < 7 else 1 + (level - 1) % 6
    return _LEVEL_COLORS[index], _LEVEL_SYMBOLS[index]


def operator_colors(operator: str) -> tuple[str, str]:
    """Return (fill, border) of an operator, by its family; unknown operators have one, too."""
    try:
        family = parse_operator(operator).family.name
    except ValueError:  # an operator that was registered in the process that searched
        return _CUSTOM
    return _FAMILIES.get(family, _CUSTOM)
