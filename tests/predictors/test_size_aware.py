"""Predictors that start from size."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from optuna_popnas.predictors import AccuracyPredictor
from optuna_popnas.predictors.features.descriptors import DESCRIPTORS
from optuna_popnas.predictors.features.descriptors import descriptors
from optuna_popnas.predictors.size_aware import SizeAwareAccuracyPredictor
from optuna_popnas.predictors.size_aware import SizeAwareTimePredictor
from optuna_popnas.predictors.size_priors import from_json
from optuna_popnas.predictors.size_priors import shipped
from optuna_popnas.predictors.size_priors import to_json
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import register_operator
from optuna_popnas.space import SearchSpace
from optuna_popnas.space import unregister_operator


def column(cells: list[Cell], name: str, space: SearchSpace) -> list[float]:
    batch = CellBatch.from_cells(space, cells)
    values: list[float] = descriptors(batch)[:, DESCRIPTORS.index(name)].tolist()
    return values


def test_descriptors_of_small_cells() -> None:
    space = SearchSpace(max_blocks=3)
    cells = [
        Cell(),
        Cell([(-1, "identity", -2, "3x3 conv")]),
        Cell([(-1, "1x7-7x1 conv", -1, "2x2 maxpool"), (0, "5x5 dconv", 0, "identity")]),
        Cell([(-2, "3x3 conv", -2, "3x3 conv"), (-2, "1x1 conv", -2, "identity")]),
    ]
    assert column(cells, "blocks", space) == [0, 1, 2, 2]
    assert column(cells, "deepest path", space) == [0, 1, 3, 1]
    assert column(cells, "shortest path", space) == [0, 0, 0, 0]
    assert column(cells, "mean path", space) == [0, 0.5, 1.5, 0.75]
    assert column(cells, "widest kernels on a path", space) == [0, 2, 10, 2]
    assert column(cells, "concat inputs", space) == [0, 0, 0, 2]
    np.testing.assert_allclose(column(cells, "log of paths", space), np.log([1, 2, 4, 4]))
    assert column(cells, "reads blocks", space) == [0, 0, 0.5, 0]
    assert column(cells, "cells built less often", space) == [0, 0, 0, 1]
    assert column(cells, "share of conv", space) == [0, 0.5, 0, 0.75]


def test_every_path_is_as_brute_force_finds_it() -> None:
    space = SearchSpace(max_blocks=5)
    batch = space.random_cells(5, 40, rng=np.random.default_rng(3)).canonical()
    layers = {"identity": 0, "2x2 maxpool": 0, "2x2 avgpool": 0}

    def paths(cell: Cell, block: int) -> list[int]:
        found = []
        for source, name in (
            (cell[block].in1, cell[block].op1),
            (cell[block].in2, cell[block].op2),
        ):
            here = layers.get(name, 2 if "-" in name else 1)
            before = [0] if source < 0 else paths(cell, source)
            found += [here + length for length in before]
        return found

    for row, cell in zip(descriptors(batch), batch):
        read = {value for block in cell for value in (block.in1, block.in2)}
        lengths = [n for block in range(5) if block not in read for n in paths(cell, block)]
        named = dict(zip(DESCRIPTORS, row))
        assert named["deepest path"] == max(lengths)
        assert named["shortest path"] == min(lengths)
        assert named["mean path"] == pytest.approx(np.mean(lengths))
        assert named["log of paths"] == pytest.approx(np.log(len(lengths)))


def test_is_the_default() -> None:
    assert AccuracyPredictor is SizeAwareAccuracyPredictor


def test_a_prior_is_what_its_json_says() -> None:
    prior = shipped("accuracy")
    again = from_json(json.loads(json.dumps(to_json(prior))))
    for before, after in zip(prior, again):
        np.testing.assert_array_equal(before, after)


def test_the_unit_of_accuracies_does_not_change_the_order(
    space: SearchSpace, cells: list[Cell], accuracies: np.ndarray
) -> None:
    """A model that took its targets' spread from the prior unlearnt what sizes tell."""
    model = SizeAwareAccuracyPredictor(space, seed=0)
    guess = model.fit(cells[:6], 0.5 + (accuracies[:6] - 0.5) / 50).predict(cells[6:])
    sizes = SizeAwareAccuracyPredictor(space, seed=0).fit([], []).predict(cells[6:])
    assert spearmanr(guess, sizes)[0] > 0.6


