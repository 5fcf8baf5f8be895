"""The references of command line, settings and functions, made from the code."""

from __future__ import annotations

from importlib import import_module
import os
from pathlib import Path

import optuna_popnas
from optuna_popnas.cli import COMMANDS
from optuna_popnas.cli import parser_of


#: The rooms of the package that users call, with what each is for.
ROOMS = {
    "space": "Operators, cells, search spaces",
    "sampler": "The sampler and many workers",
    "search": "The algorithm, without Optuna",
    "predictors": "Predictors of accuracy and seconds",
    "networks": "From a cell to a network",
    "training": "Data, training, models",
    "objective": "From a trial to accuracy and seconds",
    "study": "What a study says",
    "visualization": "Figures, report, dashboard",
}


def write(docs: Path) -> None:
    """Write ``command_reference.md`` and ``api.md``, where they differ from what is there."""
    for name, text in (("command_reference.md", commands()), ("api.md", api())):
        path = docs / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def commands() -> str:
    """Return the help of every command."""
    os.environ.setdefault("COLUMNS", "80")
    lines = [
        "# Command reference",
        "",
        "What `--help-all` says of each command. [Command line](command_line.md) explains them.",
    ]
    for name, words in COMMANDS.items():
        help_text = parser_of(name).help(everything=True)
        lines += ["", f"## {name}", "", f"{words[0].upper()}{words[1:]}.", ""]
        lines += ["```text", help_text, "```"]
    return "\n".join(lines) + "\n"


def api() -> str:
    """Return directives for every public name, each where it is documented first."""
    lines = [
        "# API reference",
        "",
        "`import optuna_popnas as popnas`. Names of the first section are those of the package",
        "itself; the others are imported from their rooms.",
        "",
        "## The package",
        "",
    ]
    seen: set[int] = set()
    lines += _names("optuna_popnas", optuna_popnas.__all__, seen)
    lines += ["### search", "", *_directive("optuna_popnas.objective.one_call", "search"), ""]
    for room, words in ROOMS.items():
        module = import_module(f"optuna_popnas.{room}")
        found = _names(f"optuna_popnas.{room}", module.__all__, seen)
        if found:
            lines += [f"## optuna_popnas.{room}", "", f"{words}.", "", *found]
    return "\n".join(lines) + "\n"


def _names(module: str, names: list[str], seen: set[int]) -> list[str]:
    lines = []
    for name in names:
        value = getattr(import_module(module), name)
        if id(value) in seen or name in ("__version__", "search"):
            continue
        seen.add(id(value))
        lines += [f"### {name}", "", *_directive(module, name), ""]
    return lines


def _directive(module: str, name: str) -> list[str]:
    value = getattr(import_module(module), name)
    if isinstance(value, type):
        kind, options = "autoclass", [":members:"]
    elif callable(value):
        kind, options = "autofunction", []
    else:
        kind, options = "autodata", []
    return ["```{eval-rst}", f".. {kind}:: {module}.{name}", *(f"   {o}" for o in options), "```"]
