"""Known networks, made small, trained as a search's cells were: what its front stands beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torchvision.models import mobilenet_v3_small
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from optuna_popnas.training import ImageData
from optuna_popnas.training import load_dataset
from optuna_popnas.training import MachineConfig
from optuna_popnas.training import TrainingConfig
from optuna_popnas.training.device import resolve_device
from optuna_popnas.training.loop import Training


def resnet(channels: int, classes: int, width: int) -> nn.Module:
    """Return a ResNet of three stages with a block each, of 8 layers as for CIFAR-10."""
    network = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=classes)
    network.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    network.bn1 = nn.BatchNorm2d(width)
    network.maxpool = nn.Identity()
    network.layer1 = BasicBlock(width, width)
    network.layer2 = BasicBlock(width, 2 * width, 2, _shortcut(width, 2 * width))
    network.layer3 = BasicBlock(2 * width, 4 * width, 2, _shortcut(2 * width, 4 * width))
    network.layer4 = nn.Identity()
    network.fc = nn.Linear(4 * width, classes)
    return network


def _shortcut(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))


def mobilenet(channels: int, classes: int, width: int) -> nn.Module:
    """Return torchvision's MobileNetV3-small, its first layer of this width and stride 1."""
    network = mobilenet_v3_small(num_classes=classes, width_mult=width / 16)
    first = network.features[0][0].out_channels
    network.features[0][0] = nn.Conv2d(channels, first, 3, padding=1, bias=False)
    return network


def references(settings: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return name -> (accuracy, training seconds), with the settings of a study.

    Args:
        settings: What the command keeps on a study as its user attribute ``settings``.
    """
    given = dict(settings["data"])
    data = load_dataset(given.pop("source"), seed=settings["seed"], **given)
    training = TrainingConfig.from_dict(settings["training"])
    width = settings["network"]["filters"]
    makers: dict[str, Callable[[int, int, int], nn.Module]] = {
        "ResNet-8": resnet,
        "MobileNetV3-small": mobilenet,
    }
    return {name: _train(maker, data, training, width) for name, maker in makers.items()}


def _train(
    maker: Callable[[int, int, int], nn.Module],
    data: ImageData,
    training: TrainingConfig,
    width: int,
) -> tuple[float, float]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = maker(data.in_channels, data.classes, width)
    run = Training(
        network,
        data,
        training,
        data.split(),
        machine=MachineConfig(),
        device=resolve_device("cpu"),
        seeds=(0,),
    )
    best = seconds = 0.0
    for _ in range(training.epochs):
        seconds += run.run_epoch().seconds
        best = max(best, run.validate()[0].accuracy)
    return best, seconds
