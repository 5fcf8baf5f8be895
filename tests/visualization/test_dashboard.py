from __future__ import annotations

import json
from pathlib import Path
import re
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
import pytest

import optuna_popnas as popnas
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.visualization import DashboardCallback
from optuna_popnas.visualization import update_dashboard
from optuna_popnas.visualization import with_pictures
from optuna_popnas.visualization.dashboard import note_text
from tests.visualization.made_up import make_sampler
from tests.visualization.made_up import objective_of
from tests.visualization.made_up import OPERATORS
from tests.visualization.made_up import run_study


optuna_dashboard = pytest.importorskip("optuna_dashboard")


@pytest.fixture
def study() -> optuna.Study:
    return run_study(max_blocks=2)


def graphs(study: optuna.Study) -> dict[str, Any]:
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {name: json.loads(text) for name, text in get_plotly_graph_objects(attributes).items()}


def artifacts(study: optuna.Study, number: int) -> list[dict[str, Any]]:
    from optuna_dashboard.artifact._backend import list_trial_artifacts

    attributes = study._storage.get_study_system_attrs(study._study_id)
    trial = study.trials[number]
    return list_trial_artifacts(attributes, trial.system_attrs, trial)  # type: ignore[return-value]


def test_names_note_and_figures(study: optuna.Study) -> None:
    update_dashboard(study)
    assert study.metric_names == ["accuracy", "training seconds"]
    assert "The search is finished" in optuna_dashboard.get_note(study)
    drawn = graphs(study)
    assert len(drawn) == 8
    assert all({"data", "layout"} <= set(figure) for figure in drawn.values())
    for figure in drawn.values():  # the dashboard would lay buttons over the titles
        assert {"zoom", "pan", "toimage"} <= set(figure["layout"]["modebar"]["remove"])


def test_refreshing_adds_nothing(study: optuna.Study) -> None:
    update_dashboard(study)
    before = study._storage.get_study_system_attrs(study._study_id)
    update_dashboard(study)
    after = study._storage.get_study_system_attrs(study._study_id)
    assert set(before) == set(after)


def test_own_notes_are_kept(study: optuna.Study) -> None:
    optuna_dashboard.save_note(study, "mine")
    update_dashboard(study)
    update_dashboard(study)
    note = optuna_dashboard.get_note(study)
    assert note.count("mine") == 1
    assert note.endswith("mine")
    assert note.count("The search is finished") == 1


def test_every_trial_has_its_cell_and_its_curve(tmp_path: Path) -> None:
    store = FileSystemArtifactStore(str(_folder(tmp_path)))
    space = popnas.SearchSpace(OPERATORS, max_blocks=1)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make_sampler(space))
    study.optimize(with_pictures(objective_of(space), store))
    for trial in study.trials:
        names = [meta["filename"] for meta in artifacts(study, trial.number)]
        assert sorted(names) == [f"cell-{trial.number}.svg", f"learning-curve-{trial.number}.svg"]
        for meta in artifacts(study, trial.number):
            with store.open_reader(meta["artifact_id"]) as file:
                assert b"<svg" in file.read()


def test_pictures_that_cannot_be_written_cost_no_training(tmp_path: Path) -> None:
    store = FileSystemArtifactStore(str(tmp_path / "missing"))
    space = popnas.SearchSpace(OPERATORS, max_blocks=1)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(with_pictures(objective_of(space), store), n_trials=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2


def test_once_a_level_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna_popnas.visualization import dashboard

    calls = []
    real = dashboard.update_dashboard

    def counting(study: optuna.Study) -> None:
        calls.append(len(study.trials))
        real(study)

    monkeypatch.setattr(dashboard, "update_dashboard", counting)
    space = popnas.SearchSpace(OPERATORS, max_blocks=2)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make_sampler(space))
    study.optimize(objective_of(space), callbacks=[DashboardCallback()])
    # The empty cell, both levels, the end.
    assert 3 <= len(calls) <= 4
    assert "The search is finished" in optuna_dashboard.get_note(study)


def test_the_end_is_told_once_by_several_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna_popnas.visualization import dashboard

    states = []
    real = dashboard.update_dashboard

    def counting(study: optuna.Study) -> None:
        states.append(view_study(study).done)
        real(study)

    monkeypatch.setattr(dashboard, "update_dashboard", counting)
    space = popnas.SearchSpace(OPERATORS, max_blocks=1)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make_sampler(space))
    study.optimize(objective_of(space), callbacks=[DashboardCallback()], n_jobs=3)
    assert states.count(True) == 1
    assert "The search is finished" in optuna_dashboard.get_note(study)


def test_a_broken_dashboard_does_not_end_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from optuna_popnas.visualization import dashboard

    def broken(study: optuna.Study) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(dashboard, "update_dashboard", broken)
    space = popnas.SearchSpace(OPERATORS, max_blocks=1)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make_sampler(space))
    study.optimize(objective_of(space), callbacks=[DashboardCallback()])
    assert view_study(study).done


def test_odd_studies(odd_studies: dict[str, optuna.Study]) -> None:
    for study in odd_studies.values():
        update_dashboard(study)
        assert optuna_dashboard.get_note(study)


def _folder(path: Path) -> Path:
    folder = path / "artifacts"
    folder.mkdir()
    return folder


def test_the_note_is_a_table_that_markdown_reads(finished: optuna.Study) -> None:
    view = view_study(finished)
    summary = summarize(view)
    rows = [*summary.levels[:-1], summary.levels[-1]._replace(stopped=9)]
    summary = summary._replace(levels=tuple(rows))
    text = note_text(view, summary)
    assert text.startswith(f"**{summary.sentence}**")
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        lines = block.strip().splitlines()
        assert len({line.count("|") for line in lines}) == 1
        assert set(lines[1]) == {"|", "-"}
    assert re.search(r"^\| 3 blocks \|.*\| 9 \|", text, re.MULTILINE)


def test_the_note_of_a_search_without_plans_counts_none() -> None:
    """It said that "12 of 0" cells of a level were trained."""
    random = optuna.samplers.RandomSampler(seed=0)
    view = view_study(run_study(sampler=random, n_trials=12))
    text = note_text(view, summarize(view))
    assert "| level |" in text and " of 0" not in text
    assert sum(int(count) for count in re.findall(r"^\| \d blocks? \| *\| (\d+) ", text, re.M)) > 5
