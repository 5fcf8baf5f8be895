"""Where :func:`memory_limit` was in earlier releases."""

from optuna_popnas.training.data.memory import memory_limit as memory_limit
