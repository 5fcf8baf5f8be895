"""Flags of a command and its settings: jsonargparse reads them off signatures and docstrings.

What is added to it here is how they are written, ``--epochs`` for ``--training.epochs``, dashes,
lists as ``a,b``, tables as ``a=1,b=2``, ``none``, a short help, and errors in plain words.
"""

from __future__ import annotations

from argparse import Action
from argparse import ArgumentError
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
import inspect
import re
import textwrap
import types
from typing import Any, get_args, get_origin, Literal, Union

from docstring_parser import parse_from_object
from jsonargparse import ArgumentParser
from jsonargparse import set_loader

from optuna_popnas.cli.appendix_b import flag_hint
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.errors import nearest


#: Section -> name -> value: settings as a TOML file has them.
Values = dict[str, dict[str, Any]]
#: What has another name or letter beside its own.
ALIASES = {"--study": "study.name", "--data": "data.source", "-o": "output"}
#: Flags that may stand without a value -> the value that they have then, and what is one.
OPTIONAL = {"ray": ("any", re.compile(r"any|auto|local|.*:\d+"))}
#: Help on the keywords that most commands have.
SHARED = {
    "storage": "Storage of the study: sqlite:///FILE, postgresql://..., mysql://..., "
    "journal:///FILE, grpc://HOST:PORT; if left out, that of $POPNAS_STORAGE or "
    "sqlite:///popnas.db.",
    "study": "Name of the study; not needed where there is only one.",
    "json": "Print JSON for scripts.",
}
#: Sections whose settings are flags in their full form only, as others have the same names.
DOTTED = ("lstm", "catboost")


def load_text(text: str) -> Any:
    """Return the value that a flag's text stands for, as TOML would have given it."""
    words: dict[str, bool | None] = {"none": None, "true": True, "false": False}
    if (text := text.strip()).lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    items = [item.strip() for item in text.split(",") if item.strip()]
    if items and all("=" in item for item in items):
        pairs = (item.partition("=") for item in items)
        return {key.strip(): load_text(value) for key, _, value in pairs}
    return [load_text(item) for item in items] if "," in text else text


set_loader("popnas", load_text, json_superset=False)


def make_parser(prog: str) -> ArgumentParser:
    """Return an empty parser that raises its errors and takes values as :func:`load_text`."""
    return ArgumentParser(
        prog=prog, parser_mode="popnas", exit_on_error=False, allow_abbrev=False, default_env=False
    )


