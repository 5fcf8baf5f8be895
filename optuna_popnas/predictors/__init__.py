"""Predictors of a cell's accuracy and training seconds (Sec. 4.4)."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
