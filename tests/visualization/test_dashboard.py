from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
import pytest

import optuna_popnas as popnas
from optuna_popnas import visualization
from optuna_popnas.study import view_study
from optuna_popnas.visualization import DashboardCallback
from optuna_popnas.visualization import update_dashboard
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


def test_artifacts_of_front_trials(study: optuna.Study, tmp_path: Path) -> None:
    store = FileSystemArtifactStore(str(_folder(tmp_path)))
    update_dashboard(study, store)
    front = view_study(study).front
    names = [meta["filename"] for meta in artifacts(study, front[0].number)]
    number = front[0].number
    assert sorted(names) == [f"cell-{number}.svg", f"learning-curve-{number}.svg"]
    for meta in artifacts(study, number):
        with store.open_reader(meta["artifact_id"]) as file:
            assert b"<svg" in file.read()
    off_front = next(t.number for t in view_study(study).complete if t not in front)
    assert artifacts(study, off_front) == []


def test_artifacts_leave_with_the_front(study: optuna.Study, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    store = FileSystemArtifactStore(str(folder))
    front = view_study(study).front[:5]
    visualization.dashboard.save_artifacts(study, front, store)
    assert len(list(folder.iterdir())) == 2 * len(front)
    visualization.dashboard.save_artifacts(study, front[1:], store)
    assert artifacts(study, front[0].number) == []
    assert len(list(folder.iterdir())) == 2 * len(front[1:])


def test_once_a_level_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna_popnas.visualization import dashboard

    calls = []
    real = dashboard.update_dashboard

    def counting(study: optuna.Study, store: Any = None) -> None:
        calls.append(len(study.trials))
        real(study, store)

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

    def counting(study: optuna.Study, store: Any = None) -> None:
        states.append(view_study(study).done)
        real(study, store)

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

    def broken(study: optuna.Study, store: Any = None) -> None:
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
