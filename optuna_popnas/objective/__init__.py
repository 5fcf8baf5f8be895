"""The objective of a study: a trial becomes a cell, and the cell its accuracy and seconds.

Names are loaded when they are first used.
"""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
