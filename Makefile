# Everything runs from .venv, which the first command makes: `make demo` and `make test` are all
# the set-up there is. POSIX sh and GNU make 3.81 (macOS) are enough; no git, no uv.

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

# An episode that needs two kinds of repair; tests/packaging/test_demo.py holds it equal to what
# the manifest of the demo traces says.
DEMO := --trace traces/demo/022-mixed.sktrace --ns media --deploy checkout --target 2 \
  --duration 90 --nodes 3x16cpu,32Gi

# What a user installed with `pip install --user` must not leak into .venv.
export PYTHONNOUSERSITE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help venv demo test chromium test-browser test-ray lint lock wheel bench control-plane simkube test-cluster test-cluster-full oracle mutation fidelity clean FORCE

help: ## List the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1	/p' Makefile | expand -t 16

# ---- set-up -----------------------------------------------------------------------------------

# The mark holds the checkout's path: scripts in a virtual environment name it, so that a folder
# that was moved or copied has to be set up again.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): FORCE
endif
FORCE:

$(READY): requirements.lock pyproject.toml .ci/venv
	@sh .ci/venv $(VENV)
	@printf '%s\n' "$(CURDIR)" > $(READY)

venv: $(READY) ## Make .venv from the lock, with this project in it

# ---- what people run --------------------------------------------------------------------------

demo: $(READY) ## Repair a broken Deployment on the embedded cluster, through Prefect, and report
	@printf '%s\n' '$$ sim-arena episode $(DEMO)' 'Prefect starts; the first step comes in about ten seconds.'
	@unset PREFECT_API_URL PREFECT_API_KEY; \
	  PREFECT_PROFILE=ephemeral PREFECT_HOME="$(CURDIR)/$(VENV)/prefect" \
	  $(VENV)/bin/sim-arena episode $(DEMO)
	@$(VENV)/bin/sim-arena report latest

test: $(READY) ## Run the tests (those that need a control plane, a browser or Ray excepted)
	@$(PY) -m pytest -n 2 --dist loadgroup -m "not cluster and not browser and not ray"

chromium: ## Install the browser of the tests that look at pages (Debian and Ubuntu, as root)
	@command -v chromium >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

test-browser: $(READY) ## Look at the pages in a real browser (needs Chromium)
	@$(PY) -m pytest -m browser

test-ray: $(READY) ## Run a sweep on workers of Ray (installs it, 400 MB)
	@$(PY) -m pip install --quiet --editable '.[ray]' --no-build-isolation
	@$(PY) -m pytest -m ray

lint: $(READY) ## Check style, types, layers, dependencies
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/deptry .
	$(PY) -m pytest -q tests/packaging

lock: ## Compile requirements.lock anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --group dev --extra duckdb -o requirements.lock pyproject.toml

wheel: $(READY) ## Build the wheel and try it in an environment of its own
	@rm -rf dist
	@$(PY) -m hatchling build -t wheel
	@$(PY) tests/packaging/try_wheel.py

bench: $(READY) ## Print the benchmarks
	@$(PY) -m benchmarks

# ---- the real control plane -------------------------------------------------------------------

control-plane: $(READY) ## Build the control plane of the cluster tests (needs Go), once
	@$(PY) -m tests.cluster.build

simkube: $(READY) ## Build SimKube for its tests (needs Rust), once; half an hour
	@$(PY) -m tests.cluster.simkube_build

test-cluster: $(READY) ## Run the tests that need the control plane
	@$(PY) -m pytest -n 4 --dist loadgroup -m "cluster and not full"

test-cluster-full: $(READY) ## Run all of them, those that take minutes too
	@$(PY) -m pytest -n 4 --dist loadgroup -m cluster

oracle: $(READY) ## Ask the real scheduler's plugins for the test vectors anew (needs Go)
	@$(PY) -m tests.oracle.make

mutation: $(READY) ## Break the scheduler in one place at a time: the test vectors must notice
	@$(PY) -m tests.oracle.mutation

fidelity: $(READY) ## Play fresh scenarios on the real control plane: SEED=1000 COUNT=20
	@$(PY) -m tests.fidelity.run --seed $(or $(SEED),1000) --count $(or $(COUNT),20)

# ---- the end ----------------------------------------------------------------------------------

clean: ## Remove what the other targets made (runs/ stays: it holds results)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
