"""The command ``optuna-popnas``: one module per command."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from inspect import signature
import sys
from typing import TYPE_CHECKING

from optuna_popnas._version import __version__
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.errors import nearest


if TYPE_CHECKING:
    from optuna_popnas.cli.flags import CommandParser


#: Command -> what it does. Only the module of the command that is called is loaded.
COMMANDS = {
    "search": "search cells on images, with any number of workers; or resume",
    "status": "how far a search is: level, workers, time left, front",
    "report": "write the story of a search as one page that works offline",
    "retrain": "train a cell of a study to convergence",
    "evaluate": "test a trained model: accuracy, top 5, confusion",
    "predict": "say which class images are of",
    "export": "write a trained model as safetensors, torch.export and ONNX",
    "compare": "the thesis's tables of one or several studies",
    "predictors": "time predictors compared on a study's own cells",
    "confirm": "train the front again with fresh seeds: how much of it is luck",
    "draw": "draw a cell, or the whole network, as SVG",
    "profile": "sizes, costs and hours of a search, before it is begun",
    "delete": "delete a study and all its trials",
    "init": "write a settings file with every setting, described",
    "checks": "versions, processor, GPU, storage: what to put into a bug report",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done, 1: it failed, 2: wrong usage or configuration, 130: interrupted.

    Raises:
        SystemExit: Help or version was asked for, or no command was given.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_help(), file=sys.stdout if words else sys.stderr)
        raise SystemExit(0 if words else 2)
    if words[0] == "--version":
        print(f"optuna-popnas {__version__}")
        raise SystemExit(0)
    name, *rest = words
    try:
        return _run(name, rest)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        sys.stderr.close()
        return 0
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"optuna-popnas {name}: {_sentence(error)}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except Exception as error:  # drivers of storages have their own exceptions
        from optuna_popnas.cli.storages import storage_problem

        sentence = storage_problem(error)
        if sentence is None:
            raise
        print(f"optuna-popnas {name}: {sentence}", file=sys.stderr)
        return 1


def _run(name: str, words: Sequence[str]) -> int:
    if name not in COMMANDS:
        raise ConfigError(f"There is no command `{name}`. {nearest(name, COMMANDS)}")
    parser = parser_of(name)
    if {"-h", "--help", "--help-all"} & {*words}:
        print(parser.help(everything="--help-all" in words))
        raise SystemExit(0)
    arguments, flags = parser.parse(words)
    given = {"flags": flags, "words": words}
    wanted = signature(parser.function).parameters
    arguments |= {name: value for name, value in given.items() if name in wanted}
    found = [arguments.pop(key, None) for key in parser.positional]
    positional = [value for value in found if value is not None]  # else they have their defaults
    return parser.function(*positional, **arguments)


def parser_of(name: str) -> CommandParser:
    """Return what reads the flags of a command."""
    from optuna_popnas.cli.flags import CommandParser
    from optuna_popnas.cli.schema import add_sections

    module = import_module(f"{__name__}.{name}")
    sections = getattr(module, "SECTIONS", ())
    return CommandParser(
        name,
        module.run,
        lambda parser: add_sections(parser, sections),
        common=getattr(module, "COMMON", ()),
        hidden=getattr(module, "HIDDEN", ()),
        defaults=getattr(module, "DEFAULTS", None),
    )


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:  # of the system, not ours
        return f"{str(error.filename)!r} cannot be used: {error.strerror}. Check the path."
    return _as_flags(str(error))


def _as_flags(text: str) -> str:
    """Return advice on arguments as advice on the flags of the same effect."""
    from optuna_popnas.cli.schema import ACCURACY_PREDICTORS
    from optuna_popnas.cli.schema import TIME_PREDICTORS

    text = text.replace("resume=False", "--restart")
    for kind, names in (("accuracy", ACCURACY_PREDICTORS), ("time", TIME_PREDICTORS)):
        for flag, cls in names.items():
            given = f"{kind}_predictor=optuna_popnas.predictors.{cls},"
            text = text.replace(given, f"--{kind}-predictor {flag},")
    return text


def _help() -> str:
    rows = [f"    {name:<10} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: optuna-popnas COMMAND [OPTION ...]",
            "",
            "  optuna-popnas search photos/ --hours 2",
            "",
            "Which network is the most accurate one that you can train in the time you have?",
            "",
            *rows,
            "",
            "Each command has its own --help, with an example first.",
        ]
    )
