"""From cell to network (Sec. 4.2): settings, layout, costs, and the PyTorch modules.

Settings, layout and costs load without PyTorch.
"""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
