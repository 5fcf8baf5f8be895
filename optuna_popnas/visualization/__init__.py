"""See a search: figures, drawings, a report, optuna-dashboard.

Everything is imported when it is first used; plotly loads with the first figure. Figures take a
study, or what :func:`view_study` read of it once.
"""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