def test_ranks_by_size_before_any_training(space: SearchSpace, cells: list[Cell]) -> None:
    guess = SizeAwareAccuracyPredictor(space, seed=0).fit([], []).predict(cells)
    sizes = descriptors(CellBatch.from_cells(space, cells).canonical())[:, 0]
    assert spearmanr(guess, sizes)[0] > 0.9
    assert SizeAwareAccuracyPredictor(space).fit([], []).predict([]).shape == (0,)


def test_learns_from_few_and_from_many(
    space: SearchSpace, cells: list[Cell], accuracies: np.ndarray
) -> None:
    ranks = []
    for count in (1, 6, 60, 200):
        model = SizeAwareAccuracyPredictor(space, seed=0).fit(cells[:count], accuracies[:count])
        mean, std = model.estimate(cells[200:])
        assert std is not None and (std > 0).all() and ((mean > 0) & (mean < 1)).all()
        ranks.append(float(spearmanr(mean, accuracies[200:])[0]))
    assert ranks[-1] > 0.97 and ranks[-1] > ranks[0]


def test_seconds_are_positive_and_close(space: SearchSpace, cells: list[Cell]) -> None:
    total = np.array([1.0 + 3 * cell.operators.count("3x3 conv") + len(cell) for cell in cells])
    model = SizeAwareTimePredictor(space, seed=0).fit(cells[:100], total[:100])
    predicted = model.predict(cells[100:])
    assert (predicted > 0).all()
    assert np.mean(np.abs(predicted / total[100:] - 1)) < 0.1


def test_repeats_and_noise_count(space: SearchSpace, cells: list[Cell]) -> None:
    few = [cells[3], cells[3], cells[8]]
    model = SizeAwareAccuracyPredictor(space, seed=0)
    once = model.fit(few[1:], [0.9, 0.2]).estimate(few[:1]).std
    twice = model.fit(few, [0.9, 0.9, 0.2]).estimate(few[:1]).std
    assert once is not None and twice is not None and twice[0] < once[0]
    noisy = model.fit(few[1:], [0.9, 0.2], np.array([9.0, 1.0])).predict(few[:1])
    assert noisy[0] < model.fit(few[1:], [0.9, 0.2]).predict(few[:1])[0]


def test_joint_distribution_is_that_of_single_cells(
    space: SearchSpace, cells: list[Cell], accuracies: np.ndarray
) -> None:
    model = SizeAwareAccuracyPredictor(space, seed=0).fit(cells[:30], accuracies[:30])
    covariance, noise = model.joint(cells[30:50])
    assert noise > 0 and model.process is not None
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-9)
    assert np.linalg.eigvalsh(covariance).min() > 0
    # Another cell of the same kind tells of it: conditioning on it is refitting with it.
    prior = np.diag(covariance)[1]
    after = prior - covariance[0, 1] ** 2 / (covariance[0, 0] + noise)
    assert after < prior


def test_other_units_and_operators_without_a_known_cost() -> None:
    register_operator("zero", "nowhere:nothing")
    try:
        space = SearchSpace(("zero", "identity"), max_blocks=2)
        level = list(space.first_level())
        values = [-50.0 + 7 * cell.operators.count("identity") for cell in level]
        model = SizeAwareAccuracyPredictor(space, seed=0).fit(level, values)
        assert spearmanr(model.predict(level), values)[0] > 0.9
    finally:
        unregister_operator("zero")


def test_errors(space: SearchSpace, cells: list[Cell]) -> None:
    with pytest.raises(RuntimeError, match="must be fitted before it predicts"):
        SizeAwareAccuracyPredictor(space).predict(cells)
    with pytest.raises(ValueError, match="`accuracies` must be finite, but got nan"):
        SizeAwareAccuracyPredictor(space).fit(cells[:1], [np.nan])
    with pytest.raises(ValueError, match="one number per cell"):
        SizeAwareTimePredictor(space).fit([], [1.0])
