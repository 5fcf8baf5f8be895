"""The report in a real browser; needs Chromium."""

from __future__ import annotations

from html import escape
from pathlib import Path
import re
import shutil
import subprocess

import optuna
import pytest

from optuna_popnas.visualization import report
from optuna_popnas.visualization.page.report import report_html


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]


def open_page(path: Path, folder: Path) -> tuple[str, str]:
    """Return the document after its scripts have run, and what the console said."""
    assert BROWSER is not None
    result = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={folder / 'profile'}",
            # A window as tall as the page, so that every figure is in sight and drawn.
            "--window-size=1200,14000",
            "--virtual-time-budget=20000",
            "--enable-logging=stderr",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    return result.stdout, "\n".join(console)


def test_report_draws_all_figures_without_errors(finished: optuna.Study, tmp_path: Path) -> None:
    path = report(finished, tmp_path / "report.html")
    document, console = open_page(path, tmp_path)
    assert console == ""
    figures = document.count("data-figure=")
    assert figures >= 12
    assert document.count('data-done="1"') == figures
    assert document.count('class="plot-container plotly') == figures
    assert "Pareto front:" in document


def test_report_of_an_empty_study(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    document, console = open_page(report(study, tmp_path / "report.html"), tmp_path)
    assert console == ""
    assert "No cell has been trained yet." in document


def test_report_on_a_phone_needs_no_sideways_scrolling(
    finished: optuna.Study, tmp_path: Path
) -> None:
    page = tmp_path / "phone.html"
    page.write_text(
        f'<iframe srcdoc="{escape(report_html(finished))}" width=390 height=14000></iframe>'
        "<p id=width></p><script>setTimeout(() => {"
        "const page = document.querySelector('iframe').contentDocument.documentElement;"
        "const drawn = page.querySelectorAll('[data-done]').length;"
        "document.getElementById('width').textContent ="
        "`${drawn} drawn, ${page.scrollWidth - page.clientWidth} too wide`;}, 9000)</script>",
        encoding="utf-8",
    )
    document, console = open_page(page, tmp_path)
    assert console == ""
    assert re.search(r"<p id=.width.>1[0-9] drawn, 0 too wide", document)
