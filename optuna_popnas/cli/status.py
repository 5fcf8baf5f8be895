"""``optuna-popnas status``: how far a search is."""

from __future__ import annotations

from datetime import datetime
from json import dumps
from typing import TYPE_CHECKING

from optuna_popnas.cli.storages import load_study


if TYPE_CHECKING:
    from optuna_popnas.study import SearchSummary


def run(
    *,
    storage: str | None = None,
    study: str | None = None,
    front: int = 10,
    json: bool = False,
) -> int:
    """Say how far a search is: level, workers, time left, front.

    Args:
        front: Lines of the front to print.

    Examples:
        optuna-popnas status --storage sqlite:///popnas.db
    """
    from optuna_popnas.study import summarize
    from optuna_popnas.study import view_study

    view = view_study(load_study(storage, study))
    summary = summarize(view)
    if json:
        print(dumps(summary.to_json(), indent=2))
    else:
        print(status_text(summary, view.metric_names, front=front))
    return 0


def status_text(
    summary: SearchSummary,
    metric_names: tuple[str, ...] = (),
    *,
    front: int = 10,
    now: datetime | None = None,
) -> str:
    """Return the state of a search as text."""
    from optuna_popnas.cli.text import front_table
    from optuna_popnas.cli.text import level_table
    from optuna_popnas.cli.text import table
    from optuna_popnas.cli.text import wrapped
    from optuna_popnas.study.words import cell_words
    from optuna_popnas.study.words import duration_words

    lines = [wrapped(f"{summary.study_name}: {summary.sentence}")]
    if summary.state == "empty":
        return lines[0]
    spent = f"{duration_words(summary.training_seconds)} of training"
    if summary.waited_seconds >= 1:
        spent += f", {duration_words(summary.waited_seconds)} of waiting"
    lines += [f"{spent}, all workers together.", "", level_table(summary)]
    if summary.workers:
        rows = []
        for worker in summary.workers:
            at = now or datetime.now()
            since = "" if worker.since is None else _ago(worker.since, at)
            doing = "waits" if worker.cell is None else f"trains {cell_words(worker.cell)}"
            rows.append((worker.name, str(worker.trial), since, doing))
        lines += ["", table(("worker", "trial", "for", ""), rows)]
    if summary.front and front > 0:
        lines += [
            "",
            f"Pareto front, {len(summary.front)} cells:",
            front_table(summary.front, metric_names, most=front),
        ]
    return "\n".join(lines)


def _ago(since: datetime, now: datetime) -> str:
    from optuna_popnas.study.words import duration_words

    return duration_words(max((now - since).total_seconds(), 0.0))
