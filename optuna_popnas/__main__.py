"""``python -m optuna_popnas`` is the command ``optuna-popnas``."""

import sys

from optuna_popnas.cli import main


if __name__ == "__main__":
    sys.exit(main())
