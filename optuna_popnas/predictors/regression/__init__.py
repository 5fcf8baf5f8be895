"""Regression on features, knowing nothing of cells."""
