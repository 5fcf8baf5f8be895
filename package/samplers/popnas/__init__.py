"""POPNASv2 as an Optuna sampler; all of it is in the package optuna-popnas."""

from optuna_popnas import Block
from optuna_popnas import Cell
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace


__all__ = ["Block", "Cell", "PAPER_OPERATORS", "POPNASSampler", "SearchSpace"]
