"""``optuna-popnas report``: the story of a search as one page."""

from __future__ import annotations

from optuna_popnas.cli.storages import load_study
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import storage_url


def run(
    *, output: str = "report.html", storage: str | None = None, study: str | None = None
) -> int:
    """Write the story of a search as one page that works offline.

    Args:
        output: The HTML file.

    Examples:
        optuna-popnas report -o report.html
    """
    from optuna_popnas.visualization import report

    path = report(load_study(storage, study), output, storage=mask_password(storage_url(storage)))
    print(f"Written: {path}")
    return 0
