# make search   set up .venv and run a whole search on the digits images (minutes, 2 cores)
# make test     set up .venv and run the tests
# make check    lint and type-check
# make examples run every example
# make figures the pictures of README and docs from a fresh search; needs Chromium
# make slow     the tests that take minutes or need PostgreSQL or a browser

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
STORAGE ?= sqlite:///popnas.db

.PHONY: search test check examples figures slow format clean

search: $(VENV)/.search
	$(BIN)/optuna-popnas search examples/digits.toml --storage $(STORAGE) $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

slow: $(VENV)/.test
	$(BIN)/python -m pytest -m "slow or postgres" $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

examples: $(VENV)/.test
	$(BIN)/python examples/run_all.py

figures: $(VENV)/.test
	$(BIN)/python docs/make_figures.py $(ARGS)

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 10), "Python 3.10 or newer is needed"'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.search: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[dashboard]'
	touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/.search

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
