# make                     set up, run the whole comparison, and print the answer
# make install             only set up
# make test                run the tests that are not slow, lint and type check
# make test-all            run the slow tests too: real DVC experiments, PostgreSQL, a Ray cluster, random kills
# make lint                run only lint and type check
# make docs                build the pages of docs/ as a site, in build/docs
# make ui                  open MLflow's UI on this machine
# make serve TARGET=color  answer HTTP requests with the champion of a target
# make bench               measure a training step, here and with other libraries
# make faults              kill the pipeline 50 times, and try the other faults of tests/faults

SHELL := /bin/bash
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
# Compiled bytecode saves seconds in every stage, but some machines switch it off.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
unexport VIRTUAL_ENV

.PHONY: all install run test quick-tests test-all lint ui serve faults bench docs
all: run

# pip installs uv, and uv installs the rest: that takes two seconds instead of three minutes.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		-r <(sed -n '/^uv==/,/^ *#/p' requirements.lock | grep -v '^ *#')
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@# The first import compiles bytecode: here two at a time, in the stages one after the other.
	@$(BIN)/python -m compileall -q $(BIN)/../lib/python3*/site-packages/keras/src & \
		$(BIN)/python -c 'import mlflow.store.tracking.sqlalchemy_store, dvc.repo, matplotlib.figure' 2>/dev/null & \
		$(BIN)/python -c 'import keras, sklearn.model_selection, scipy.stats' 2>/dev/null; wait
	touch $@

# DVC's cache for all users of the machine becomes one of this user.
.dvc/config.local: | .venv/installed
	@python -m straightline.revisions.site_cache

install: .venv/installed .dvc/config.local

# dvc repro gets a second try: after a change of the variants DVC has to read dvc.yaml again, and a DVC that was killed
# may have left a half-written dvc.lock.
run: .venv/installed .dvc/config.local
	@rm -f .straightline/again
	@export STRAIGHTLINE_ANSWER=later; dvc repro || { { test -e .straightline/again || straightline repair; } && dvc repro; }
	@straightline track
	@straightline show

# Tests need more packages: Ray, a driver for Chromium, linters. `make` alone does without them.
.venv/tested: .venv/installed tests/requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r tests/requirements.lock
	touch $@

# Lint takes one core beside the tests.
test: .venv/tested
	@$(MAKE) --no-print-directory -j 2 lint quick-tests

quick-tests: .venv/tested
	pytest

test-all: .venv/tested lint
	pytest -m ""

lint: .venv/tested
	ruff check
	ruff format --check
	mypy

# Only this target needs JAX; the next `make` that installs packages removes it.
bench: .venv/installed
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r benchmarks/requirements.lock
	python benchmarks/training.py

# -E reads all pages anew: the outputs of notebooks depend on all of the code.
docs: .venv/tested
	sphinx-build -E -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

ui: .venv/installed
	straightline ui

serve: .venv/installed
	straightline serve $(if $(TARGET),--target $(TARGET))

faults: .venv/tested
	STRAIGHTLINE_KILLS=50 pytest -m "" tests/faults
