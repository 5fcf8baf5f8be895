"""``optuna-popnas draw``: a cell, or the whole network, as SVG."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from optuna_popnas.cli.options import ConfigError
from optuna_popnas.cli.storages import add_study_arguments
from optuna_popnas.cli.storages import load_study
from optuna_popnas.space import Cell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "cell",
        nargs="?",
        metavar="CELL",
        help="a cell such as \"[(-2, '3x3 conv', -1, 'identity')]\", or the number of a trial; "
        "the most accurate cell of the study if left out",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the SVG file [standard output]")
    parser.add_argument("--network", action="store_true", help="draw the whole network (Fig. 4.3)")
    parser.add_argument("--motifs", type=int, default=3, metavar="M", help="motifs [3]")
    parser.add_argument(
        "--normal-cells", type=int, default=2, metavar="N", help="normal cells per motif [2]"
    )
    parser.add_argument("--filters", type=int, default=24, metavar="F", help="filters [24]")
    parser.add_argument("--image-size", type=int, metavar="PIXELS", help="written into the cells")
    add_study_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw; returns the exit code."""
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.visualization import draw_cell
    from optuna_popnas.visualization import draw_network

    cell = _cell(arguments)
    if arguments.network:
        try:
            config = NetworkConfig(
                motifs=arguments.motifs,
                normal_cells=arguments.normal_cells,
                filters=arguments.filters,
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        text = draw_network(cell, config, image_size=arguments.image_size)
    else:
        text = draw_cell(cell)
    if arguments.output is None or arguments.output == "-":
        sys.stdout.write(text + "\n")
    else:
        Path(arguments.output).write_text(text + "\n", encoding="utf-8")
        print(f"Written: {arguments.output}")
    return 0


def _cell(arguments: argparse.Namespace) -> Cell:
    text = arguments.cell
    if text is not None and not text.strip().isdigit():
        try:
            return Cell.parse(text)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    return find_cell(load_study(arguments.storage, arguments.study), text)


def find_cell(study: object, number: str | None) -> Cell:
    """Return the cell of a trial, or the most accurate cell of a study.

    Raises:
        ConfigError: There is none.
    """
    from optuna_popnas.study import view_study

    view = view_study(study)  # type: ignore[arg-type]
    if number is None:
        if not view.front or view.front[0].cell is None:
            raise ConfigError("The study has no trained cell yet. Give a cell instead.")
        return view.front[0].cell
    for trial in view.trials:
        if trial.number == int(number) and trial.cell is not None:
            return trial.cell
    raise ConfigError(
        f"There is no trial {number} with a cell; the study has {len(view.trials)} trials."
    )
