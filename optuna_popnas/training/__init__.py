"""Training of cells (Sec. 4.4 and 6.1 of the thesis): data, training loop, objective.

Names are loaded when they are first used: configurations need no PyTorch.
"""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
