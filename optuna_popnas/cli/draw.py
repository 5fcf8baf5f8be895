"""``optuna-popnas draw``: a cell, or the whole network, as SVG."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import load_study
from optuna_popnas.space import Cell


if TYPE_CHECKING:
    import optuna


def run(
    cell: str | None = None,
    /,
    *,
    output: str = "cell.svg",
    network: bool = False,
    motifs: int | None = None,
    normal_cells: int | None = None,
    filters: int | None = None,
    image_size: int | None = None,
    storage: str | None = None,
    study: str | None = None,
) -> int:
    """Draw a cell, or the whole network, as SVG.

    Args:
        cell: A cell such as "[(-2, '3x3 conv', -1, 'identity')]", or the number of a trial; the
            most accurate cell of the study if left out.
        output: The SVG file; - for the standard output.
        network: Draw the whole network (Fig. 4.3), as the study has it where no flag says
            otherwise.
        motifs: Motifs of the network (M); 3 without a study.
        normal_cells: Normal cells per motif (N); 2 without a study.
        filters: Filters of the first cells (F); 24 without a study.
        image_size: Pixels, written into the cells of the network.

    Examples:
        optuna-popnas draw
        optuna-popnas draw "[(-2, '3x3 conv', -1, 'identity')]" --network
    """
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.visualization import draw_cell
    from optuna_popnas.visualization import draw_network

    sizes: dict[str, Any] = {}
    if cell is None or cell.strip().isdigit():
        found = load_study(storage, study)
        chosen = find_cell(found, cell)
        sizes = dict(found.user_attrs.get("settings", {}).get("network", {}))
    else:
        try:
            chosen = Cell.parse(cell)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if network:
        given = {"motifs": motifs, "normal_cells": normal_cells, "filters": filters}
        sizes |= {name: value for name, value in given.items() if value is not None}
        try:
            config = NetworkConfig(**sizes)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        text = draw_network(chosen, config, image_size=image_size)
    else:
        text = draw_cell(chosen)
    if output == "-":
        sys.stdout.write(text + "\n")
    else:
        Path(output).write_text(text + "\n", encoding="utf-8")
        print(f"Written: {output}")
    return 0


def find_cell(study: optuna.Study, number: str | None) -> Cell:
    """Return the cell of a trial, or the most accurate cell of a study.

    Raises:
        ConfigError: There is none.
    """
    from optuna_popnas.study import view_study

    view = view_study(study)
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
