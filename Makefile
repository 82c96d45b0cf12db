# Everything a contributor needs. `make run` and `make test` bootstrap what they need by themselves.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
TOOLS := .tools
UV := $(TOOLS)/bin/uv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stockstream-installed
EMULATOR_STAMP := $(VENV)-emulator/.stockstream-installed
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV
# Without bytecode every process compiles 2,000 modules, and the suite starts hundreds. Who wants none in the tree has
# it among the tools, and not in an environment: uv takes a folder that something stands in for a broken one.
ifneq ($(PYTHONDONTWRITEBYTECODE),)
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(abspath $(TOOLS))/bytecode
endif

ifeq ($(shell command -v $(PYTHON)),)
$(error There is no $(PYTHON) on the PATH. Remedy: install Python 3.11 or later, or name another: make PYTHON=python3.13 ...)
endif

.PHONY: help setup run test test-quick test-busy coverage lint types docs docs-check advisories pin-images wheel-check e2e infra-check infra-apply aws-smoke infra-docs format check clean lambda-zip

help: ## Show this help
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

NOT_INSTALLED = { echo "The packages cannot be installed: $$(grep -v '^$$' $(TOOLS)/install.log | tail -1 | cut -c1-200)"; \
	echo "Remedy: see that the package index can be reached (PIP_INDEX_URL, UV_DEFAULT_INDEX, a proxy); all of it: $(TOOLS)/install.log"; exit 1; }

$(UV): requirements-uv.txt
	@echo "==> Installing uv into $(TOOLS)/"
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit(f"Stockstream needs Python 3.11 or later; $(PYTHON) is {v[0]}.{v[1]}. Remedy: make PYTHON=python3.13 ...")'
	@$(PYTHON) -m venv $(TOOLS) || { echo "python -m venv failed. Remedy: install your system's venv package (Debian: apt-get install python3-venv)"; exit 1; }
	@$(TOOLS)/bin/python -m pip install --quiet --retries 1 --disable-pip-version-check \
		--require-hashes -r requirements-uv.txt 2> $(TOOLS)/install.log || $(NOT_INSTALLED)
	@touch $@

$(STAMP): pyproject.toml uv.lock | $(UV)
	@echo "==> Installing Stockstream and its locked dependencies into $(VENV)/"
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --quiet --frozen --extra dev --python $(PYTHON) 2> $(TOOLS)/install.log || $(NOT_INSTALLED)
	@touch $@

$(EMULATOR_STAMP): pyproject.toml uv.lock | $(UV)
	@echo "==> Installing the embedded AWS emulator into $(VENV)-emulator/"
	@UV_PROJECT_ENVIRONMENT=$(VENV)-emulator $(UV) sync --quiet --frozen --only-group emulator --python $(PYTHON) \
		2> $(TOOLS)/install.log || $(NOT_INSTALLED)
	@touch $@

setup: $(STAMP) $(EMULATOR_STAMP) ## Make .venv with everything; leaves .venv/bin/stockstream ready

run: setup ## Run the whole pipeline on this machine, no account and no Docker (Ctrl-C ends it)
	@$(BIN)/stockstream local $(ARGS) || { code=$$?; test $$code -eq 130 || exit $$code; } # 130: Ctrl-C, said by itself

WORKERS ?= auto
test: setup ## Run the whole test suite
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

# Commands in processes of their own, containers and long histories are left to `make test`.
QUICK := tests/wire tests/settings tests/gate tests/local/view tests/outbox/test_outbox_log.py tests/outbox/test_worker.py \
	tests/sender/test_scheduler.py tests/sender/test_bodies.py tests/sender/test_pacing.py tests/sources \
	tests/sources_yahoo/test_yahoo_mapping.py tests/sources_yahoo/test_yahoo_decisions.py tests/eventsource/test_shard_state.py \
	tests/consumer/test_candles.py tests/consumer/test_alerts.py tests/consumer/test_indicators.py tests/test_layers.py