class CommandParser:
    """The arguments and flags of one command.

    Args:
        name: The command.
        function: What it calls: positional-only parameters are arguments, keywords are flags.
            Help and examples come from its docstring.
        sections: Adds the flags of settings; see :func:`~optuna_popnas.cli.schema.add_sections`.
        common: Full names of settings that the short help shows.
        hidden: Keywords that are no concern of users.
        defaults: Section or full name of a setting -> its default in words, where it is not that
            of its class.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., int],
        sections: Callable[[ArgumentParser], None] | None = None,
        *,
        common: Collection[str] = (),
        hidden: Collection[str] = (),
        defaults: Mapping[str, str] | None = None,
    ) -> None:
        self.function = function
        self._docs = parse_from_object(function)
        self._parser = make_parser(f"optuna-popnas {name}")
        texts = {part.arg_name: part.description for part in self._docs.params}
        #: Names of the arguments that are no flags, in order.
        self.positional: list[str] = []
        for parameter in inspect.signature(function, eval_str=True).parameters.values():
            if parameter.kind is parameter.POSITIONAL_ONLY:
                self.positional.append(parameter.name)
                required = parameter.default is parameter.empty
                many = get_origin(parameter.annotation) is tuple
                self._parser.add_argument(
                    parameter.name,
                    help=texts[parameter.name],
                    nargs=("+" if required else "*") if many else None if required else "?",
                )
        self._parser.add_function_arguments(
            function, as_group=False, skip={*self.positional, "flags", "words"}
        )
        for action in self._actions():
            action.help = action.help or SHARED.get(action.dest)
        self._own = {action.dest for action in self._actions()}
        self._shown = (self._own | set(common)) - set(hidden)
        self._hidden = set(hidden)
        self._defaults = defaults or {}
        self._given: dict[str, str] = {}
        if sections is not None:
            sections(self._parser)
        self.flags = flag_names(self._actions())

    def _actions(self) -> list[Action]:
        return [a for a in self._parser._actions if a.dest not in ("help", "print_config")]

    def parse(self, words: Sequence[str]) -> tuple[dict[str, Any], Values]:
        """Return the function's arguments, and the settings that were given.

        Raises:
            ConfigError: A flag is unknown, or a value is not of its type.
        """
        try:
            found = self._parser.parse_args(self._spell_out(words), defaults=False).as_dict()
        except ArgumentError as error:
            raise ConfigError(self._sentence(str(error.message))) from None
        own = {name: found.pop(name) for name in self._own & set(found)}
        return own, found

    def help(self, *, everything: bool) -> str:
        """Return the help: an example first, then what is common, or everything."""
        docs, prog = self._docs, self._parser.prog
        forms = {"?": "[{}]", "*": "[{} ...]", "+": "{} ..."}
        words = [
            forms.get(str(action.nargs), "{}").format(action.dest.upper())
            for action in self._actions()
            if not action.option_strings
        ]
        lines = [f"Usage: {' '.join([prog, *words])} [OPTION ...]", ""]
        for part in docs.examples:
            lines += [f"  {line.strip()}" for line in (part.description or "").splitlines()]
        text = " ".join(filter(None, (docs.short_description, docs.long_description)))
        lines += ["", *textwrap.wrap(plain_text(text), 79)]
        hidden = 0
        for group in self._parser._action_groups:
            actions = [action for action in group._group_actions if action in self._actions()]
            actions = [action for action in actions if action.dest not in self._hidden]
            shown = [a for a in actions if everything or a.dest in self._shown]
            hidden += len(actions) - len(shown)
            if shown:
                titles = {"positional arguments": "Arguments", "options": "Options"}
                lines += ["", f"{titles.get(str(group.title), group.title)}:"]
                lines += [line for action in shown for line in self._describe(action)]
        if hidden:
            lines += ["", f"{hidden} more settings: {prog} --help-all"]
        return "\n".join(lines)

    def _describe(self, action: Action) -> Iterator[str]:
        """Yield the lines of the help on one flag."""
        kind, text = kind_of(action), plain_text(action.help or "")
        if choices := _choices(kind):
            text += f" ({', '.join(choices)})"
        if not action.option_strings:
            left = action.dest.upper()
        else:
            ways = [flag for flag, found in self.flags.items() if found is action]
            letters = [flag for flag in ways if len(flag) == 2]
            left = min((w for w in ways if len(w) > 2 and "_" not in w), key=len)
            if kind in (bool, bool | None):
                left = f"--no-{left[2:]}" if action.default is True else left
            else:
                left = f"{', '.join([*letters, left])} {_metavar(kind)}"
                text += self._default(action)
        lines = textwrap.wrap(text, 79 - 27)
        if len(left) > 23:
            yield f"  {left}"
            left = ""
        for line in lines:
            yield f"  {left:<24} {line}".rstrip()
            left = ""

    def _default(self, action: Action) -> str:
        section = action.dest.partition(".")[0]
        shown = self._defaults.get(action.dest) or self._defaults.get(section)
        if shown is None:
            if action.default in (None, ()):
                return ""  # the text says what holds then
            shown = show_value(action.default)
        return f" [{textwrap.shorten(shown, 50, placeholder=' ...')}]"

    def _spell_out(self, words: Sequence[str]) -> list[str]:
        """Return the words with every flag in full, with its value."""
        out: list[str] = []
        left = [*words]
        while left:
            word = left.pop(0)
            if word == "--":
                return [*out, word, *left]
            if not word.startswith("-") or word == "-":
                out.append(word)
                continue
            flag, equals, value = word.partition("=")
            positive = f"--{flag[5:]}" if flag.startswith("--no-") else flag
            action = self.flags.get(flag) or self.flags.get(positive)
            if action is None or (
                flag not in self.flags and kind_of(action) not in (bool, bool | None)
            ):
                raise ConfigError(f"There is no option `{flag}`. {flag_hint(flag, self.flags)}")
            if kind_of(action) in (bool, bool | None) and not equals:
                value = "true" if flag in self.flags else "false"
            elif not equals and action.dest in OPTIONAL:
                value, values = OPTIONAL[action.dest]
                if left and values.fullmatch(left[0]):
                    value = left.pop(0)
            elif not equals:
                if not left:
                    raise ConfigError(f"`{flag}` must be followed by its value.")
                value = left.pop(0)
            if _is_list(kind_of(action)) and "," not in value and value.lower() != "none":
                value += ","  # a list of one
            self._given[action.dest] = value
            out.append(f"--{action.dest}={value}")
        return out

    def _sentence(self, message: str) -> str:
        """Return jsonargparse's message in the words of this package."""
        key = re.search(r'key "([^"]+)"', message)
        action = next((a for a in self._actions() if key and a.dest == key[1]), None)
        if action is not None and action.dest in self._given:
            return wrong_value(action, load_text(self._given[action.dest]))
        if action is not None or "required" in message:
            missing = [a.dest.upper() for a in self._actions() if not a.option_strings]
            return f"{missing[0]} is missing. See --help."
        extra = re.search("unrecognized arguments: (.*)", message, re.IGNORECASE)
        return f"There must be no argument {extra[1]!r}. See --help." if extra else message


