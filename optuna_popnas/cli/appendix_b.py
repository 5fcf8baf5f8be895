"""Names of the thesis' program (appendix B) -> what they are here, for who types them."""

from __future__ import annotations

from argparse import Action
from collections.abc import Mapping

from optuna_popnas.cli.errors import nearest


# Flags of a command that has settings, and too many of them to list.
_MANY = 30

#: Name in appendix B -> full name of the setting here, and what to mind.
SETTINGS = {
    "cpu": ("study.device", "with the value cpu"),
    "use_cpu": ("study.device", "with the value cpu"),
    "pnas": ("search.mode", "with the value pnas"),
    "pnas_mode": ("search.mode", "with the value pnas"),
    "blocks": ("space.max_blocks", ""),
    "lookback_depth": ("space.lookbacks", ""),
    "weight_reg": ("training.weight_decay", "twice the factor of Keras, 0 for null"),
    "use_adamW": ("training.optimizer", "with the value adamw, or l2 for false"),
    "drop_path_prob": ("network.drop_path", ""),
    "cosine_decay_restart": ("training.restart_epochs", "with the value none to turn it off"),
    "period_in_epochs": ("training.restart_epochs", ""),
    "t_mul": ("training.restart_factor", ""),
    "m_mul": ("training.restart_decay", ""),
    "alpha": ("training.final_learning_rate", ""),
    "softmax_dropout": ("network.dropout", ""),
    "normal_cells_per_motif": ("network.normal_cells", ""),
    "concat_only_unused_blocks": ("network.concat_all", "its opposite"),
    "lr": ("lstm.learning_rate", ""),
    "wr": ("lstm.l2", "0 for null"),
    "er": ("lstm.embedding_l2", "0 for null"),
    "embedding_dim": ("lstm.embedding", ""),
    "cells": ("lstm.units", ""),
    "path": ("data.source", ""),
}
#: Name in appendix B -> why it is no setting here.
NO_SETTINGS = {
    "j": "Settings are read from a TOML file: optuna-popnas search FILE.toml.",
    "r": "The command that began a search resumes it, too.",
    "enabled": "Restarts are turned off with restart_epochs = none, augmentation with "
    "flip = false and translation = 0.",
    "name": "The name of a data set is `--data` or data.source, that of a study `--study`.",
    "lookforward_depth": "There is no lookforward, as in the thesis' program.",
    "classes_count": "The number of classes is read from the data.",
    "data_augmentation": "Images are augmented unless flip = false and translation = 0.",
    "perform_on_gpu": "Images are always augmented on the device of the training.",
    "predictions_batch_size": "Predictions depend on no batch size, and need none.",
}


def flag_hint(flag: str, flags: Mapping[str, Action]) -> str:
    """Return what to do instead of giving a flag that there is not.

    Args:
        flag: As it was typed.
        flags: Those that the command has.
    """
    if len(flags) < _MANY:
        return nearest(flag, flags)
    name = _name(flag)
    if name in NO_SETTINGS:
        return NO_SETTINGS[name]
    if name not in SETTINGS:
        return nearest(flag, flags).split("There are")[0] or "See --help."
    setting, note = SETTINGS[name]
    ways = [way for way, action in flags.items() if action.dest == setting and "_" not in way]
    if not ways:
        return f"The thesis' `{name}` is {setting} here, which this command does not take."
    return f"The thesis' `{name}` is `{min(ways, key=len)}` here{_after(note)}."


def setting_hint(name: str) -> str | None:
    """Return what stands in a TOML file for a name of the thesis' program, None if it is none."""
    name = _name(name)
    if name in NO_SETTINGS:
        return NO_SETTINGS[name]
    if name not in SETTINGS:
        return None
    (section, _, ours), note = SETTINGS[name][0].partition("."), SETTINGS[name][1]
    return f"The thesis' `{name}` is `{ours}` below [{section}] here{_after(note)}."


def _name(text: str) -> str:
    return text.lstrip("-").replace("-", "_")


def _after(note: str) -> str:
    return f", {note}" if note else ""
