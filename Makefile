# `make demo` and `make test` need python3 (3.11 or later) with venv and pip, nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PURE   := wic/errors.py,wic/sip/*,wic/sdp/*,wic/auth/*,wic/registration/*,wic/call/*,wic/datachannel/*,$(OAUTH)
OAUTH  := wic/oauth/__init__.py,wic/oauth/errors.py,wic/oauth/metadata.py,wic/oauth/pkce.py,wic/oauth/requests.py,wic/oauth/tokens.py,wic/oauth/urls.py
SHELLS := wic/transport/*,wic/media/*,wic/client/*,wic/network/*,wic/oauth/http.py,cli/*
# Tests start many processes, and collecting rewrites every module: compiled files are kept even where the user keeps none.
COMPILED := PYTHONDONTWRITEBYTECODE=
# The shells' coverage only ever goes up: raise the number with the tests that earn it.
RATCHET := 98
# What `make test` does not run must still fit the names and parameters of wic.
UNCOLLECTED := tests/interop tests/bench tests/soak tests/fuzz examples
CALLS_BIND  := --check-untyped-defs --ignore-missing-imports --explicit-package-bases

.PHONY: demo test interop soak bench lint docs clean

demo: $(VENV)/.installed
	$(BIN)/wic demo

test: $(VENV)/.tools
	$(COMPILED) $(BIN)/pytest -n 2 --cov --cov-report=
	$(BIN)/coverage report --include='$(PURE)' --fail-under=100 --skip-covered --show-missing
	$(BIN)/coverage report --include='$(SHELLS)' --fail-under=$(RATCHET) --skip-covered --show-missing

interop: $(VENV)/.tools tests/interop/browser/node_modules
	$(BIN)/pytest tests/interop --timeout 120

soak: $(VENV)/.tools
	$(BIN)/pytest tests/soak
	$(BIN)/pytest -n 2 --timeout 300 --hypothesis-profile soak tests/hostile/test_fuzz.py tests/sip/test_differential.py
	WIC_LEAK_ROUNDS=25 $(BIN)/pytest tests/transport/test_leaks.py

bench: $(VENV)/.tools
	$(BIN)/python -m tests.bench

lint: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy wic typings/wic_cli
	MYPYPATH=typings $(BIN)/mypy --config-file= --cache-dir .mypy_cache/uncollected $(CALLS_BIND) $(UNCOLLECTED)
	$(BIN)/lint-imports
	$(BIN)/codespell README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md docs wic cli tests examples

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W -n -q -b html docs docs/_build/html

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wic needs Python 3.11 or later: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.tools: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group test --group lint
	touch $@

# Without npm the tests of the page skip, and say so.
tests/interop/browser/node_modules: tests/interop/browser/package-lock.json
	-npm ci --prefix tests/interop/browser --no-audit --no-fund --loglevel=error && touch $@

$(VENV)/.docs: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache
