"""Settings of all tests."""

from hypothesis import settings


# Time limits for one example say more about the machine than about the code.
settings.register_profile("here", deadline=None)
settings.load_profile("here")
