"""What cells of other searches tell of a search's own."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from optuna_popnas.predictors import SizeAwareAccuracyPredictor
from optuna_popnas.predictors.guide import KnownCells
from optuna_popnas.sampler.warm_start import known_cells
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


SPACE = SearchSpace(["identity", "3x3 conv", "3x3 dconv", "2x2 maxpool"], max_blocks=3)
OTHER = SearchSpace(["identity", "5x5 conv", "2x2 maxpool"], max_blocks=2, lookbacks=1)


def accuracy_of(cell: Cell) -> float:
    """Pooling is worth as much as a convolution, which size does not say."""
    slots = max(1, len(cell.operators))
    pools = sum(name == "2x2 maxpool" for name in cell.operators) / slots
    return 0.2 + 0.5 * pools + 0.5 * sum("conv" in name for name in cell.operators) / slots


def test_other_operators_and_lookbacks_tell_what_size_does_not() -> None:
    rng = np.random.default_rng(0)
    others_cells = [*OTHER.first_level(), *OTHER.random_cells(2, 40, rng=rng)]
    known = [KnownCells("earlier", tuple(others_cells), tuple(map(accuracy_of, others_cells)))]
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
