"""The version, in a module of its own for setuptools to read."""

__version__ = "0.1.0"
