"""``optuna-popnas report``: the story of a search as one page."""

from __future__ import annotations

import argparse

from optuna_popnas.cli.storages import add_study_arguments
from optuna_popnas.cli.storages import load_study
from optuna_popnas.cli.storages import mask_password


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_study_arguments(parser)
    parser.add_argument(
        "-o", "--output", default="report.html", metavar="FILE", help="[report.html]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the page; returns the exit code."""
    from optuna_popnas.visualization import report

    study = load_study(arguments.storage, arguments.study)
    path = report(study, arguments.output, storage=mask_password(arguments.storage))
    print(f"Written: {path}")
    return 0
