"""Benches: spaces of cells whose trainings were recorded or are predicted, and runs on them."""

from bench.base import Bench
from bench.base import Evaluation
from bench.base import Front
from bench.base import make_front
from bench.catalogue import load
from bench.catalogue import names
from bench.running import direct
from bench.running import run
from bench.running import Trajectory


__all__ = [
    "Bench",
    "Evaluation",
    "Front",
    "Trajectory",
    "direct",
    "load",
    "make_front",
    "names",
    "run",
]
