"""The fast loop against an ordinary one, and its state."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.space import Cell
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.feed import Feed
from optuna_popnas.training.loop import epoch_seed
from optuna_popnas.training.loop import Training
from optuna_popnas.training.norms import BatchNorms
from optuna_popnas.training.schedule import learning_rates
from optuna_popnas.training.trainer import seeded_network
from optuna_popnas.training.trainer import start_training
from tests.training.configs import configs


CELL = Cell([(-2, "3x3 conv", -1, "3x3 dconv"), (-1, "1x1 conv", 0, "2x2 maxpool")])
NETWORK = NetworkConfig(motifs=2, normal_cells=1, filters=4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_dataset("digits", samples=300, test_fraction=0.2)


def start(data: ImageData, *, cell: Cell = CELL, **settings: Any) -> Training:
    config, machine = configs(
        **{"epochs": 4, "batch_size": 64, "batch_norm": "running", "flip": True, **settings}
    )
    return start_training(cell, data, NETWORK, config, machine=machine, seeds=(3,), device="cpu")


def weights(training: Training) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1) for p in training.network.parameters()])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "l2", "weight_decay": 1e-3, "layout": "contiguous"},
        {"label_smoothing": 0.1, "class_weights": "balanced", "cutout": 2},
    ],
)
def test_an_epoch_equals_that_of_an_ordinary_loop(
    digits: ImageData, settings: dict[str, Any]
) -> None:
    fast = start(digits, **settings)
    config = fast.config
    losses = [fast.run_epoch().losses[0] for _ in range(2)]

    plain = seeded_network(CELL, NETWORK, in_channels=1, classes=10, seed=3).train()
    # Biases that normalisation takes out again have no gradient but rounding noise.
    for own, other in zip(fast.network.parameters(), plain.parameters()):
        other.requires_grad_(own.requires_grad)
    trained = [p for p in plain.parameters() if p.requires_grad]
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    kernels = [p for p in trained if p.dim() > 1]
    others = [p for p in trained if p.dim() <= 1]
    decay = config.weight_decay if config.optimizer == "adamw" else 0.0  # L2 is of kernels alone
    groups = [{"params": kernels}, {"params": others, "weight_decay": decay}]
    optimizer = kind(groups, lr=0.01, weight_decay=config.weight_decay)
    split = digits.split()
    class_weights = None
    if config.class_weights == "balanced":
        counts = np.bincount(digits.labels[split.train])
        class_weights = torch.tensor(counts.sum() / (10 * counts), dtype=torch.float32)
    generator = torch.Generator()
    feed = Feed(digits.images, digits.labels, split.train, config, fast.machine, CPU, [generator])
    rates = iter(learning_rates(config, feed.steps))
    for epoch in range(2):
        generator.manual_seed(epoch_seed(3, epoch))
        total = 0.0
        for images, labels in feed.epoch():
            rate = float(next(rates))
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(
                plain(images), labels[:, 0], class_weights, label_smoothing=config.label_smoothing
            )
            loss.backward()
            optimizer.step()
            total += loss.item()
        assert losses[epoch] == pytest.approx(total / feed.steps, rel=2e-3)
    for own, other in zip(fast.network.parameters(), plain.parameters()):
        torch.testing.assert_close(own, other, rtol=0.02, atol=2e-3)
    averages = [buffer for buffer in plain.buffers() if buffer.is_floating_point()]
    for own, other in zip(fast.network.buffers(), averages, strict=True):
        torch.testing.assert_close(own, other, rtol=0.02, atol=2e-3)


def test_warm_up_changes_nothing(digits: ImageData) -> None:
    training = start(digits)
    fresh = seeded_network(CELL, NETWORK, in_channels=1, classes=10, seed=3)
    for (name, value), own in zip(fresh.named_parameters(), training.network.parameters()):
        assert torch.equal(value, own), name
    for layer in training.network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            assert not layer.running_mean.any()
            assert torch.equal(layer.running_var, torch.ones_like(layer.running_var))


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9, "batch_norm": "epoch"}])
def test_goes_on_from_a_saved_state(digits: ImageData, settings: dict[str, Any]) -> None:
    straight = start(digits, **settings)
    straight.run_epoch()
    state = copy.deepcopy(straight.state_dict())
    losses = [straight.run_epoch().losses for _ in range(2)]
    resumed = start(digits, **settings)
    resumed.load_state_dict(state)
    assert resumed.epoch == 1
    assert [resumed.run_epoch().losses for _ in range(2)] == losses
    assert torch.equal(weights(straight), weights(resumed))
    assert straight.validate()[0].accuracy == resumed.validate()[0].accuracy
    assert torch.equal(*(weights_of(t.finish()) for t in (straight, resumed)))


def weights_of(network: nn.Module) -> torch.Tensor:
    return torch.cat([tensor.reshape(-1).float() for tensor in network.state_dict().values()])


@pytest.mark.parametrize("settings", [{"mixup": 0.4}, {"rand_augment": 2}, {"warmup_epochs": 1}])
def test_options_of_final_trainings(digits: ImageData, settings: dict[str, Any]) -> None:
    """They change what is learnt, the same way each time."""
    first, again, plain = (start(digits, **s).run_epoch() for s in (settings, settings, {}))
    assert first.losses == again.losses != plain.losses


def test_mixed_labels_are_worth_their_share(digits: ImageData) -> None:
    """With a share of 1/2 at all times the loss is that of both labels, averaged."""
    training = start(digits, mixup=1e6)  # Beta(1e6, 1e6) is 1/2
    training._set_progress(0, 0.0)
    images, labels = training._feed.first_batch()
    torch.manual_seed(0)
    training._step.total.zero_()
    training._step(images, labels)
    torch.manual_seed(0)
    training._step._mixup.sample()  # type: ignore[union-attr]
    order = torch.randperm(len(images))
    mixed = (images + images[order]) / 2
    outputs = training.network(mixed).detach()
    targets = [nn.functional.cross_entropy(outputs, y[:, 0]) for y in (labels, labels[order])]
    assert float(training._step.total) == pytest.approx(float(sum(targets)) / 2, rel=1e-3)


def test_state_of_another_network(digits: ImageData) -> None:
    state = start(digits).state_dict()
    other = start(digits, cell=Cell([(-1, "identity", -1, "3x3 conv")]))
    with pytest.raises(ValueError, match="must be of the same network and seeds"):
        other.load_state_dict(state)


def test_finish_leaves_an_ordinary_network(digits: ImageData) -> None:
    training = start(digits)
    training.run_epoch()
    expected = training.test()[0]
    network = training.finish()
    assert not network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    storages = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    assert len(storages) == len(list(network.parameters()))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all(int(m.num_batches_tracked) == training.steps for m in norms)  # type: ignore[arg-type]
    assert digits.test_images is not None and digits.test_labels is not None
    with torch.inference_mode():
        logits = network(torch.from_numpy(np.asarray(digits.test_images)) / 255)
    accuracy = float((logits.argmax(1).numpy() == digits.test_labels).mean())
    assert accuracy == pytest.approx(expected.accuracy)
    assert expected.confusion.sum() == len(digits.test_labels)


def test_no_test_set() -> None:
    training = start(load_dataset("digits", samples=60))
    with pytest.raises(ValueError, match="must have a test set .* Pass `test`"):
        training.test()


def test_averaged_weights(digits: ImageData) -> None:
    training = start(digits, ema_decay=0.5)
    training.run_epoch()
    own = weights(training).clone()
    training.validate()
    assert torch.equal(weights(training), own)  # validation puts the weights back
    training.finish()
    assert not torch.equal(weights(training), own)


def test_batch_norm_of_one_epoch() -> None:
    """Batch statistics, averaged over the epoch alone, whatever was there before."""
    layer = nn.BatchNorm2d(3, momentum=0.01)
    norms = BatchNorms(nn.Sequential(layer))
    norms.by_epoch = True
    assert layer.running_mean is not None and layer.running_var is not None
    layer.running_mean.fill_(1e6)
    batches = torch.randn((5, 8, 3, 4, 4), generator=torch.Generator().manual_seed(0)) + 3
    norms.begin()
    for batch in batches:
        layer(batch)
    norms.end(5)
    ages = 0.99 ** np.arange(4, -1, -1)
    means = np.average(batches.mean(dim=(1, 3, 4)).numpy(), axis=0, weights=ages)
    variances = batches.transpose(2, 1).reshape(5, 3, -1).var(dim=2).numpy()
    np.testing.assert_allclose(layer.running_mean, means, rtol=1e-5)
    np.testing.assert_allclose(
        layer.running_var, np.average(variances, axis=0, weights=ages), rtol=1e-4
    )


def test_biases_before_normalisation_are_frozen() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.SiLU(), nn.Conv2d(2, 2, 1)
    )
    norms = BatchNorms(network)
    norms.freeze_biases()
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert frozen == ["0.bias"]
    norms.restore(0)
    assert all(p.requires_grad for p in network.parameters())


def test_layers_that_keep_no_averages() -> None:
    layer = nn.BatchNorm2d(3, track_running_stats=False)
    norms = BatchNorms(nn.Sequential(layer))
    norms.by_epoch = True
    norms.begin()
    norms.end(3)
    norms.restore(3)
    assert layer.num_batches_tracked is None
