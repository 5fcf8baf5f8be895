"""The training loop: epochs of steps without a word between host and device.

:class:`Training` holds one network, or one stack of networks with a seed each, and everything
that changes while it is trained. Searches run it to its end (:mod:`.trainer`); final trainings
also save and restore it between epochs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch import Tensor

from optuna_popnas.training.backend import epoch_seed
from optuna_popnas.training.backend import precision
from optuna_popnas.training.backend import seeded_globals
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.image_data import Images
from optuna_popnas.training.data.image_data import Split
from optuna_popnas.training.device import Clock
from optuna_popnas.training.device import cpu_threads
from optuna_popnas.training.feed import Feed
from optuna_popnas.training.feed import ValidationFeed
from optuna_popnas.training.flat import FlatParameters
from optuna_popnas.training.graphs import GraphedStep
from optuna_popnas.training.loss import Loss
from optuna_popnas.training.metrics import measure
from optuna_popnas.training.metrics import Metrics
from optuna_popnas.training.norms import BatchNorms
from optuna_popnas.training.schedule import learning_rates
from optuna_popnas.training.step import Step


# Pixels per validation batch: on a CPU activations stay in its cache, a GPU is kept busy.
_VALIDATION_PIXELS = {"cpu": 1 << 16, "cuda": 1 << 21, "mps": 1 << 19}


class Epoch(NamedTuple):
    """What one epoch gave.

    Attributes:
        losses: Mean training loss of each network.
        seconds: Seconds of training, on the training's clock.
    """

    losses: tuple[float, ...]
    seconds: float


class Training:
    """A network, or a stack of them, in training.

    Args:
        network: Maps ``(N, C, H, W)`` to logits ``(N, K)``; a stack maps ``(N, S * C, H, W)`` to
            ``(N, S, K)``. It is moved to the device and changed.
        data: The images.
        config: What is trained.
        machine: What it is trained with.
        split: Which images are trained on and which validate.
        device: Where to train.
        seeds: One seed per network: of its batches and augmentation.

    Attributes:
        network: The network.
        epoch: Epochs that are done.
        steps: Steps per epoch.
        batch: Images per step and network.
        clock: Measures the training's seconds.
    """

    def __init__(
        self,
        network: nn.Module,
        data: ImageData,
        config: TrainingConfig,
        split: Split,
        *,
        machine: MachineConfig,
        device: torch.device,
        seeds: Sequence[int],
    ) -> None:
        config = config.for_data(data.mirror)
        self.config = config
        self.machine = machine
        self.device = device
        self.seeds = tuple(seeds)
        self.epoch = 0
        self.clock = Clock(device, machine.threads)
        self._data = data
        self._format = (
            torch.contiguous_format if machine.layout == "contiguous" else torch.channels_last
        )
        self.network = network.to(device).to(memory_format=self._format)
        self._norms = BatchNorms(self.network)
        self._norms.freeze_biases()
        self._flat = FlatParameters(self.network)
        self._average = self._flat.flat.detach().clone() if config.ema_decay else None
        self._generators = [torch.Generator(device) for _ in seeds]
        self._feed = Feed(
            data.images, data.labels, split.train, config, machine, device, self._generators
        )
        self.steps, self.batch = self._feed.steps, self._feed.batch
        self._validation = self._validation_feed(data.images, split.validation)
        self._validation_labels = data.labels[split.validation]
        self._rates = learning_rates(config, self.steps)
        self._norms.by_epoch = self.batch_norm == "epoch"
        network_config = getattr(network, "config", None)
        self._drops_paths = network_config is not None and network_config.drop_path > 0
        self._report_progress: Any = getattr(network, "set_progress", None)
        graphs = machine.cuda_graphs and device.type == "cuda"
        rate = float(self._rates[0])
        self._step = Step(
            torch.compile(self.network) if machine.compile else self.network,
            self._flat,
            Loss(config, data, split, self.network, device),
            config,
            precision(machine, device),
            torch.tensor(rate, device=device) if graphs else rate,
            networks=len(self.seeds),
        )
        self._graph: GraphedStep | None = None
        self._warm_up()
        if graphs:
            self._set_progress(0, 0.0)
            with self._prepared():
                self._graph = GraphedStep(self._step, *self._feed.first_batch())
            self._restore_after_warm_up()

    @property
    def batch_norm(self) -> str:
        """Which averages validation uses: ``"running"`` or ``"epoch"``."""
        return self.config.norms(self.steps)

    def run_epoch(self) -> Epoch:
        """Train for one epoch."""
        rates = self._rates[self.epoch * self.steps : (self.epoch + 1) * self.steps]
        with self._prepared():
            self.network.train()
            self._step.total.zero_()
            begin = self.clock.now()
            self._norms.begin()
            for step, (images, labels) in enumerate(self._feed.epoch()):
                self._set_progress(self.epoch * self.steps + step, float(rates[step]))
                if self._graph is None:
                    self._step(images, labels)
                else:
                    self._graph(images, labels)
                if self._average is not None:
                    self._average.lerp_(self._flat.flat.detach(), self._average_weight(step))
            self._norms.end(self.steps)
            seconds = self.clock.now() - begin
        self.epoch += 1
        return Epoch(tuple((self._step.total / self.steps).tolist()), seconds)

    def probe(self, steps: int) -> float:
        """Time a few steps.

        Args:
            steps: How many.

        Returns:
            Seconds that a step takes, its share of gathering images included. The network has
            been trained by these steps.
        """
        times = []
        gather = 0.0
        with self._prepared():
            self.network.train()
            batches = self._feed.epoch()
            for step in range(steps):
                begin = self.clock.now()
                batch = next(batches, None)
                if batch is None:
                    break
                drawn = self.clock.now()
                (self._graph or self._step)(*batch)
                times.append(self.clock.now() - drawn)
                if step == 0:
                    # Images of many batches are gathered with the first of them.
                    gather = (drawn - begin) / self._feed.gathered
        # The median, as one disturbed step of few would count too much.
        return float(np.median(times)) + gather

    def validate(self) -> list[Metrics]:
        """Return how good each network is on the validation images."""
        return self._measure(self._validation, self._validation_labels)

    def test(self) -> list[Metrics]:
        """Return how good each network is on the test set.

        Raises:
            ValueError: The data have no test set.
        """
        images, labels = self._data.test_images, self._data.test_labels
        if images is None or labels is None:
            raise ValueError(
                f"Data must have a test set to test on, but {self._data.name!r} has none. "
                "Pass `test` or `test_fraction` to `load_dataset`."
            )
        return self._measure(self._validation_feed(images, np.arange(len(labels))), labels)

    def state_dict(self) -> dict[str, Any]:
        """Return what the rest of the training depends on: nothing else needs to be saved."""
        return {
            "epoch": self.epoch,
            "seeds": list(self.seeds),
            "parameters": self._flat.flat.detach().clone(),
            "average": None if self._average is None else self._average.clone(),
            "buffers": {name: b.clone() for name, b in self.network.named_buffers()},
            "optimizer": self._step.optimizer.state_dict(),
            "scaler": self._step.scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: It is that of another network, or of other seeds.
        """
        flat = self._flat.flat
        if state["parameters"].shape != flat.shape or state["seeds"] != list(self.seeds):
            raise ValueError(
                "A saved training must be of the same network and seeds, but got "
                f"{state['parameters'].numel()} parameters and seeds {state['seeds']} instead of "
                f"{flat.numel()} and {list(self.seeds)}."
            )
        with torch.no_grad():
            flat.copy_(state["parameters"])
            for name, buffer in self.network.named_buffers():
                buffer.copy_(state["buffers"][name])
            if self._average is not None and state["average"] is not None:
                self._average.copy_(state["average"])
        self._step.optimizer.load_state_dict(state["optimizer"])
        self._step.scaler.load_state_dict(state["scaler"])
        self.epoch = int(state["epoch"])

    def finish(self) -> nn.Module:
        """Return the network, ready for use: in evaluation mode, with the averaged weights."""
        if self._average is not None:
            with torch.no_grad():
                self._flat.flat.copy_(self._average)
        self._flat.release()
        self._norms.restore(self.epoch * self.steps)
        return self.network.eval()

    def _set_progress(self, step: int, rate: float) -> None:
        group = self._step.optimizer.param_groups[0]
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
        if self._drops_paths:
            self._report_progress(step / len(self._rates))

    def _average_weight(self, step: int) -> float:
        done = self.epoch * self.steps + step
        return 1.0 - min(self.config.ema_decay, (1 + done) / (10 + done))

    def _warm_up(self) -> None:
        """Run a step so that no kernel is chosen or built while the clock runs; undo it."""
        self._saved = self._norms.copy()
        with self._prepared():
            self.network.train()
            self._set_progress(0, 0.0)
            for _ in range(3 if self.device.type == "cuda" else 1):
                self._step(*self._feed.first_batch())
        self._restore_after_warm_up()

    def _restore_after_warm_up(self) -> None:
        # With a learning rate of 0 the parameters have not moved; the optimiser's state has.
        self._norms.put_back(self._saved)
        self._step.total.zero_()
        for state in self._step.optimizer.state.values():
            for value in state.values():
                if isinstance(value, Tensor):
                    value.zero_()

    def _measure(self, feed: ValidationFeed, labels: npt.NDArray[np.int64]) -> list[Metrics]:
        networks = len(self.seeds)
        self.network.eval()
        found = []
        with self._averaged(), cpu_threads(self.device, self.machine.threads):
            with torch.inference_mode(), self._step.autocast():
                for images in feed:
                    if networks > 1:
                        images = images.repeat(1, networks, 1, 1)
                        images = images.contiguous(memory_format=self._format)
                    outputs = self._step.network(images)
                    found.append(outputs.reshape(len(outputs), networks, -1).argmax(dim=2))
                predictions = torch.cat(found).cpu().numpy()
        return [measure(labels, predictions[:, s], self._data.classes) for s in range(networks)]

    def _validation_feed(self, images: Images, indices: npt.NDArray[np.int64]) -> ValidationFeed:
        height, width = self._data.image_size
        return ValidationFeed(
            images,
            indices,
            self.device,
            max(_VALIDATION_PIXELS[self.device.type] // (height * width), 1),
            self.machine.readers,
            self._format is torch.channels_last,
        )

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """Set threads and random numbers for an epoch; leave the caller's as they were.

        Every epoch has generators of its own, which is why a training can go on from a saved
        state exactly as it would have.
        """
        for seed, generator in zip(self.seeds, self._generators):
            generator.manual_seed(epoch_seed(seed, self.epoch))
        # Dropout and drop path draw from the global generators.
        seed = epoch_seed(self.seeds[0], self.epoch)
        with cpu_threads(self.device, self.machine.threads), seeded_globals(seed, self.device):
            yield

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        if self._average is None:
            yield
            return
        flat = self._flat.flat
        with torch.no_grad():
            own = flat.detach().clone()
            flat.copy_(self._average)
            try:
                yield
            finally:
                flat.copy_(own)
