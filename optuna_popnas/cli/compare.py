"""``optuna-popnas compare``: the thesis's tables, of one's own studies."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import load_study
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import storage_url
from optuna_popnas.cli.storages import study_names


if TYPE_CHECKING:
    from optuna_popnas.study import SearchSummary
    from optuna_popnas.study import StudyView


def run(
    studies: tuple[str, ...] = (),
    /,
    *,
    output: str | None = None,
    markdown: bool = False,
    json: bool = False,
    storage: str | None = None,
) -> int:
    """Print the thesis's tables 5.1, 5.2 and 6.2 to 6.4 of one or several studies.

    Args:
        studies: Names of studies in the storage, or URLs of storages; URL#NAME where a storage
            has several studies. All of the storage if left out.
        output: Draw the most accurate cells side by side into this SVG file.
        markdown: Print Markdown.
        storage: Storage of the named studies: ``sqlite:///FILE``, ``postgresql://...``,
            ``mysql://...``, ``journal:///FILE`` or ``grpc://HOST:PORT``; ``$POPNAS_STORAGE``, or
            sqlite:///popnas.db, if left out.

    Examples:
        optuna-popnas compare
        optuna-popnas compare popnas pnas -o cells.svg
        optuna-popnas compare sqlite:///a.db sqlite:///b.db#digits --markdown
    """
    from optuna_popnas.cli.text import titled
    from optuna_popnas.study.tables import comparison_tables
    from optuna_popnas.study.tables import found

    read = _read(studies, storage)
    if output is not None:
        _draw(read, output)
    if json:
        rows = []
        for name, (view, summary) in read.items():
            result = found(view)
            numbers = {} if result is None else result._asdict()
            rows.append({"name": name, "mode": view.settings.get("mode"), **numbers})
            rows[-1]["summary"] = summary.to_json()
        print(dumps(rows, indent=2))
        return 0
    tables = comparison_tables(read)
    print("\n\n".join(t.to_markdown() if markdown else titled(t) for t in tables))
    if output is not None:
        print(f"\nWritten: {output}")
    return 0


def _read(
    studies: tuple[str, ...], storage: str | None
) -> dict[str, tuple[StudyView, SearchSummary]]:
    from optuna_popnas.study import summarize
    from optuna_popnas.study import view_study

    read: dict[str, tuple[StudyView, SearchSummary]] = {}
    for text in studies or _all(storage):
        url, _, name = text.partition("#") if "://" in text else (storage, "", text)
        view = view_study(load_study(url, name or None, choice="by URL#NAME"))
        if any(view == known for known, _ in read.values()):
            raise ConfigError(f"Each study must be named once, but {text!r} is there twice.")
        # Studies of two files may have one name.
        title = text if view.study_name in read else view.study_name
        read[title] = (view, summarize(view))
    return read


def _all(storage: str | None) -> list[str]:
    url = storage_url(storage)
    names = study_names(open_storage(url, must_exist=True), url)
    if not names:
        raise ConfigError(
            f"There is no study in {mask_password(url)}. Begin one with the command search."
        )
    return names


def _draw(read: dict[str, tuple[StudyView, SearchSummary]], output: str) -> None:
    from optuna_popnas.visualization.drawing.cell_drawing import draw_cells

    cells = {}
    for name, (view, _) in read.items():
        if view.front and view.front[0].cell is not None:
            cells[f"{name}: {view.front[0].accuracy:.3f}"] = view.front[0].cell
    if not cells:
        raise ConfigError("None of the studies has a trained cell to draw.")
    Path(output).write_text(draw_cells(cells) + "\n", encoding="utf-8")
