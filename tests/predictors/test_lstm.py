"""The attention-BiLSTM ensemble (Sec. 4.4.1), against networks built from PyTorch's layers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
import torch

from benchmarks import plain
from optuna_popnas.predictors import lstm
from optuna_popnas.predictors import LSTMAccuracyPredictor
from optuna_popnas.predictors.lstm_network import forward
from optuna_popnas.predictors.lstm_network import initial
from optuna_popnas.predictors.lstm_network import LSTMConfig
from optuna_popnas.predictors.lstm_network import Parameters
from optuna_popnas.predictors.lstm_network import tokens
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


def unstack(parameters: Parameters, index: int) -> plain.AttentionLSTM:
    """Copy one network of the ensemble into PyTorch's layers."""
    part = Parameters(*(value[index] for value in parameters[:5]), *parameters[5:])
    inputs, operators = len(part.input_table) - 1, len(part.operator_table) - 1
    network = plain.AttentionLSTM(inputs, operators)
    units = network.lstm.hidden_size

    def gates(matrix: torch.Tensor) -> torch.Tensor:
        # From input, forget, output, candidate to PyTorch's input, forget, candidate, output.
        a, b, c, d = matrix.T.split(units)
        return torch.cat([a, b, d, c])

    with torch.no_grad():
        network.input_table.weight.copy_(part.input_table)
        network.operator_table.weight.copy_(part.operator_table)
        for layer, columns in ((network.query, slice(0, 16)), (network.key, slice(16, 32))):
            layer.weight.copy_(part.convolutions[:, columns].T[:, :, None])
            assert layer.bias is not None
            layer.bias.copy_(part.convolution_bias[0, columns])
        for direction, suffix in enumerate(("", "_reverse")):
            columns = slice(direction * 4 * units, (direction + 1) * 4 * units)
            for name, value in [
                ("weight_ih", part.kernel[:, columns]),
                ("weight_hh", parameters.recurrent[2 * index + direction]),
                ("bias_ih", parameters.bias[index][:, columns]),
            ]:
                target = getattr(network.lstm, f"{name}_l0{suffix}")
                target.copy_(gates(value).view_as(target))
            getattr(network.lstm, f"bias_hh_l0{suffix}").zero_()
        network.head.weight.copy_(parameters.head[index].T)
        assert network.head.bias is not None
        network.head.bias.copy_(parameters.head_bias[index][0])
    return network


@pytest.fixture
def parameters(space: SearchSpace) -> Parameters:
    generator = torch.Generator().manual_seed(0)
    count = space.lookbacks + space.max_blocks - 1
    return initial(5, count, len(space.operators), LSTMConfig(), generator)


def test_stacked_networks_equal_plain_ones(
    space: SearchSpace, cells: list[Cell], parameters: Parameters
) -> None:
    codes = torch.from_numpy(tokens(CellBatch.from_cells(space, cells)))
    stacked = forward(parameters, codes.expand(5, -1, -1, -1))
    for index in range(5):
        network = unstack(parameters, index)
        torch.testing.assert_close(stacked[index], network(codes), rtol=1e-5, atol=1e-6)


def test_gradients_of_stacked_networks_equal_plain_ones(
    space: SearchSpace, cells: list[Cell], parameters: Parameters
) -> None:
    codes = torch.from_numpy(tokens(CellBatch.from_cells(space, cells)))
    parameters.recurrent.requires_grad_()
    forward(parameters, codes.expand(5, -1, -1, -1)).sigmoid().mean(dim=1).sum().backward()
    gradient = parameters.recurrent.grad
    assert gradient is not None
    network = unstack(Parameters(*(value.detach() for value in parameters)), 3)
    network(codes).sigmoid().mean().backward()
    plain_gradient = network.lstm.weight_hh_l0_reverse.grad
    a, b, c, d = plain_gradient.split(48)
    torch.testing.assert_close(gradient[7], torch.cat([a, b, d, c]).T, rtol=1e-4, atol=1e-7)


def test_tokens_are_1_indexed_and_padded(space: SearchSpace) -> None:
    cell = Cell([(-2, "identity", -1, "2x2 maxpool"), (0, "3x3 conv", -1, "identity")])
    codes = tokens(CellBatch.from_cells(space, [cell, Cell()]))
    assert codes[0].tolist() == [[1, 2, 1, 5], [3, 2, 4, 1], [0] * 4, [0] * 4]
    assert not codes[1].any()