test-quick: setup ## Run the tests of pure decisions: under a minute
	@$(BIN)/python -m pytest -q -n auto -m "not long and not emulator" $(QUICK) $(ARGS)

RUNS ?= 10
test-busy: setup ## Run the suite ten times in a row under nice, beside one busy loop a processor: hours
	@$(BIN)/python -m scripts.busy_suite --runs $(RUNS) $(ARGS)

SUITES ?= tests/outbox tests/sender tests/consumer
coverage: setup ## Print the branches that their tests cover of the rooms where a fault loses data
	@mkdir -p build
	@$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=json:build/coverage.json --cov-report= $(SUITES) $(ARGS)
	@$(BIN)/python -m scripts.room_coverage build/coverage.json

lint: setup ## Check style: ruff's rules and its formatter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## Check types: mypy --strict
	@$(BIN)/mypy wire/stockstream_wire service/stockstream lambda/stockstream_lambda tests benchmarks scripts

docs: setup ## Write the generated pages: docs/settings.md, docs/commands.md, THIRD-PARTY-NOTICES.md
	@$(BIN)/python -m scripts.settings_docs
	@$(BIN)/python -m scripts.commands_docs
	@$(BIN)/python -m scripts.terraform_sources
	@$(BIN)/python -m scripts.third_party_notices
	@$(BIN)/python -m scripts.emulator_requirements

docs-check: setup ## Compare the generated pages with what generates them
	@$(BIN)/python -m scripts.settings_docs --check
	@$(BIN)/python -m scripts.commands_docs --check
	@$(BIN)/python -m scripts.terraform_sources --check
	@$(BIN)/python -m scripts.third_party_notices --check
	@$(BIN)/python -m scripts.emulator_requirements --check

advisories: setup ## Ask for known advisories against everything locked; says "not checked", and why, where none can be had
	@$(BIN)/python -m scripts.check_advisories

pin-images: setup ## Write the digests of the images that we build on (needs Docker and a registry)
	@$(BIN)/python -m scripts.pin_images

wheel-check: setup ## Build the wheel, install it into a fresh folder as users do, and run it there
	@$(BIN)/python -m scripts.wheel_check

e2e: setup ## Build the image and run compose end to end, containers killed in the middle (needs Docker)
	@$(BIN)/python -m scripts.e2e

infra-check: setup ## Check infra/ and say what could not be checked (terraform, checkov, tflint where they can be had)
	@$(BIN)/python -m scripts.infra_check

infra-apply: setup ## Apply infra/ to two emulators, run the pipeline on it, plan again, destroy (needs terraform)
	@$(BIN)/python -m scripts.infra_apply

aws-smoke: setup ## Check on AWS what no emulator can say, below 1 USD (ARGS=--yes), or ARGS="--emulator ministack"
	@$(BIN)/python -m scripts.aws_smoke $(ARGS)

infra-docs: setup ## Write what docs and infra/ take from code: READMEs of modules, table of costs, diagram
	@$(BIN)/python -m scripts.infra_check.readmes
	@$(BIN)/python -m scripts.infra_check.cost
	@$(BIN)/python -m scripts.infra_check.diagram

lambda-zip: setup ## Build the deployment zips, of consumer and notifier: arm64, or ARCH=x86_64; the same bytes on every build
	@$(BIN)/python -m scripts.build_lambda_zip --uv $(UV) --architecture $(or $(ARCH),arm64)
	@$(BIN)/python -m scripts.build_lambda_zip --uv $(UV) --architecture $(or $(ARCH),arm64) --function notifier

format: setup ## Rewrite files to the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

check: lint types test ## Lint, types and tests

clean: ## Remove environments and build products
	@rm -rf $(VENV) $(VENV)-emulator $(TOOLS) build dist .pytest_cache .mypy_cache .ruff_cache
