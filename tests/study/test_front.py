from __future__ import annotations

import numpy as np
import pytest

from optuna_popnas.study.front import running_hypervolume


def test_hypervolume_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    heights, widths = rng.random(30), rng.random(30)
    volumes = running_hypervolume(heights, 1 - widths, reference_cost=1.0)
    grid = (np.arange(400) + 0.5) / 400
    for count in (1, 7, 30):
        covered = np.zeros((400, 400), dtype=bool)
        for h, w in zip(heights[:count], widths[:count]):
            covered |= (grid[:, None] < h) & (grid[None, :] < w)
        assert volumes[count - 1] == pytest.approx(covered.mean(), abs=0.01)
    assert list(volumes) == sorted(volumes)
