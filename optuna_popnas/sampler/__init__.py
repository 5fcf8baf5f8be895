"""POPNASv2 as an Optuna sampler: many workers, one study, nothing shared but the storage."""

from optuna_popnas.sampler.errors import SearchEnded
from optuna_popnas.sampler.parameters import copy_trials
from optuna_popnas.sampler.patience import try_steadily
from optuna_popnas.sampler.popnas_sampler import detach
from optuna_popnas.sampler.popnas_sampler import POPNASSampler
from optuna_popnas.sampler.steady import optimize_steadily


__all__ = [
    "POPNASSampler",
    "SearchEnded",
    "copy_trials",
    "detach",
    "optimize_steadily",
    "try_steadily",
]
