# Few verbs: demo, dev, test, lint, types, bench, migrate, lock, clean. `make` alone lists them.
#
#   make demo DATA=export.csv     the demo on your own Ads Manager export
#   make test ARGS="-k cli -x"    further arguments for pytest
#   make demo PYTHON=/opt/python3.12/bin/python
#
# Everything is installed into .venv; a second call installs nothing unless a lock file changed.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# 3.11 is what the project is tested on; a newer one is taken where it is the only one.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(if $(shell command -v $(name) 2>/dev/null),$(name))) python3)
UV_VERSION ?= 0.13.9

DATA ?=
ARGS ?=
WORKERS ?= 2
HOST ?= 127.0.0.1
PORT ?= 3000
API_PORT ?= 8000

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

# uv installs in seconds what takes pip a minute. Where it cannot be had, or cannot reach the packages
# (it does not read pip.conf), pip installs the same files: both check the hashes of the lock.
# $(call install,LOCK)
define install
	@echo "Installing the packages of $(1) into $(VENV) (once; a minute or so) ..."
	@{ { test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); } \
		&& $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r $(1); } 2>$(VENV)/uv.log \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
endef

.PHONY: help
help:
	@echo "make demo            set up, load the demo account (or DATA=export.csv), judge 30 days, print the report"
	@echo "make dev             the Dagster UI on http://$(HOST):$(PORT) and the API on port $(API_PORT), on the data of the demo"
	@echo "make test            all tests, those against a real PostgreSQL too (ARGS=... for pytest)"
	@echo "make lint            ruff: rules and formatting"
	@echo "make types           pyright"
	@echo "make bench           the measurements of docs/benchmarks.md"
	@echo "make migrate         bring the database to the newest schema"
	@echo "make lock            renew the lock files from pyproject.toml"
	@echo "make clean           remove .venv (data/ stays)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "ml_assets needs Python 3.11 or newer, and '$(PYTHON)' is not it. Install Python 3.11, or name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu its package is python3-venv (python3.11-venv)." >&2; exit 2; }

$(RUN_STAMP): requirements.lock pyproject.toml setup.py | $(BIN)/python
	$(call install,requirements.lock)
	@touch $@

$(DEV_STAMP): requirements-dev.lock pyproject.toml setup.py | $(BIN)/python
	$(call install,requirements-dev.lock)
	@touch $@ $(RUN_STAMP)

.PHONY: setup
setup: $(RUN_STAMP)

.PHONY: setup-dev
setup-dev: $(DEV_STAMP)

.PHONY: demo
demo: $(RUN_STAMP)
	@$(BIN)/ml-assets demo $(if $(DATA),--data "$(DATA)") $(ARGS)

.PHONY: dev
dev: $(RUN_STAMP)
	@$(BIN)/ml-assets dev --host $(HOST) --port $(PORT) --api-port $(API_PORT) $(ARGS)

.PHONY: migrate
migrate: $(RUN_STAMP)
	@$(BIN)/ml-assets db upgrade

.PHONY: test
test: $(DEV_STAMP)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: lint
lint: $(DEV_STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: $(DEV_STAMP)
	@$(BIN)/pyright

.PHONY: bench
bench: $(DEV_STAMP)
	@$(BIN)/python -m benchmarks $(ARGS)

# No index, no host: what is locked is names, versions and hashes. setuptools builds the package itself.
COMPILE = echo 'setuptools>=80' | $(BIN)/uv pip compile --quiet pyproject.toml - --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-header --no-annotate $(ARGS)

.PHONY: lock
lock: | $(BIN)/python
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(COMPILE) -o requirements.lock
	$(COMPILE) --group dev --group bench -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --extra k8s -c requirements.lock -o requirements-k8s.lock

.PHONY: clean
clean:
	rm -rf $(VENV) build dist *.egg-info
