"""Drawings of cells and networks as SVG, without other programs."""
