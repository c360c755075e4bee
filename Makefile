# `make demo` and `make test` need nothing but a python3 of version 3.11 or newer: see `make help`.

PYTHON ?= python3
WORKERS ?= 2
PROFILE ?= quick
MINUTES ?= 2
ARGS ?=
BIN := .venv/bin

# Ray stays on this machine: no usage reports, sockets on loopback, no token file in the home folder.
export RAY_USAGE_STATS_ENABLED := 0
export RAY_DATA_USAGE_DISABLED := 1
export RAY_AUTH_MODE := disabled
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER := 0

# Starts a server of its own, names it by the environment, and stops it when the recipe ends.
S3_SERVER = dir=$$(mktemp -d)/server; \
    trap 'scripts/s3-server stop --dir "$$dir"; rmdir "$${dir%/*}"' EXIT; \
    settings=$$(scripts/s3-server start --dir "$$dir"); eval "$$settings";

PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --hypothesis-profile=$(PROFILE)

.DEFAULT_GOAL := help
.PHONY: help demo bench test test-s3 test-cluster test-faults test-web soak smoke check lock clean

help:  ## say what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.installed-demo  ## train two models, search 3,594 saliency maps, show what was found (S3=1: on an S3 server, WEB=1: on a web page)
	@echo "==> running the demonstration"
ifdef S3
	@set -e; $(S3_SERVER) $(BIN)/masksearch demo --collection s3://masksearch/demo $(ARGS)
else ifdef WEB
	@$(MAKE) --no-print-directory .venv/.installed-web .venv/.installed-demo
	@$(BIN)/masksearch demo --runtime local --web $(ARGS)
else
	@$(BIN)/masksearch demo $(ARGS)
endif

bench: .venv/.installed-bench  ## measure against alternatives and the machine's limits, fill in docs/benchmarks.md (ARGS="--images 1000")
	@$(BIN)/masksearch bench --write docs $(ARGS)

test: .venv/.installed-test  ## run all tests (PROFILE=quick|ci|thorough, WORKERS=n, ARGS="-k name")
	@echo "==> running the tests on $(WORKERS) processes"
	@$(PYTEST) $(ARGS)

test-s3: .venv/.installed-test  ## run the tests that need a real S3 server, which is installed and started
	@echo "==> starting an S3 server and running the tests that need it"
	@set -e; $(S3_SERVER) $(PYTEST) tests/s3 $(ARGS)

# Not side by side: each module starts a cluster of its own.
test-cluster: .venv/.installed-test  ## run the tests on Ray clusters of several nodes (ARGS="-k name")
	@echo "==> running the tests on Ray clusters of several nodes"
	@scripts/in-namespace $(BIN)/python -m pytest -n 0 --timeout 300 --hypothesis-profile=$(PROFILE) tests/cluster $(ARGS)

# Long and thorough with ARGS=--every; what was tried is written down with ARGS=--faults-report=FILE.
test-faults: .venv/.installed-test  ## break storage and workers on purpose, on a real S3 server
	@echo "==> starting an S3 server and running the tests of faults"
	@set -e; dir=$$(mktemp -d)/server; trap 'scripts/s3-server stop --dir "$$dir"; rmdir "$${dir%/*}"' EXIT; \
	    settings=$$(scripts/s3-server start --dir "$$dir"); eval "$$settings"; \
	    $(BIN)/python -m pytest -n 0 --hypothesis-profile=$(PROFILE) tests/faults $(ARGS)

# In one process: all share a server and a browser. Chromium is the system's.
test-web: .venv/.installed-test  ## walk the web page in Chromium (apt-get install chromium)
	@echo "==> walking the page in Chromium"
	@command -v chromium >/dev/null || { echo "error: no chromium; apt-get install chromium" >&2; exit 1; }
	@$(BIN)/python -m pytest -n 0 --timeout 300 --hypothesis-profile=$(PROFILE) tests/browser $(ARGS)

soak: .venv/.installed-test  ## random queries, changes, kills and faults for a while (MINUTES=2, ARGS="--seed 7")
	@echo "==> soaking for $(MINUTES) minutes"
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)

# In one process: to find the tests takes longer than to run them, and every process finds them anew.
smoke: .venv/.installed-test  ## run the small, fast part of the tests
	@echo "==> running the smoke tests"
	@$(PYTEST) -m smoke -n 0 $(ARGS)

check: .venv/.installed-dev  ## format, lint, types, room contracts, size limits
	@scripts/check

lock: .venv/.uv  ## pin all dependencies again in constraints.txt (ARGS=--upgrade moves them)
	@scripts/lock $(ARGS)

clean:  ## remove .venv and everything that was made
	@echo "==> removing .venv, caches and the demonstration's output"
	@rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist demo-out
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." \
	         "Name another one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@echo "==> creating .venv with $$($(PYTHON) -V)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
	    echo "error: '$(PYTHON) -m venv' failed (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "==> installing uv, the package installer, into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@touch $@

.venv/.installed-%: pyproject.toml constraints.txt | .venv/.uv
	@echo "==> installing masksearch_ray and its pinned dependencies ($*) into .venv"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -b constraints.txt -e '.[$*]'
	@touch $@
