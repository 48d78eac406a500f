# Everything runs in .venv, made here with the newest suitable Python of the machine. `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
STAMP := $(VENV)/.installed
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
NO_PYTHON := This needs Python 3.11 or newer with its venv module, and found none; name one with: make PYTHON=/path/to/python3 …
UV ?= uv

.PHONY: help run test test-deploy lint check bench bench-docs bench-peers eval mutants chaos fuzz docs fmt clean lock

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# A Python may be on the path and still not run (the shim of a version that is not there), so each is tried. An
# environment that works is kept and brought up to date.
$(STAMP): pyproject.toml requirements.lock
	@if ! $(BIN)/python -c '$(SUITABLE)' >/dev/null 2>&1; then \
	    for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	      if "$$python" -c '$(SUITABLE)' >/dev/null 2>&1; then found=$$python; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then echo '$(NO_PYTHON)' >&2; exit 1; fi; \
	    echo "Making $(VENV) with $$found"; \
	    "$$found" -m venv --clear $(VENV) || exit 1; \
	  fi
	@echo 'Installing the exact versions of requirements.lock (about a minute, once)'
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Ctrl-C reaches the demo, which ends in order; the shell's own trap keeps it from dying first.
run: $(STAMP) ## Start Kafka, Valkey and the processor, and play a sample company's pipelines
	@trap : INT; $(BIN)/lineage demo

# Three processes, each with servers of its own: a test waits more than it works.
test: $(STAMP) ## Run every test, on real Kafka and Valkey
	@$(BIN)/pytest -n 3 --dist loadfile

lint: $(STAMP) ## Lint, check the format and the types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/hadolint Dockerfile

check: lint test ## Both: what must pass before a commit

# They are among those of `test` as well.
test-deploy: $(STAMP) ## Load the rules into a real Prometheus, and see five incidents arrive in Alertmanager and end
	@$(BIN)/pytest tests/e2e/test_watched.py tests/integration/test_prometheus_rules.py tests/integration/test_dashboards.py

# Ctrl-C ends it in order, with what was measured until then.
bench: $(STAMP) ## Measure what an event costs, against yardsticks of the same run: ARGS='--list', '--case steady', …
	@trap : INT; $(BIN)/python -m tests.bench $(ARGS)

bench-docs: $(STAMP) ## The same on a quiet machine, three rounds, into docs/performance.md with its plots
	@trap : INT; $(BIN)/python -m tests.bench --docs $(ARGS)

bench-peers: $(STAMP) ## Measure others on the same events: needs Python 3.12 or newer, and Debian's postgresql-15
	@trap : INT; $(BIN)/python -m tests.bench.peers $(ARGS)

SEEDS ?= 20

eval: $(STAMP) ## Measure how right the alerts are, on SEEDS=20 histories of which it is known what went wrong in them
	@$(BIN)/python -m tests.eval --seeds $(SEEDS)

mutants: $(STAMP) ## Break a copy of the source in many places, one at a time: a test has to notice each
	@$(BIN)/python -m tests.mutants

SEED ?= 1
MINUTES ?= 2

chaos: $(STAMP) ## Kill, freeze and fill everything for MINUTES=2 as SEED=1 says, and compare what comes out
	@$(BIN)/python -m tests.chaos.run --seed $(SEED) --minutes $(MINUTES)

# Failing inputs go to build/fuzz, and the exit code says whether there are any.
fuzz: $(STAMP) ## Fuzz everything that reads bytes from outside: SEED=1, and MINUTES=2 or COUNT=100000
	@$(BIN)/python -m tests.fuzz --seed $(SEED) $(if $(COUNT),--count $(COUNT),--minutes $(MINUTES))

docs: $(STAMP) ## Write anew what is made from the code: docs/metrics.md, rules, dashboards
	@$(BIN)/python -m deploy.generate

fmt: $(STAMP) ## Format the code
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

clean: ## Remove what was built and installed here
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: image
# As root, on Debian: apt-get install --no-install-recommends buildah debootstrap
image: $(STAMP) ## Build the image with buildah, on BASE=… or a base made here, and see it work on real Kafka and Valkey
	@deploy/image/build
	@PYTHONPATH=. $(BIN)/python -m deploy.image.smoke "$${TAG:-lineage-processor:$$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)}"

lock: ## Resolve the exact versions anew into requirements.lock (needs uv)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --upgrade --all-extras --no-emit-package lineage-processor --output-file requirements.lock pyproject.toml
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --constraint requirements.lock --output-file deploy/image/requirements.lock pyproject.toml
