# Every target does all its own set-up. On a fresh Debian: `make demo`, `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt

PLUGINS := $(sort $(wildcard plugins/*))
PLUGIN_PACKAGES := $(wildcard plugins/*/flask_cache_core_*)
EXAMPLE_PLUGIN := examples/third_party_backend
SOURCES := flask_cache_core $(PLUGIN_PACKAGES) examples
PROJECTS := pyproject.toml $(addsuffix /pyproject.toml,$(PLUGINS) $(EXAMPLE_PLUGIN))

.PHONY: help demo serve quick coverage test contract lint types tables check servers dist bench clean

help:
	@echo "make demo     run the example app over HTTP, and show what the cache does"
	@echo "make serve    run the example app for a browser, until Ctrl-C"
	@echo "make quick    lint, types and the tests that need no server"
	@echo "make test     lint, types and all tests, with the servers that they need"
	@echo "make check    the same without installing servers"
	@echo "make contract only the contract of the backends; for another Python, see the Makefile"
	@echo "make tables   write the tables of settings into the documentation"
	@echo "make bench    measure side by side with Flask-Caching"
	@echo "make dist     build every distribution into dist/"
	@echo "make servers  install redis, memcached and SASL (Debian, Ubuntu)"

# -- what a newcomer runs -----------------------------------------------------------------------

demo: $(VENV)/.demo
	$(BIN)/python examples/demo/demo.py

serve: $(VENV)/.demo
	$(BIN)/python examples/demo/demo.py --serve

# -- what a contributor runs --------------------------------------------------------------------

test: servers check

check: lint types
	$(BIN)/pytest $(PYTEST)
	$(if $(PYTEST),,$(MAKE) coverage)

# In a run of its own, without forks: a child would inherit the locks of the tool that measures.
coverage: $(VENV)/.dev
	$(BIN)/pytest -q -m "not slow" -k "not fork" --cov --cov-report=term:skip-covered \
		--cov-fail-under=88 tests

# For every small step.
quick: lint
	$(BIN)/mypy flask_cache_core
	$(BIN)/pytest -q -m "not slow" tests

# On another Python: make contract PYTHON=python3.13 VENV=.venv-3.13
contract: servers $(VENV)/.dev
	$(BIN)/pytest -k ontract plugins examples

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The tests of each plug-in are checked on their own: several have a module called `conftest`.
types: $(VENV)/.dev
	$(BIN)/mypy $(SOURCES) benchmarks tests
	for plugin in $(PLUGINS); do $(BIN)/mypy $$plugin/tests || exit 1; done
	$(BIN)/pyright $(SOURCES)
	$(BIN)/pyright --project tests/typing --pythonpath $(BIN)/python

# The tables of settings in the documentation, from what the code declares.
tables: $(VENV)/.dev
	$(BIN)/python docs/tables.py

bench: $(VENV)/.bench
	$(BIN)/python -W error benchmarks/core.py
	$(BIN)/python -W error benchmarks/backends.py
	$(BIN)/python -W error benchmarks/outage.py

dist: $(VENV)/.dev
	rm -rf dist
	for project in . $(PLUGINS); do $(BIN)/python -m build --outdir dist $$project || exit 1; done
	@ls dist

clean:
	rm -rf .venv .venv-* dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# -- set-up -------------------------------------------------------------------------------------

servers:
	@PYTHON=$(PYTHON) sh .ci/servers

$(VENV)/.made: $(CONSTRAINTS)
	@PYTHON=$(PYTHON) sh .ci/python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c $(CONSTRAINTS) --upgrade pip
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	$(BIN)/pip install -q -c $(CONSTRAINTS) gunicorn -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made $(PROJECTS)
	$(BIN)/pip install -q -c $(CONSTRAINTS) --group dev
	$(BIN)/pip install -q -c $(CONSTRAINTS) --no-build-isolation -e . \
		$(addprefix -e ,$(PLUGINS) $(EXAMPLE_PLUGIN))
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/pip install -q -c $(CONSTRAINTS) --group bench
	@touch $@
