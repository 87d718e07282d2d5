# Everything that a developer or a build machine types. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PYTHONS ?= 3.11 3.12 3.13
FILES_APART := --dist loadfile --no-loadscope-reorder
SCRIPTS = $(shell git grep --untracked -lE '^#!.*sh$$')
MACHINE ?= $(shell uname -m)
SUITE ?= bookworm
# Universal: one file for every platform and every CPython from 3.11 on, told apart by markers.
LOCK := .lock-venv/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-emit-index-url --no-header
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | column -t -s '|'

.PHONY: setup
setup: ## get the programs that the lab needs (as root on Debian or Ubuntu)
	@scripts/setup.sh

.PHONY: venv
venv: $(VENV)/.stamp ## make .venv from the hashed lock

$(VENV)/.stamp: requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo 'no python3 of 3.11 or later with venv found; type: make setup' >&2; exit 2; }
	@rm -f $@
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lint
lint: venv ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(BIN):$$PATH" shellcheck -x $(SCRIPTS)
	$(BIN)/shfmt -i 4 -d $(SCRIPTS)

.PHONY: unit
unit: venv ## unit and simulation tests
	$(BIN)/pytest -q -n 2 tests/unit tests/simulation

# Side by side, because mypy keeps but one processor busy.
.PHONY: check
check: venv ## the inner loop: lint, unit and simulation tests, in five minutes on 2 cores
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint unit

# Four workers for two processors: the tests on a bare machine mostly wait.
.PHONY: test
test: setup ## everything, from a clean clone: about 50 minutes on 2 cores
	@KOPROGO_UPDATES=1000 $(MAKE) --no-print-directory check
	$(BIN)/pytest -q -n 4 $(FILES_APART) tests --ignore=tests/unit --ignore=tests/simulation

.PHONY: machine
machine: setup ## installing, self-update and power cuts on a bare Debian with systemd; or on SUITE=noble
	@$(MAKE) --no-print-directory venv
	KOPROGO_SUITE=$(SUITE) $(BIN)/pytest -q -n 3 $(FILES_APART) tests/machine

.PHONY: crash
crash: setup ## kill -9 at length: 100 instants of the hold, 50 of all, each boundary of a step by itself
	@$(MAKE) --no-print-directory venv
	KOPROGO_KILLS=100 $(BIN)/pytest -q -s tests/integration/test_hold_kills.py
	KOPROGO_KILLS=50 $(BIN)/pytest -q -s tests/integration/test_crashes.py

.PHONY: claims
claims: setup ## every operation, by the file that config init writes: what users met, and what is said of it
	@$(MAKE) --no-print-directory venv
	KOPROGO_CLAIMS=all $(BIN)/pytest -q -s tests/integration/test_claims.py

.PHONY: proof
proof: setup ## take out each rule of trust in turn, and see that its tests fail: half an hour
	@$(MAKE) --no-print-directory venv
	@$(BIN)/python -m tests.attacks.proof

.PHONY: demo
demo: setup ## the whole story on a terminal, then the dashboard; KEEP=1 leaves it up without one too
	@$(MAKE) --no-print-directory venv
	@$(BIN)/python -m tests.demo

.PHONY: pictures
pictures: setup ## the README's pictures of the dashboard, of a simulated fleet: ten minutes (needs pngquant)
	@command -v pngquant >/dev/null || { echo 'no pngquant; as root, type: apt-get install pngquant' >&2; exit 2; }
	@$(MAKE) --no-print-directory venv
	@$(BIN)/python -m tests.demo.showcase docs/pictures
	pngquant --force --ext .png --speed 1 32 docs/pictures/dashboard-*.png

.PHONY: bench
bench: setup ## measured figures, as ratios in one run: a quarter of an hour; KOPROGO_BENCH=full for two hours
	@$(MAKE) --no-print-directory venv
	@$(BIN)/python -m tests.bench

# Folder, and machine by Python's name. Every system that install.sh knows has a newer glibc than 2.28.
define make_dist
	@rm -rf $(1)
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(1) .
	cp -r install.sh systemd requirements.lock $(1)/
	test ! -e agent-root.json || cp agent-root.json $(1)/
	for version in $(PYTHONS); do $(BIN)/pip download --quiet --require-hashes --only-binary :all: \
		--platform manylinux_2_28_$(2) --platform manylinux2014_$(2) \
		--python-version $$version --dest $(1)/wheels -r requirements.lock; done
endef

.PHONY: dist
dist: venv ## what install.sh installs from, without network: dist/ with the wheels of PYTHONS for MACHINE
	$(call make_dist,dist,$(MACHINE))

.PHONY: image
image: venv ## what the image is built from that agents update themselves from: image/, by the engine's names
	@rm -rf image
	$(call make_dist,image/amd64,x86_64)
	$(call make_dist,image/arm64,aarch64)
	cp Dockerfile image/

.PHONY: lock
lock: ## write the hashed locks anew from pyproject.toml
	$(PYTHON) -m venv --clear .lock-venv
	.lock-venv/bin/pip install --quiet uv
	$(LOCK) --extra dev --output-file requirements-dev.lock pyproject.toml
	$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
	$(LOCK) --constraint requirements-dev.lock --extra hosting --output-file requirements-fleet.lock pyproject.toml
	@rm -rf .lock-venv

.PHONY: clean
clean: ## remove what these targets made in this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist image
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