def test_starts_as_keras_does(parameters: Parameters) -> None:
    product = parameters.recurrent @ parameters.recurrent.transpose(1, 2)
    torch.testing.assert_close(product, torch.eye(48).expand_as(product), atol=1e-5, rtol=0)
    bias = parameters.bias.view(5, 2, 4, 48)
    assert (bias[:, :, 1] == 1).all() and bias.sum() == 5 * 2 * 48
    assert float(parameters.convolutions.abs().max()) <= (6 / 56) ** 0.5
    assert float(parameters.head.abs().max()) <= (6 / 97) ** 0.5


def test_ranks_cells_it_has_not_seen(
    space: SearchSpace, cells: list[Cell], accuracies: np.ndarray
) -> None:
    model = LSTMAccuracyPredictor(space, seed=0, batch_size=16).fit(cells[:150], accuracies[:150])
    mean, std = model.estimate(cells[150:])
    assert spearmanr(mean, accuracies[150:])[0] > 0.9
    assert np.abs(mean - accuracies[150:]).mean() < 0.05
    assert (std > 0).all() and mean.dtype == std.dtype == np.float64


def test_same_seed_same_numbers_whatever_threads_and_chunks(
    space: SearchSpace,
    cells: list[Cell],
    accuracies: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        model = LSTMAccuracyPredictor(space, seed=5, epochs=2).fit(cells, accuracies)
        first = model.predict(cells)
        torch.set_num_threads(2)
        model = LSTMAccuracyPredictor(space, seed=5, epochs=2).fit(cells, accuracies)
        np.testing.assert_allclose(model.predict(cells), first, atol=1e-5, rtol=0)
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setattr(lstm, "_CHUNK", 7)
    np.testing.assert_allclose(model.predict(cells), first, atol=1e-5, rtol=0)
    other = LSTMAccuracyPredictor(space, seed=6, epochs=2).fit(cells, accuracies)
    assert np.abs(other.predict(cells) - first).max() > 1e-3


def test_equivalent_cells_get_equal_accuracies(
    space: SearchSpace, cells: list[Cell], accuracies: np.ndarray
) -> None:
    a = Cell([(-2, "3x3 conv", -1, "identity"), (-1, "1x1 conv", -1, "1x1 conv")])
    b = Cell([(-1, "1x1 conv", -1, "1x1 conv"), (-1, "identity", -2, "3x3 conv")])
    model = LSTMAccuracyPredictor(space, seed=0, epochs=1).fit(cells, accuracies)
    assert model.predict([a])[0] == model.predict([b])[0]


def test_each_network_leaves_out_another_fifth() -> None:
    for n in (25, 27, 29):
        kept = lstm._kept_rows(n, 5, np.random.default_rng(0))
        left_out = [set(range(n)) - set(rows.tolist()) for rows in kept]
        assert sorted(row for rows in left_out for row in rows) == list(range(n))
    assert lstm._kept_rows(3, 5, np.random.default_rng(0)).tolist() == [[0, 1, 2]] * 5


@pytest.mark.parametrize("count", [1, 2, 6])
def test_few_cells_and_other_units(space: SearchSpace, cells: list[Cell], count: int) -> None:
    values = [80.0, 70.0, 75.0, 90.0, 10.0, 60.0][:count]
    model = LSTMAccuracyPredictor(space, seed=0, epochs=2).fit(cells[:count], values)
    mean, std = model.estimate(cells)
    assert np.isfinite(mean).all() and np.isfinite(std).all()
    assert model.predict([]).shape == (0,)
    assert 0 < mean.mean() < 100


def test_errors(space: SearchSpace, cells: list[Cell]) -> None:
    with pytest.raises(RuntimeError, match="must be fitted before it predicts"):
        LSTMAccuracyPredictor(space).predict(cells)
    with pytest.raises(ValueError, match="`accuracies` must be finite, but got nan for"):
        LSTMAccuracyPredictor(space).fit(cells[:2], [0.5, np.nan])
    with pytest.raises(ValueError, match="`epochs` must be at least 1, but got 0"):
        LSTMAccuracyPredictor(space, epochs=0)


def test_regularised_embeddings_are_smaller(space: SearchSpace, cells: list[Cell]) -> None:
    values = np.linspace(0.2, 0.8, 40)
    norms = []
    for factor in (0.0, 0.1):
        model = LSTMAccuracyPredictor(space, seed=0, models=1, epochs=3, embedding_l2=factor)
        parameters = model.fit(cells[:40], values)._parameters
        assert parameters is not None
        norms.append(float(parameters.operator_table.norm()))
    assert norms[1] < 0.7 * norms[0]
