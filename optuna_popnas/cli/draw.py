"""``optuna-popnas draw``: a cell, or the whole network, as SVG."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import TYPE_CHECKING

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import load_study
from optuna_popnas.space import Cell


if TYPE_CHECKING:
    import optuna


def run(
    cell: str | None = None,
    /,
    *,
    output: str | None = None,
    network: bool = False,
    motifs: int = 3,
    normal_cells: int = 2,
    filters: int = 24,
    image_size: int | None = None,
    storage: str | None = None,
    study: str | None = None,
) -> int:
    """Draw a cell, or the whole network, as SVG.

    Args:
        cell: A cell such as "[(-2, '3x3 conv', -1, 'identity')]", or the number of a trial; the
            most accurate cell of the study if left out.
        output: The SVG file; the standard output if left out.
        network: Draw the whole network (Fig. 4.3).
        motifs: Motifs of the network (M).
        normal_cells: Normal cells per motif (N).
        filters: Filters of the first cells (F).
        image_size: Pixels, written into the cells of the network.

    Examples:
        optuna-popnas draw -o cell.svg
        optuna-popnas draw "[(-2, '3x3 conv', -1, 'identity')]" --network
    """
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.visualization import draw_cell
    from optuna_popnas.visualization import draw_network

    chosen = _cell(cell, storage, study)
    if network:
        try:
            config = NetworkConfig(motifs=motifs, normal_cells=normal_cells, filters=filters)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        text = draw_network(chosen, config, image_size=image_size)
    else:
        text = draw_cell(chosen)
    if output is None or output == "-":
        sys.stdout.write(text + "\n")
    else:
        Path(output).write_text(text + "\n", encoding="utf-8")
        print(f"Written: {output}")
    return 0


def _cell(text: str | None, storage: str | None, study: str | None) -> Cell:
    if text is not None and not text.strip().isdigit():
        try:
            return Cell.parse(text)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    return find_cell(load_study(storage, study), text)


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
