"""Search space (Sec. 4.1 of the thesis): operators, cells, equivalence, expansion."""

from optuna_popnas.space.batch import CellBatch
from optuna_popnas.space.cell import Block
from optuna_popnas.space.cell import Cell
from optuna_popnas.space.grammar import Grammar
from optuna_popnas.space.operators import Operator
from optuna_popnas.space.operators import OperatorFamily
from optuna_popnas.space.operators import PAPER_OPERATORS
from optuna_popnas.space.operators import parse_operator
from optuna_popnas.space.operators import register_operator
from optuna_popnas.space.operators import unregister_operator
from optuna_popnas.space.search_space import LevelProfile
from optuna_popnas.space.search_space import SearchSpace


__all__ = [
    "Block",
    "Cell",
    "CellBatch",
    "Grammar",
    "LevelProfile",
    "Operator",
    "OperatorFamily",
    "PAPER_OPERATORS",
    "SearchSpace",
    "parse_operator",
    "register_operator",
    "unregister_operator",
]
