"""``optuna-popnas init``: a settings file with every setting, described."""

from __future__ import annotations

from argparse import Action
from collections.abc import Iterator
from json import dumps
from pathlib import Path
import textwrap
from typing import Any

from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import plain_text
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.schema import ALL_SECTIONS
from optuna_popnas.cli.schema import section_title
from optuna_popnas.cli.schema import settings as known_settings
from optuna_popnas.cli.shell import command


SECTIONS = ALL_SECTIONS
COMMON = ("study.name", "data.source", "space.max_blocks", "training.epochs")


def run(file: str = "popnas.toml", /, *, force: bool = False, flags: Values) -> int:
    """Write a settings file with every setting, described, at its default.

    Flags set what is not to have its default; all other settings are comments.

    Args:
        file: The TOML file; popnas.toml if left out.
        force: Replace a file that is there.

    Examples:
        optuna-popnas init photos.toml --data photos/ --image-size 32
    """
    path = Path(file)
    if path.exists() and not force:
        raise ConfigError(f"{file!r} is there already. Choose another name, or --force.")
    SearchSettings(flags, source="the command line").check()
    path.write_text(settings_text(flags), encoding="utf-8")
    print(f"Written: {file}. Search with it: {command('search', file)}")
    return 0


def settings_text(values: Values) -> str:
    """Return a settings file with these values; all other settings are comments."""
    lines = ["# Settings of `optuna-popnas search`. What is a comment has the value shown.", ""]
    for section, table in known_settings().items():
        lines += [f"[{section}]  # {section_title(section)}", ""]
        for name, action in table.items():
            lines += [*_setting(name, action, values.get(section, {})), ""]
    return "\n".join(lines)


def _setting(name: str, action: Action, given: dict[str, Any]) -> Iterator[str]:
    yield from textwrap.wrap(
        plain_text(action.help or ""), 95, initial_indent="# ", subsequent_indent="# "
    )
    if name in given:
        yield f"{name} = {toml_value(given[name])}"
    else:
        yield f"# {name} = {toml_value(action.default)}"


def toml_value(value: Any) -> str:
    """Return a value as TOML has it; None, which TOML lacks, is the text "none"."""
    if value is None:
        return '"none"'
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml_value(item)}' for key, item in value.items())}}}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(toml_value, value))}]"
    return dumps(value) if isinstance(value, (str, bool)) else repr(value)
