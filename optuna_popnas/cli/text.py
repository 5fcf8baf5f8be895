"""Plain text for terminals: tables, cells in words."""

from __future__ import annotations

from collections.abc import Sequence
import shutil
import textwrap
from typing import TYPE_CHECKING

from optuna_popnas.study.levels import level_words
from optuna_popnas.study.words import cell_words


if TYPE_CHECKING:
    from optuna_popnas.study.records import TrialRecord
    from optuna_popnas.study.summary import SearchSummary
    from optuna_popnas.study.tables import TextTable


#: How :func:`~optuna_popnas.study.summary.cell_words` is read.
CELL_LEGEND = (
    "-1 is the cell before, -2 the one before that; the sums of blocks that no\n"
    "other block reads are joined."
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Return a table whose last column is wrapped; numbers are right-aligned.

    Args:
        head: Names of the columns.
        rows: Their texts.
        width: Columns of the terminal; found out if left out.
    """
    width = width or terminal_width()
    sizes = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    right = [all(_numeric(row[i]) for row in rows) and i < len(head) - 1 for i in range(len(head))]
    left = sum(sizes[:-1]) + 2 * (len(head) - 1)
    last = max(width - left - 1, 24)
    lines = []
    for row in [head, *rows]:
        cells = [
            text.rjust(size) if flag else text.ljust(size)
            for text, size, flag in zip(row[:-1], sizes, right)
        ]
        parts = textwrap.wrap(row[-1], last) or [""]
        lines.append("  ".join([*cells, parts[0]]).rstrip())
        lines += [(" " * left + part).rstrip() for part in parts[1:]]
    return "\n".join(lines)


def titled(entry: TextTable) -> str:
    """Return a table with its title and its note, wrapped."""
    note = textwrap.fill(entry.note, min(terminal_width(), 80) - 1)
    return f"{entry.title}\n\n{table(entry.head, entry.rows)}\n{note}"


def wrapped(text: str) -> str:
    """Return lines that fit the terminal."""
    width = min(terminal_width(), 100) - 1
    return "\n".join(textwrap.fill(line, width) for line in text.split("\n"))


def terminal_width() -> int:
    """Return the columns of the terminal, at least 60."""
    return max(shutil.get_terminal_size((100, 24)).columns, 60)


def front_table(
    front: Sequence[TrialRecord], names: Sequence[str] = (), *, most: int | None = None
) -> str:
    """Return the front in plain words, the most accurate first."""
    shown = front if most is None else front[:most]
    extra = list(names[2:])
    rows = []
    for trial in shown:
        seconds = "" if trial.seconds is None else f"{trial.seconds:.3g}"
        parameters = trial.user_attrs.get("parameters")
        count = f"{parameters:,}" if isinstance(parameters, int) else ""
        others = [f"{value:.4g}" for value in (trial.values or ())[2:]]
        rows.append(
            (
                f"{trial.accuracy:.4f}",
                seconds,
                count,
                *others,
                str(trial.number),
                cell_words(trial.cell),
            )
        )
    text = table(("accuracy", "seconds", "parameters", *extra, "trial", "cell"), rows)
    if len(shown) < len(front):
        text += f"\n... and {len(front) - len(shown)} more"
    return text


def level_table(summary: SearchSummary) -> str:
    """Return one line a level."""
    rows = [tuple(level_words(row).values()) for row in summary.levels]
    head = (
        "level",
        "candidates",
        "trained",
        "ended early",
        "best",
        "seconds",
        "rho acc.",
        "rho time",
        "",
    )
    return table(head, rows)


def _numeric(text: str) -> bool:
    return text == "" or text.replace(",", "").replace(".", "").replace("-", "").strip().isdigit()
