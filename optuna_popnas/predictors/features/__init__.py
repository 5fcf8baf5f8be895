"""Cells as numbers: what the predictors learn from."""