def flag_names(actions: Sequence[Action]) -> dict[str, Action]:
    """Return every way to write each flag: in full, and without its section where unique."""
    flags: dict[str, Action] = {}
    actions = [action for action in actions if action.option_strings]
    split = {action.dest: action.dest.rpartition(".") for action in actions}
    names = [name for section, _, name in split.values() if section not in DOTTED]
    for action in actions:
        section, _, name = split[action.dest]
        ways = [action.dest]
        if section and section not in DOTTED and names.count(name) == 1:
            ways.append(name)
        flags |= {f"--{form}": action for way in ways for form in (way, way.replace("_", "-"))}
    known = {action.dest: action for action in actions}
    aliases = {flag: known[dest] for flag, dest in ALIASES.items() if dest in known}
    return {**aliases, **flags}


def kind_of(action: Action) -> Any:
    """Return the type of a flag's value."""
    return getattr(action, "_typehint", None) or action.type or str


def wrong_value(action: Action, value: Any) -> str:
    """Return the sentence on a value that is not of its setting's type."""
    kind = kind_of(action)
    if choices := _choices(kind):
        section, _, name = action.dest.rpartition(".")
        where = f"[{section}] " if section else ""
        shown = [repr(choice) for choice in choices]
        rule = " or ".join(shown) if len(shown) == 2 else f"one of {', '.join(shown)}"
        hint = nearest(str(value), choices)
        hint = f" {hint}" if hint.startswith("Did") else ""
        return f"{where}`{name}` must be {rule}, but got {value!r}.{hint}"
    return f"`{action.dest}` must be {_rule(kind)}, but got {value!r}."


def show_value(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in value.items()) or "none"
    return "none" if value is None else str(value)


def plain_text(text: str) -> str:
    """Return the text of a docstring without marks."""
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", " ".join(text.split())).replace("`", "")


def _kinds(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, without their parameters."""
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(part for item in get_args(kind) for part in _kinds(item))
    return (get_origin(kind) or kind,)


def _choices(kind: Any) -> list[str]:
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return [str(x) for part in parts if get_origin(part) is Literal for x in get_args(part)]


def _is_sequence(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Sequence) and kind is not str


def _is_list(kind: Any) -> bool:
    """Whether a value is a list in any case."""
    kinds = [part for part in _kinds(kind) if part is not type(None)]
    return bool(kinds) and all(_is_sequence(part) for part in kinds)


def _rule(kind: Any) -> str:
    """Return in words what values a type has."""
    words = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}
    kinds = _kinds(kind)
    parts = [word for part, word in words.items() if part in kinds]
    if float in kinds and int in kinds:
        parts.remove("an integer")
    items = [get_args(part) for part in (kind, *get_args(kind)) if _is_sequence(get_origin(part))]
    if items:
        parts.append("a list of texts" if str in items[0] else "a list of numbers")
    if any(isinstance(part, type) and issubclass(part, Mapping) for part in kinds):
        parts.append("a table of numbers, such as parameters=1e6")
    if type(None) in kinds:
        parts.append('"none"')
    return " or ".join(parts)


def _metavar(kind: Any) -> str:
    kinds = _kinds(kind)
    if any(isinstance(part, type) and issubclass(part, Mapping) for part in kinds):
        return "NAME=X,..."
    if _is_list(kind):
        return "A,B,..."
    if str in kinds or _choices(kind):
        return "TEXT"
    return "X" if float in kinds else "N"
