"""What is learnt in place of accuracies: the logarithm of the errors' share."""

from __future__ import annotations

import numpy as np

from optuna_popnas.predictors.base import FloatArray


_EDGE = 1e-3  # accuracies nearer to 1 are taken as that far from it


def is_share(values: FloatArray) -> bool:
    """Whether accuracies are shares, not in another unit; none are taken as shares."""
    return bool(len(values) == 0 or (values.min() >= 0 and values.max() <= 1))


def link(values: FloatArray) -> FloatArray:
    """Return what is learnt: small differences near 1 count, failures do not count for all."""
    return np.asarray(-np.log(1 - np.minimum(values, 1 - _EDGE)) if is_share(values) else values)


def unlink(targets: FloatArray) -> FloatArray:
    """Return the shares that targets stand for."""
    return np.asarray(1 - np.exp(-targets))
