"""Options read off typed constructors: names, types, defaults and help come from one place."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
import difflib
import inspect
import re
import types
from typing import Any, get_args, get_origin, get_type_hints, Literal, NamedTuple, Union


class ConfigError(ValueError):
    """A setting that cannot be used; the text names it, the rule and the fix."""


class Option(NamedTuple):
    """One setting.

    Attributes:
        section: Its table in the TOML file.
        name: Its key there.
        hint: Its type annotation.
        default: Its default.
        help: What it is, from the docstring of what it configures.
    """

    section: str
    name: str
    hint: Any
    default: Any
    help: str

    @property
    def key(self) -> str:
        """The full name, such as ``training.epochs``."""
        return f"{self.section}.{self.name}"


def options_of(
    section: str, target: Callable[..., Any], *, skip: Iterable[str] = ()
) -> tuple[Option, ...]:
    """Return an option for each keyword of a class that has a default.

    Args:
        section: The TOML table.
        target: A class or function whose docstring has an ``Args:`` part.
        skip: Keywords that are not settings.
    """
    function = target.__init__ if inspect.isclass(target) else target
    hints = get_type_hints(function)
    texts = describe_arguments(target.__doc__ or "") | describe_arguments(function.__doc__ or "")
    options = []
    for name, parameter in inspect.signature(target).parameters.items():
        if name in skip or parameter.default is inspect.Parameter.empty:
            continue
        default = None if callable(parameter.default) else parameter.default
        options.append(Option(section, name, hints.get(name, Any), default, texts.get(name, "")))
    return tuple(options)


def describe_arguments(docstring: str) -> dict[str, str]:
    """Return the text of each argument in the ``Args:`` part of a Google docstring."""
    lines = inspect.cleandoc(docstring).splitlines()
    found: dict[str, list[str]] = {}
    inside, name = False, ""
    for line in lines:
        if re.fullmatch(r"\w+:", line):
            inside = line in ("Args:", "Attributes:")
            continue
        start = re.match(r" {4}(\w+(?:, \w+)*): (.*)", line) if inside else None
        if start:
            name = start[1]
            found[name] = [start[2]]
        elif inside and name and line.startswith(" " * 8):
            found[name].append(line.strip())
        elif line.strip() == "":
            continue
        else:
            inside = inside and line.startswith(" ")
    texts: dict[str, str] = {}
    for names, parts in found.items():
        text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", " ".join(parts)).replace("`", "")
        texts |= dict.fromkeys(names.split(", "), text)
    return texts


def add_options(
    parser: argparse.ArgumentParser,
    options: Sequence[Option],
    *,
    dotted: Iterable[str] = (),
    aliases: Mapping[str, str] | None = None,
) -> None:
    """Add each option as a flag: ``--training.epochs``, and ``--epochs`` if that is unique.

    Args:
        parser: The parser.
        options: The options.
        dotted: Sections whose options have the long form alone.
        aliases: Full name -> short flag, where it is not the option's own name.
    """
    aliases = aliases or {}
    dotted = set(dotted)
    names = [option.name for option in options if option.section not in dotted]
    groups: dict[str, Any] = {}
    for option in options:
        if option.section not in groups:
            groups[option.section] = parser.add_argument_group(f"[{option.section}]")
        flags = [f"--{_dashed(option.key)}"]
        short = aliases.get(option.key, f"--{_dashed(option.name)}")
        unique = option.key in aliases or names.count(option.name) == 1
        unique = unique and short not in parser._option_string_actions
        if option.section not in dotted and unique:
            flags.insert(0, short)
        arguments: dict[str, Any] = {
            "dest": option.key,
            "default": argparse.SUPPRESS,
            "help": f"{option.help} [{show_value(option.default)}]".replace("%", "%%"),
        }
        if _accepts(option.hint, bool) and not _accepts(option.hint, str):
            arguments["action"] = argparse.BooleanOptionalAction
        else:
            arguments["metavar"] = _metavar(option.hint)
        groups[option.section].add_argument(*flags, **arguments)


def show_value(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if value is None:
        return "none"
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in value.items()) or "none"
    return str(value)


def parse_text(option: Option, text: str | bool) -> Any:
    """Turn the text of a flag into a value, as TOML would have given it.

    Raises:
        ConfigError: The text is no value of the option's type.
    """
    if isinstance(text, bool):
        return text
    if text.lower() == "none" and _accepts(option.hint, type(None)):
        return None
    for kind in (int, float):
        if _accepts(option.hint, kind):
            try:
                return kind(text)
            except ValueError:
                continue
    if _accepts(option.hint, dict):
        pairs = [item.partition("=") for item in text.split(",") if item]
        try:
            return {key.strip(): float(value) for key, _, value in pairs}
        except ValueError:
            raise _wrong(option, text, "pairs like parameters=1e6,flops=5e7") from None
    if _accepts(option.hint, tuple) and ("," in text or not _accepts(option.hint, str)):
        items = [item.strip() for item in text.split(",") if item.strip()]
        return (
            [_number(item) for item in items]
            if _accepts(option.hint, float)
            else [
                _number(item) if _item_kind(option.hint) in (int, float) else item
                for item in items
            ]
        )
    return check_value(option, text)


def check_value(option: Option, value: Any) -> Any:
    """Return a TOML value as the option's type.

    Raises:
        ConfigError: It is of another type.
    """
    if value == "none" and _accepts(option.hint, type(None)):
        return None
    hint = option.hint
    if hint is Any:
        return value
    if isinstance(value, list) and _accepts(hint, tuple):
        kind = _item_kind(hint)
        if kind in (int, float) and not all(_is_number(item, kind) for item in value):
            raise _wrong(option, value, "a list of numbers")
        if kind is str and not all(isinstance(item, str) for item in value):
            raise _wrong(option, value, "a list of texts")
        return tuple(value)
    if isinstance(value, dict) and _accepts(hint, dict):
        return value
    if isinstance(value, bool):
        if _accepts(hint, bool):
            return value
    elif any(_accepts(hint, kind) and _is_number(value, kind) for kind in (int, float)):
        return float(value) if _accepts(hint, float) and not _accepts(hint, int) else value
    elif isinstance(value, str) and _accepts(hint, str):
        return value
    elif value is None and _accepts(hint, type(None)):
        return None
    raise _wrong(option, value, _rule(hint))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the nearest known name, or all names."""
    known = list(known)
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if match:
        return f"Did you mean `{match[0]}`?"
    return f"There are {', '.join(known)}."


