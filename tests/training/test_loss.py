"""The loss against PyTorch's, for one network and for several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.loss import Loss


CLASSES = 4


def make_loss(network: nn.Module | None = None, **settings: Any) -> Loss:
    labels = np.repeat(np.arange(CLASSES), [10, 20, 30, 40]).astype(np.int64)
    images = np.zeros((100, 1, 2, 2), np.uint8)
    data = ImageData("toy", images, labels, tuple("abcd"))
    config = TrainingConfig(**settings)
    return Loss(config, data, data.split(), network or nn.Identity(), torch.device("cpu"))


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5, 1.0)])
def test_each_network_has_its_own_mean_loss(
    networks: int, smoothing: float, weights: tuple[float, ...] | None
) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((9, networks, CLASSES), generator=generator)
    labels = torch.randint(CLASSES, (9, networks), generator=generator)
    loss = make_loss(label_smoothing=smoothing, class_weights=weights)
    expected = [
        cross_entropy(
            logits[:, s],
            labels[:, s],
            None if weights is None else torch.tensor(weights),
            label_smoothing=smoothing,
        )
        for s in range(networks)
    ]
    torch.testing.assert_close(loss(logits, labels), torch.stack(expected))
    if networks == 1:
        torch.testing.assert_close(loss(logits[:, 0], labels), torch.stack(expected))


def test_balanced_weights_are_inverse_to_counts() -> None:
    loss = make_loss(class_weights="balanced")
    logits = torch.zeros(2, CLASSES)
    logits[0, 0] = logits[1, 3] = 5.0
    labels = torch.tensor([[0], [1]])
    own = cross_entropy(logits, labels[:, 0], torch.tensor([100 / 40, 100 / 80, 1.0, 1.0]))
    torch.testing.assert_close(loss(logits, labels), own.view(1), rtol=1e-3, atol=0)


def test_earlier_outputs_count_half_each() -> None:
    """Appendix B, ``multi_output``: losses' weights halve backwards."""

    class ThreeOutputs(nn.Module):
        output_weights = (0.25, 0.5, 1.0)

    loss = make_loss(ThreeOutputs())
    logits = list(torch.randn((3, 6, CLASSES), generator=torch.Generator().manual_seed(0)))
    labels = torch.zeros((6, 1), dtype=torch.int64)
    each = [cross_entropy(one, labels[:, 0]) for one in logits]
    expected = 0.25 * each[0] + 0.5 * each[1] + each[2]
    torch.testing.assert_close(loss(logits, labels), expected.view(1))


def test_wrong_number_of_class_weights() -> None:
    with pytest.raises(ValueError, match="one number for each of the 4 classes, but got 2"):
        make_loss(class_weights=(1.0, 1.0))
