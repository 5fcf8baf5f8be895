# make search   set up .venv and run a whole search on the digits images (minutes, 2 cores)
# make test     set up .venv and run the tests
# make check    lint and type-check
# make examples run every example
# make docs     the documentation as a site, docs/_build/index.html; warnings are errors
# make figures  pictures and numbers of README and docs from fresh searches; needs Chromium
# make dist     wheel and sdist, tried in an environment of their own
# make gpu      what needs a GPU: tests, training speed, sharing, a search of CIFAR-10; an hour
# make slow     the tests that take minutes or need PostgreSQL, Ray or a browser

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
STORAGE ?= sqlite:///popnas.db

.PHONY: search test check examples docs figures dist slow gpu format clean

search: $(VENV)/.search
	$(BIN)/optuna-popnas search examples/digits.toml --storage $(STORAGE) $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

slow: $(VENV)/.slow
	$(BIN)/python -m pytest -m "slow or postgres" $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

examples: $(VENV)/.test
	$(BIN)/python examples/run_all.py

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "Built: docs/_build/index.html"

figures: $(VENV)/.test
	$(BIN)/python docs/make_figures.py $(ARGS)

dist: $(VENV)/.test
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python tests/release/try_wheel.py dist $(ARGS)

gpu: $(VENV)/.test
	$(BIN)/python benchmarks/gpu.py $(ARGS)

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What Ctrl-C or the lack of python3-venv left half-made has no pip, and is made again.
$(VENV)/.made:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 10), "Python 3.10 or newer is needed"'
	$(PIP) --version > /dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); } || \
		{ rm -rf $(VENV); echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	touch $@

$(VENV)/.search: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[dashboard]'
	touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/.search

$(VENV)/.slow: $(VENV)/.test
	$(PIP) install --quiet -c constraints.txt -e '.[test,ray]'
	touch $@

$(VENV)/.docs: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
