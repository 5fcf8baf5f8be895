"""Searches that start from what earlier ones found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import GaussianProcessAccuracyPredictor
from optuna_popnas.sampler.warm_start import known_cells
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.study.findings import findings
from tests.sampler.toys import objective_of


SPACE = SearchSpace(["identity", "3x3 conv", "3x3 dconv", "2x2 maxpool"], max_blocks=3)
OTHER = SearchSpace(["identity", "5x5 conv", "2x2 maxpool"], max_blocks=2, lookbacks=1)


def study_of(space: SearchSpace, count: int, storage: str | None = None) -> optuna.Study:
    study = optuna.create_study(
        study_name="earlier",
        storage=storage,
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    study.optimize(objective_of(space), n_trials=count)
    return study


def test_a_search_says_what_earlier_ones_were_worth(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/old.db"
    study_of(OTHER, 20, storage)
    sampler = POPNASSampler(SPACE, warm_start=[f"{storage}#earlier", "corpus"], seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective_of(SPACE), n_trials=18)
    view = view_study(study)
    weights = [plan.report.warm_weight for plan in view.plans]
    assert len(weights) >= 2 and all(weight is not None for weight in weights)
    said = {item.title: item.text for item in findings(view, summarize(view))}
    assert "earlier: 20 cells" in said["What earlier searches were worth"]

    study.sampler = POPNASSampler(SPACE, warm_start="corpus", seed=0)
    with pytest.raises(ValueError, match="`warm_start` must be"):
        study.optimize(objective_of(SPACE), n_trials=1)


def test_the_corpus_ships_with_the_library() -> None:
    known = known_cells("corpus")
    assert {item.name for item in known} >= {"fashion", "cifar10"}
    assert all(len(item.cells) >= 100 for item in known)


def test_searches_start_from_the_corpus_unless_told_otherwise() -> None:
    def settings(**given: Any) -> list[str]:
        return list(POPNASSampler(SPACE, **given).settings["warm_start"])

    assert settings() == settings(warm_start="corpus")
    assert len(settings()) == len(known_cells("corpus"))
    assert settings(warm_start="nothing") == settings(warm_start=[]) == []
    assert settings(mode="popnas") == settings(mode="pnas") == []
    assert settings(accuracy_predictor=GaussianProcessAccuracyPredictor) == []
    cells = known_cells("corpus")[0]
    assert settings(warm_start=cells) == settings()[:1]


def test_a_study_that_began_with_nothing_says_how_to_go_on() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.sampler = POPNASSampler(SPACE, warm_start="nothing", seed=0)
    study.optimize(objective_of(SPACE), n_trials=1)
    study.sampler = POPNASSampler(SPACE, seed=0)
    with pytest.raises(ValueError, match="warm_start='nothing'.*--warm-start nothing"):
        study.optimize(objective_of(SPACE), n_trials=1)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    empty = optuna.create_study(study_name="empty", direction="maximize")
    loss = optuna.create_study(study_name="loss", direction="minimize")
    nothing = f"sqlite:///{tmp_path}/nothing.db"
    for source, words in (
        (empty, "'empty' has 0"),
        (loss, "'loss' minimizes"),
        (nothing, "which cannot be read"),
        ([3], "but got 3"),
    ):
        with pytest.raises(ValueError, match=words):
            POPNASSampler(SPACE, warm_start=source)
    with pytest.raises(ValueError, match="`warm_start` must be left out in mode 'popnas'"):
        POPNASSampler(SPACE, mode="popnas", warm_start="corpus")
    with pytest.raises(ValueError, match="`accuracy_predictor` must be left out"):
        POPNASSampler(
            SPACE, accuracy_predictor=GaussianProcessAccuracyPredictor, warm_start="corpus"
        )
