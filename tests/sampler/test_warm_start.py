"""Searches that start from what earlier ones found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from scipy.stats import spearmanr

from optuna_popnas import Cell
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import GaussianProcessAccuracyPredictor
from optuna_popnas.predictors import SizeAwareAccuracyPredictor
from optuna_popnas.predictors.guide import KnownCells
from optuna_popnas.sampler.warm_start import known_cells
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.study.findings import findings


SPACE = SearchSpace(["identity", "3x3 conv", "3x3 dconv", "2x2 maxpool"], max_blocks=3)
OTHER = SearchSpace(["identity", "5x5 conv", "2x2 maxpool"], max_blocks=2, lookbacks=1)


def accuracy_of(cell: Cell) -> float:
    """Pooling is worth as much as a convolution, which size does not say."""
    slots = max(1, len(cell.operators))
    pools = sum(name == "2x2 maxpool" for name in cell.operators) / slots
    return 0.2 + 0.5 * pools + 0.5 * sum("conv" in name for name in cell.operators) / slots


def study_of(space: SearchSpace, count: int, storage: str | None = None) -> optuna.Study:
    study = optuna.create_study(
        study_name="earlier",
        storage=storage,
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.RandomSampler(seed=0),
    )

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        return accuracy_of(cell), 1.0 + len(cell)

    study.optimize(objective, n_trials=count)
    return study


def test_other_operators_and_lookbacks_tell_what_size_does_not() -> None:
    known = known_cells(study_of(OTHER, 60))
    cells = [cell for cell in SPACE.first_level() if len(set(cell.operators)) == 2]
    truth = [accuracy_of(cell) for cell in cells]
    rng = np.random.default_rng(0)
    own = [cells[row] for row in rng.choice(len(cells), 8, replace=False)]
    ranks = {}
    for name, others in (("with", known), ("without", ())):
        model = SizeAwareAccuracyPredictor(SPACE, seed=0)
        model.learn_from(others)
        model.fit(own, [accuracy_of(cell) for cell in own])
        ranks[name] = spearmanr(model.predict(cells), truth)[0]
        assert model.process is not None
        assert (model.process.weight > 0) is (name == "with")
    assert ranks["with"] > ranks["without"]


def test_what_disagrees_with_own_cells_hardly_counts() -> None:
    cells = list(SPACE.first_level())
    size = np.array([sum("conv" in name for name in cell.operators) / 4 for cell in cells])
    rng = np.random.default_rng(0)
    own = np.arange(len(cells)) % 3 == 0
    ranks = {}
    for name, values in (
        ("nothing", None),
        ("reverse", 0.9 - size),
        ("shuffled", rng.permutation(0.2 + size)),
    ):
        model = SizeAwareAccuracyPredictor(SPACE, seed=0)
        if values is not None:
            model.learn_from([KnownCells(name, tuple(cells), tuple(values.tolist()))])
        model.fit([cell for cell, is_own in zip(cells, own) if is_own], 0.2 + size[own])
        ranks[name] = spearmanr(model.predict(cells)[~own], size[~own])[0]
    assert min(ranks.values()) > ranks["nothing"] - 0.02


def test_a_search_says_what_earlier_ones_were_worth(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/old.db"
    study_of(OTHER, 20, storage)
    sampler = POPNASSampler(SPACE, warm_start=[f"{storage}#earlier", "corpus"], seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = SPACE.suggest(trial)
        return accuracy_of(cell), 1.0 + len(cell)

    study.optimize(objective, n_trials=18)
    view = view_study(study)
    weights = [plan.report.warm_weight for plan in view.plans]
    assert len(weights) >= 2 and all(weight is not None for weight in weights)
    said = {item.title: item.text for item in findings(view, summarize(view))}
    assert "earlier: 20 cells" in said["What earlier searches were worth"]

    study.sampler = POPNASSampler(SPACE, warm_start="corpus", seed=0)
    with pytest.raises(ValueError, match="`warm_start` must be"):
        study.optimize(objective, n_trials=1)


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
    study.optimize(lambda trial: (accuracy_of(SPACE.suggest(trial)), 1.0), n_trials=1)
    study.sampler = POPNASSampler(SPACE, seed=0)
    with pytest.raises(ValueError, match="warm_start='nothing'.*--warm-start nothing"):
        study.optimize(lambda trial: (accuracy_of(SPACE.suggest(trial)), 1.0), n_trials=1)


def test_operators_that_both_have_tell_more_than_size() -> None:
    """Of two pools of one size only the name says which is good."""
    space = SearchSpace(["identity", "3x3 conv", "2x2 maxpool", "2x2 avgpool"], max_blocks=2)
    wider = SearchSpace([*reversed(space.operators), "5x5 conv"], max_blocks=3)

    def truth(cell: Cell) -> float:
        names = cell.operators
        return 0.3 + 0.1 * sum("conv" in name for name in names) + 0.1 * names.count("2x2 maxpool")

    others = tuple(wider.first_level())
    known = KnownCells("earlier", others, tuple(truth(cell) for cell in others))
    cells = [
        Cell([(-1, first, -1, second)])
        for first, second in (("2x2 avgpool",) * 2, ("2x2 maxpool", "2x2 avgpool"))
    ]
    model = SizeAwareAccuracyPredictor(space, seed=0)
    model.learn_from([known])
    average, maximum = model.fit([], []).predict(cells)
    plain = SizeAwareAccuracyPredictor(space, seed=0).fit([], []).predict(cells)
    assert maximum - average > 2 * (plain[1] - plain[0]) > 0, (maximum - average, plain)


def test_more_operators_than_a_space_holds_are_left_out() -> None:
    """A space of a hundred operators has no room for those of other searches."""
    many = [f"{height}x{width} conv" for height in range(1, 11) for width in range(1, 11)]
    model = SizeAwareAccuracyPredictor(SearchSpace(many, max_blocks=1), seed=0)
    model.learn_from(known_cells("corpus"))
    assert np.isfinite(model.fit([], []).predict([Cell([(-1, "1x1 conv", -1, "2x3 conv")])])).all()


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
