"""Searches to compare with: Optuna's samplers in their best form, and three of NAS papers."""

from peers.catalogue import DIRECTIONS
from peers.catalogue import METHODS
from peers.catalogue import OURS
from peers.catalogue import search


__all__ = ["DIRECTIONS", "METHODS", "OURS", "search"]
