"""Parameters and FLOPs of cells, as features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optuna_popnas.space import CellBatch


def generic_costs(batch: CellBatch) -> npt.NDArray[np.float32]:
    """Return logarithms of parameters and FLOPs, for the thesis' network on 32 x 32 images.

    They tell large cells from small ones whatever is really built: predictors do not know.

    Args:
        batch: Cells.

    Returns:
        ``(n, 2)`` float32; all 0 if the cost of an operator of the space cannot be found out.
    """
    from optuna_popnas.networks.cost import cell_costs

    try:
        costs = cell_costs(batch, in_channels=3, classes=10, image_size=32)
    except Exception:  # the code of users' own operators: it may have no builder at all
        return np.zeros((len(batch), 2), dtype=np.float32)
    return np.log1p(np.stack([costs.parameters, costs.flops], axis=1)).astype(np.float32)
