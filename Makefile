# Everything a user types. Recipes stay one line; what they do lives in cdk/local and cdk/.
SHELL := bash
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help check

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=")'
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/pip --quiet --disable-pip-version-check install "$$(grep -o '^uv==[0-9.]*' requirements.lock)"; }
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## Resolve pyproject.toml anew into both lock files
	uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url -o layers/dependencies/requirements.lock --python-version 3.11
	uv pip compile pyproject.toml --quiet --group dev --universal --generate-hashes --no-emit-index-url -o requirements.lock --python-version 3.11
