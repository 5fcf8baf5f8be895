from __future__ import annotations

from tests.sampler.conftest import make_study
from tests.sampler.conftest import opener
from tests.sampler.conftest import space
from tests.visualization.conftest import finished
from tests.visualization.conftest import odd_studies
from tests.visualization.conftest import quiet


__all__ = ["finished", "make_study", "odd_studies", "opener", "quiet", "space"]
