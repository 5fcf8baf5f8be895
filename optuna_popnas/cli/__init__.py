"""The command ``optuna-popnas``: one module per command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
import sys

from optuna_popnas._version import __version__


#: Command -> what it does. Only the module of the command that is called is loaded.
COMMANDS = {
    "search": "search cells on a data set, with any number of workers; again: resume",
    "status": "how far a search is: level, workers, time left, front",
    "report": "write the story of a search as one page that works offline",
    "retrain": "train a cell of a study to convergence",
    "export": "write a trained model as safetensors, torch.export and ONNX",
    "draw": "draw a cell, or the whole network, as SVG",
    "profile": "sizes, costs and hours of a search, before it is begun",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done, 1: it failed, 2: wrong usage or configuration, 130: interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="optuna-popnas",
        description="POPNASv2, Pareto-optimal progressive neural architecture search.",
        epilog="Each command has its own --help.",
    )
    parser.add_argument("--version", action="version", version=f"optuna-popnas {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
        )
        if name == chosen:
            module = import_module(f"{__name__}.{name}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    try:
        parsed, unknown = parser.parse_known_args(arguments)
        if unknown:
            raise _unknown_argument(unknown[0], commands.choices[parsed.command])
        code: int = parsed.run(parsed)
        return code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        sys.stderr.close()
        return 0
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        from optuna_popnas.cli.options import ConfigError

        print(f"optuna-popnas {chosen}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1


def _unknown_argument(word: str, parser: argparse.ArgumentParser) -> Exception:
    from optuna_popnas.cli.options import ConfigError
    from optuna_popnas.cli.options import nearest

    if not word.startswith("-"):
        return ConfigError(f"There must be no argument {word!r}. See --help.")
    flags = [flag for action in parser._actions for flag in action.option_strings]
    name = word.partition("=")[0]
    hint = nearest(name, flags) if len(flags) < 20 else nearest(name, flags).split("There are")[0]
    return ConfigError(f"There is no option `{name}`. {hint or 'See --help.'}")
