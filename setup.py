"""The long description: README.md with its links made absolute, as package indexes show it."""

from pathlib import Path
import re

from setuptools import setup


URL = "https://github.com/optuna-popnas/optuna-popnas"

text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
text = re.sub(r"!\[([^]]*)\]\((?!https?:)([^)]+)\)", rf"![\1]({URL}/raw/main/\2)", text)
text = re.sub(r"\]\((?!https?:|#)([^)]+)\)", rf"]({URL}/blob/main/\1)", text)

setup(long_description=text, long_description_content_type="text/markdown")
