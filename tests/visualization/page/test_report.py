from __future__ import annotations

import html
from html.parser import HTMLParser
import json
from pathlib import Path
import re
import shlex

import optuna
import pytest

import optuna_popnas
from optuna_popnas.space import Cell
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.visualization import report
from optuna_popnas.visualization.page.content import pick_along
from optuna_popnas.visualization.page.content import steps
from optuna_popnas.visualization.page.report import report_html
from optuna_popnas.visualization.page.tables import tables


class Page(HTMLParser):
    """Collects what a browser would load, and checks that elements are closed."""

    VOID = {"meta", "link", "br", "rect", "path", "polygon", "polyline", "img"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and tag != "a":
                self.loads.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def parse(text: str) -> Page:
    page = Page()
    # Without plotly.js: megabytes that this parser would read letter by letter.
    text = re.sub(r"<script>/\*\*.*?</script>", "", text, flags=re.DOTALL)
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def test_the_story_from_top_to_bottom(finished: optuna.Study) -> None:
    page = parse(report_html(finished, storage="sqlite:///popnas.db"))
    assert page.headings == [
        "What it found",
        "What was searched",
        "How it went",
        "The front",
        "All trials",
        "How far to trust the predictors",
        "What good and slow cells are made of",
        "What to do next",
    ]


def test_it_loads_nothing(finished: optuna.Study) -> None:
    assert parse(report_html(finished)).loads == ["data:,"]


def test_plotly_is_embedded_once_and_figures_are_json(finished: optuna.Study) -> None:
    text = report_html(finished)
    assert len(re.findall(r"plotly\.js v[0-9]", text)) == 1
    figures = re.findall(
        r'<script type="application/json" id="(figure-[0-9]+)">(.*?)</script>', text, re.DOTALL
    )
    assert len(figures) >= 12
    for name, data in figures:
        assert {"data", "layout"} <= set(json.loads(data))
        assert f'data-figure="{name}"' in text


def test_commands_name_storage_and_study(finished: optuna.Study) -> None:
    text = report_html(finished, storage="sqlite:///popnas.db")
    assert "optuna-popnas retrain --storage sqlite:///popnas.db --study made-up" in text
    text = html.unescape(report_html(finished, storage="postgresql://u:***@h/a?b=1&c=2"))
    assert "retrain --storage 'postgresql://u:***@h/a?b=1&c=2' --study made-up" in text
    assert "optuna-dashboard 'postgresql://u:***@h/a?b=1&c=2'" in text


def test_all_trials_can_be_sorted(finished: optuna.Study) -> None:
    text = report_html(finished)
    tables = re.findall(r'<table class="sortable">(.*?)</table>', text, re.DOTALL)
    assert max(table.count("<tr>") for table in tables) == len(finished.trials) + 1


def test_settings_that_are_off_are_told_too(finished: optuna.Study) -> None:
    text = report_html(finished)
    assert '<td>search.time_limit</td><td class="long">none</td>' in text
    assert '<td>search.probes</td><td class="long">24</td>' in text


def test_titles_are_text_that_pages_can_break(finished: optuna.Study) -> None:
    text = report_html(finished)
    assert re.search(r"<h3>Pareto front: \d+ of \d+ cells trained are on it</h3>", text)
    for data in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S):
        assert not json.loads(data)["layout"].get("title")


def test_every_study_has_a_report(odd_studies: dict[str, optuna.Study]) -> None:
    for study in odd_studies.values():
        parse(report_html(study))


def test_names_are_escaped() -> None:
    study = optuna.create_study(
        study_name="<script>alert(1)</script>", directions=["maximize", "minimize"]
    )
    text = report_html(study)
    assert "<script>alert" not in text
    parse(text)


def test_it_replaces_the_old_page_at_once(finished: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert optuna_popnas.report is report
    assert report(finished, path) == path
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_unwritable_folder(finished: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="in a folder that exists.*Make .*missing"):
        report(finished, tmp_path / "missing" / "report.html")
    # The name of a temporary file was told.
    with pytest.raises(OSError, match=f"must be a file that can be .* got '{tmp_path}' "):
        report(finished, tmp_path)
    assert not list(tmp_path.iterdir())


def test_pick_along() -> None:
    numbers = list(range(100))
    picked = pick_along(numbers, 5)  # type: ignore[arg-type]
    assert picked == [0, 25, 50, 74, 99]
    assert pick_along(numbers[:3], 5) == [0, 1, 2]  # type: ignore[arg-type]


def test_pages_tell_every_level_and_every_failure(finished: optuna.Study) -> None:
    view = view_study(finished)
    found = tables(view, summarize(view))
    levels = found["levels"]
    assert [row[0] for row in levels.rows] == ["empty cell", "1 block", "2 blocks", "3 blocks"]
    place = levels.head.index("trained")
    assert sum(int(row[place]) for row in levels.rows) == len(view.complete)
    assert "ended early" not in levels.head  # columns without a number are left out
    failures = found["failures"].rows
    assert [row[0] for row in failures] == ["5", "17"]
    assert all(Cell.parse(row[1]) and "raised an error" in row[2] for row in failures)
    assert [row[0] for row in found["front"].rows] == [str(trial.number) for trial in view.front]
    words = {text: number for number, text in found["tiles"]}
    assert words["trainings failed"] == "2" and words["blocks per cell reached"] == "3 of 3"


def test_ranks_in_words_follow_the_page_on_reading_reports(finished: optuna.Study) -> None:
    view = view_study(finished)
    rows = tables(view, summarize(view))["trust"].rows
    scale = [(0.8, "very good"), (0.6, "good"), (0.4, "fair"), (0.2, "weak")]
    for row in rows:
        rho = float(row[1])
        expected = next((word for limit, word in scale if rho >= limit), "no better than chance")
        assert row[-1] == expected


def test_next_steps_can_be_pasted_into_a_shell(finished: optuna.Study) -> None:
    summary = summarize(finished)._replace(study_name="my study's; rm -rf *")
    commands = [command for _, command in steps(summary, "sqlite:///popnas.db")]
    for command in commands[:2]:
        words = shlex.split(command)
        assert words[words.index("--study") + 1] == summary.study_name
    assert commands[-1] == "optuna-dashboard sqlite:///popnas.db"
    empty = summarize(optuna.create_study(directions=["maximize", "minimize"]))
    assert len(steps(empty, None)) == 1
