"""The thesis' accuracy predictor: five attention-BiLSTMs (Sec. 4.4.1 and 6.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from optuna_popnas.predictors.base import encode
from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.base import Prediction
from optuna_popnas.predictors.base import Predictor
from optuna_popnas.predictors.base import training_data
from optuna_popnas.predictors.lstm_network import forward
from optuna_popnas.predictors.lstm_network import initial
from optuna_popnas.predictors.lstm_network import LSTMConfig
from optuna_popnas.predictors.lstm_network import Parameters
from optuna_popnas.predictors.lstm_network import tokens
from optuna_popnas.predictors.lstm_prediction import EnsemblePrediction
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


_CHUNK = 512  # cells per step of a prediction; results do not depend on it


class LSTMAccuracyPredictor(Predictor):
    """The mean of five LSTMs with attention, each trained on four fifths of the data.

    Accuracies outside [0, 1], which is what the networks can give, are scaled to it. Standard
    deviations are those of the networks.

    Args:
        space: The search space.
        seed: Seed of initial parameters, folds and the order of training rows.
        models: Networks of the ensemble; each leaves out another share of the data.
        epochs: Passes over the data.
        batch_size: Cells per step.
        learning_rate: Learning rate of Adam.
        l2: Factor of the squared weights of LSTM and head in the loss.
        embedding_l2: The same of the embeddings (``er`` of appendix B).
        config: Sizes of the networks; those of Sec. 6.1 if left out.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        models: int = 5,
        epochs: int = 30,
        batch_size: int = 8,
        learning_rate: float = 4e-3,
        l2: float = 1e-5,
        embedding_l2: float = 0.0,
        config: LSTMConfig | None = None,
    ) -> None:
        for name, value in [("models", models), ("epochs", epochs), ("batch_size", batch_size)]:
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1, but got {value}.")
        super().__init__(space, seed=seed)
        self.models = models
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.l2 = l2
        self.embedding_l2 = embedding_l2
        self.config = config or LSTMConfig()
        self._parameters: Parameters | None = None
        self._range = (0.0, 1.0)

    def fit(self, cells: Sequence[Cell], values: npt.ArrayLike) -> LSTMAccuracyPredictor:
        batch, accuracies = training_data(self.space, cells, values, name="accuracies")
        low, high = float(accuracies.min()), float(accuracies.max())
        margin = 0.1 * (high - low) or 1.0
        inside = low >= 0 and high <= 1
        self._range = (0.0, 1.0) if inside else (low - margin, high + margin)
        low, high = self._range
        targets = torch.from_numpy(((accuracies - low) / (high - low)).astype(np.float32))
        codes = torch.from_numpy(tokens(batch))
        rng = np.random.default_rng(self.seed)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        parameters = initial(
            self.models,
            self.space.lookbacks + self.space.max_blocks - 1,
            len(self.space.operators),
            self.config,
            generator,
        )
        with _one_thread():
            self._parameters = self._train(parameters, codes, targets, rng)
        return self

    def _train(
        self,
        parameters: Parameters,
        codes: torch.Tensor,
        targets: torch.Tensor,
        rng: np.random.Generator,
    ) -> Parameters:
        for parameter in parameters:
            parameter.requires_grad_()
        weights = (parameters.kernel, parameters.recurrent, parameters.head)
        tables = (parameters.input_table, parameters.operator_table)
        decayed = [(part, self.l2) for part in weights]
        decayed += [(part, self.embedding_l2) for part in tables if self.embedding_l2]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate, eps=1e-7)
        kept = _kept_rows(len(targets), self.models, rng)
        for _ in range(self.epochs):
            order = torch.from_numpy(rng.permuted(kept, axis=1))
            for start in range(0, order.shape[1], self.batch_size):
                rows = order[:, start : start + self.batch_size]
                predicted = forward(parameters, codes[rows]).sigmoid()
                # The sum over networks: none sees the gradient of another.
                loss = (predicted - targets[rows]).square().mean(dim=1).sum()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                with torch.no_grad():
                    for part, factor in decayed:
                        assert part.grad is not None
                        part.grad.add_(part, alpha=2 * factor)
                optimizer.step()
        return Parameters(*(parameter.detach() for parameter in parameters))

    def estimate(self, cells: Sequence[Cell]) -> Prediction:
        parameters: Parameters = fitted(self._parameters, self)
        low, high = self._range
        each = low + (high - low) * self._predict_each(parameters, encode(self.space, cells))
        return Prediction(each.mean(axis=0), each.std(axis=0))

    def _predict_each(self, parameters: Parameters, batch: CellBatch) -> FloatArray:
        """Return ``(m, n)``: what each network says, from 0 to 1."""
        codes = tokens(batch)
        sizes = (self.space.lookbacks + self.space.max_blocks, len(self.space.operators) + 1)
        shape = (sizes[0], sizes[0], sizes[1], sizes[1])
        flat = np.ravel_multi_index(tuple(np.moveaxis(codes, 2, 0)), shape)
        seen = np.zeros(int(np.prod(shape)), dtype=bool)
        seen[flat] = True
        distinct = np.flatnonzero(seen)
        number = np.zeros(len(seen), dtype=np.int64)
        number[distinct] = np.arange(len(distinct))
        blocks = torch.from_numpy(number[flat])
        each = np.empty((self.models, len(batch)))
        if not len(batch):
            return each
        size = min(_CHUNK, len(batch))
        # The last step is filled up with cells that are cut off again.
        steps = -(-len(batch) // size)
        padding = torch.zeros(steps * size - len(batch), codes.shape[1], dtype=torch.int64)
        blocks = torch.cat([blocks, padding])
        with torch.inference_mode():
            known = torch.from_numpy(np.stack(np.unravel_index(distinct, shape), axis=1))
            predict = EnsemblePrediction(parameters, known, codes.shape[1], size)
            for start in range(0, len(batch), size):
                rows = slice(start, min(start + size, len(batch)))
                accuracies = predict(blocks[start : start + size])
                each[:, rows] = accuracies[:, : rows.stop - start].numpy()
        return each


def _kept_rows(n: int, models: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return ``(models, k)``: the rows that each network trains on.

    All get the same number of rows: where folds differ by one, a row is seen twice.
    """
    if n < models:
        return np.tile(np.arange(n), (models, 1))
    order = rng.permutation(n)
    folds = np.array_split(order, models)
    size = n - len(folds[-1]) if models > 1 else n
    if models == 1:
        return order[None]
    kept = [np.setdiff1d(order, fold) for fold in folds]
    return np.stack([np.resize(rows, size) for rows in kept])


@contextmanager
def _one_thread() -> Iterator[None]:
    # The matrices are small, and sums in another order would lead training elsewhere.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
