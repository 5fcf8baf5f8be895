"""The story of a search as one page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
import os
from pathlib import Path
import tempfile

from optuna_popnas._version import __version__
from optuna_popnas.study.findings import findings
from optuna_popnas.study.summary import summarize
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.visualization.page import content
from optuna_popnas.visualization.page.figures import FigureSheet
from optuna_popnas.visualization.page.tables import tables


def report(
    study: StudyLike,
    path: str | os.PathLike[str] = "report.html",
    *,
    storage: str | None = None,
    references: Mapping[str, tuple[float, float]] | None = None,
) -> Path:
    """Write the story of a search as one self-contained page, also while the search runs.

    Args:
        study: A study whose objective used ``space.suggest``.
        path: The file to write. A browser that shows it while it is written again sees either
            the old or the new page.
        storage: The URL that the commands on the page name.
        references: Known networks for the figure of the front: name -> (accuracy, training
            seconds), trained as the cells were.

    Returns:
        The path.

    Raises:
        OSError: The file cannot be written.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"`path` must be in a folder that exists, but got {str(target)!r}. "
            f"Make {str(target.parent)!r} first."
        )
    text = report_html(study, storage=storage, references=references)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".report-") as folder:
            part = Path(folder) / "part"
            part.write_text(text, encoding="utf-8")
            os.replace(part, target)
    except OSError as error:
        raise OSError(
            f"`path` must be a file that can be written, but got {str(target)!r} "
            f"({error.strerror or error}). Choose another one."
        ) from None
    return target


def report_html(
    study: StudyLike,
    *,
    storage: str | None = None,
    references: Mapping[str, tuple[float, float]] | None = None,
) -> str:
    """Return the page as text, see :func:`report`."""
    from jinja2 import Environment
    from jinja2 import PackageLoader
    from plotly.offline import get_plotlyjs

    view = view_study(study)
    summary = summarize(view)
    sheet = FigureSheet()
    environment = Environment(
        loader=PackageLoader("optuna_popnas.visualization.page", ""), autoescape=True
    )
    text: str = environment.get_template("template.html").render(
        name=summary.study_name,
        sentence=summary.sentence,
        findings=findings(view, summary),
        figures=content.figures(view, sheet, references),
        sheet=sheet,
        plotly=get_plotlyjs(),
        version=__version__,
        date=datetime.now().strftime("%Y-%m-%d %H:%M"),
        **tables(view, summary),
        **content.cards(view, summary),
        **content.network(view),
        steps=content.steps(summary, storage),
    )
    return text
