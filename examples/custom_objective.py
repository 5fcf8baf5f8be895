"""Your own training: the sampler needs a cell asked for, and accuracy and seconds returned."""

import time

import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
import torch
from torch import nn

import optuna_popnas as popnas
from optuna_popnas.study import front
from optuna_popnas.study import view_study


space = popnas.SearchSpace(operators=["identity", "3x3 dconv", "2x2 maxpool"], max_blocks=2)
network = popnas.NetworkConfig(motifs=2, normal_cells=1, filters=8)

images, labels = load_digits(return_X_y=True)
images = (images.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
x_train, x_test, y_train, y_test = (
    torch.from_numpy(part)
    for part in train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
)


def objective(trial: optuna.Trial) -> tuple[float, float]:
    cell = space.suggest(trial)
    # Anything else is sampled, too, by the sampler that `independent_sampler` names.
    learning_rate = trial.suggest_float("learning_rate", 3e-3, 3e-2, log=True)
    torch.manual_seed(0)
    model = popnas.build_network(cell, network, in_channels=1, classes=10)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1  # so few steps need quicker averages than the thesis' 0.01
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    begin = time.process_time()
    for _ in range(3):
        model.train()
        for rows in torch.randperm(len(x_train)).split(128):
            loss = nn.functional.cross_entropy(model(x_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    seconds = time.process_time() - begin
    model.eval()
    with torch.inference_mode():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    trial.set_user_attr("parameters", sum(p.numel() for p in model.parameters()))
    return accuracy, seconds


torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    directions=["maximize", "minimize"],
    sampler=popnas.POPNASSampler(space, budget_seconds=10, seed=0),
)
study.optimize(objective)
for trial in front(view_study(study).trials):
    print(f"accuracy {trial.accuracy:.3f}, {trial.seconds:.2f} s: {trial.cell}")