def _wrong(option: Option, value: Any, rule: str) -> ConfigError:
    return ConfigError(f"`{option.key}` must be {rule}, but got {value!r}.")


def _kinds(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(kind for part in get_args(hint) for kind in _kinds(part))
    if get_origin(hint) is Literal:
        return tuple(type(value) for value in get_args(hint))
    return (hint,)


def _accepts(hint: Any, kind: Any) -> bool:
    kinds = [get_origin(part) or part for part in _kinds(hint)]
    if kind is tuple:
        return any(
            part in (tuple, list) or getattr(part, "__name__", "") == "Sequence" for part in kinds
        )
    if kind is dict:
        return any(part is dict or getattr(part, "__name__", "") == "Mapping" for part in kinds)
    return kind in kinds


def _item_kind(hint: Any) -> Any:
    for part in _kinds(hint):
        if _accepts(part, tuple) and get_args(part):
            return get_args(part)[0]
    return Any


def _is_number(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) if kind is int else isinstance(value, (int, float))


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _rule(hint: Any) -> str:
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}
    parts = [words[kind] for kind in (bool, int, float, str) if _accepts(hint, kind)]
    if _accepts(hint, float) and "an integer" in parts:
        parts.remove("an integer")
    if _accepts(hint, tuple):
        parts.append("a list")
    if _accepts(hint, dict):
        parts.append("a table of numbers")
    if _accepts(hint, type(None)):
        parts.append('"none"')
    return " or ".join(parts)


def _metavar(hint: Any) -> str:
    if _accepts(hint, dict):
        return "NAME=X,..."
    if _accepts(hint, tuple) and not _accepts(hint, str):
        return "A,B,..."
    if _accepts(hint, str):
        return "TEXT"
    return "N" if _accepts(hint, int) and not _accepts(hint, float) else "X"


def _dashed(name: str) -> str:
    return name.replace("_", "-")
