# Everything a user types. Recipes stay one line; what they do lives in cdk/local and cdk/.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
PORT ?= 8000
PROMETHEUS_PORT ?= 9090
GRAFANA_PORT ?= 3000
STACK ?= run
ROLE ?= user
FUNCTION ?= allocations
EVENT ?= $(or $(wildcard events/$(FUNCTION).json),events/auto_allocation.json)
STRATEGY ?= cloudwatch
BIN := .venv/bin
# Compiled modules are kept: what starts Python many times starts it in half the time.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help lock check test fuzz bench results prove load docs

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=")'
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && sed -n '/^uv==/,/^ *#/p' requirements.lock > .venv/uv.lock && $(BIN)/pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r .venv/uv.lock; }
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Lambda's own Python has them, and they are 31 MB of every cold start.
RUNTIME := botocore urllib3
# They are in the layer of dependencies already.
SHARED := python-dateutil six typing-extensions tzdata

lock: ## Resolve pyproject.toml anew into its three lock files, and checkov into its own
	uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url $(RUNTIME:%=--no-emit-package %) -o layers/dependencies/requirements.lock --python-version 3.11
	uv pip compile --quiet --group sheets --constraint layers/dependencies/requirements.lock --universal --generate-hashes --no-emit-index-url $(SHARED:%=--no-emit-package %) -o layers/sheets/requirements.lock --python-version 3.11
	uv pip compile pyproject.toml --quiet --group dev --universal --generate-hashes --no-emit-index-url -o requirements.lock --python-version 3.11
	uv pip compile tests/infrastructure/checkov/requirements.in --quiet --universal --generate-hashes --no-emit-index-url -o tests/infrastructure/checkov/requirements.lock --python-version 3.11

check: .venv/ready ## Format, lint, types, import rules
	@ruff format --check --quiet . && ruff check --quiet . && mypy && mkdir -p .run && lint-imports --cache-dir .run/imports > .run/imports.log || { cat .run/imports.log; exit 1; }

test: check ## Check, then every test up to the deployed stack over HTTP; SKIP=promtool,browser,busybox,checkov,history leaves these out
	@python -m pytest -n 2 --dist loadgroup --ignore tests/e2e
	@python -m pytest tests/e2e

fuzz: .venv/ready ## Ask the whole API whatever docs/openapi.json permits, and more: CASES=10000, other ones every time
	@CASES=$(or $(CASES),10000) python -m pytest -q -n 2 --show-capture=no tests/functions/test_fuzz.py

bench: .venv/ready ## Measure speed beside floors and peers: ROW=instrumentation for one, ARGS="--strict"
	@python -m tests.benchmarks $(ROW) $(ARGS)

results: .venv/ready ## Put the goals of the last whole make bench into docs/benchmarks.md and the README
	@python -m tests.benchmarks.results

prove: .venv/ready ## Fight over the lab and judge its whole history: OPERATIONS=100000 SEED=7
	@exec python -m tests.prove $(OPERATIONS:%=--operations %) $(SEED:%=--seed %)

load: .venv/ready ## Drive all doors at once while things break, and check that nothing is lost: OPERATIONS=50000 WORKERS=32 SEED=7; SOAK=1 for an hour, or MINUTES=60
	@exec python -m tests.load $(OPERATIONS:%=--operations %) $(WORKERS:%=--workers %) $(SEED:%=--seed %) $(if $(SOAK)$(MINUTES),--minutes $(or $(MINUTES),60))

docs: .venv/ready ## Write what is derived: docs/openapi.json, the tables of docs/metrics.md and docs/permissions.md, the README's figures, Grafana's dashboards
	@python -m tests.openapi
	@python -m tests.matrix
	@python -m tests.benchmarks.results --derive
	@python -m cdk.monitoring.reference
	@python -m cdk.monitoring.grafana.dashboards

# This machine

.PHONY: run monitor token demo roi redrive backfill invoke clean

run: .venv/ready ## Start everything here: PostgreSQL, a local AWS, the real stacks, the sample lab; PORT=8000 STRATEGY=cloudwatch|prometheus|hybrid
	@exec python -m cdk.local --stack $(STACK) run --port $(PORT) --strategy $(STRATEGY)

monitor: .venv/ready ## Watch what runs here by Prometheus, and Grafana where there is one; PROMETHEUS_PORT=9090 GRAFANA_PORT=3000
	@exec python -m cdk.local --stack $(STACK) monitor --prometheus-port $(PROMETHEUS_PORT) --grafana-port $(GRAFANA_PORT)

token: .venv/ready ## Print a token of ROLE=user, power_user or admin, valid 24 hours
	@exec python -m cdk.local --stack $(STACK) token --role $(ROLE)

demo: .venv/ready ## Replay the sample lab's 600 requests through the running API
	@exec python -m cdk.local --stack $(STACK) demo

roi: .venv/ready ## Show the reports of what it saves: MONTH=2026-11, FROM= TO= or PRESET=time-study; URL= TOKEN= of a deployment; HTML=report.html
	@exec python -m cdk.local --stack $(STACK) roi $(MONTH:%=--month %) $(FROM:%=--from %) $(TO:%=--to %) $(PRESET:%=--preset %) $(if $(URL),--url "$(URL)" --token "$(TOKEN)") $(HTML:%=--html %)

redrive: .venv/ready ## Hand to ingest what did not reach the database: failed batches, dead letters, a day's log; SINCE=2026-11-22T00:00:00Z
	@exec python -m cdk.local --stack $(STACK) redrive $(SINCE:%=--since %)

backfill: .venv/ready ## Reckon the reports of past months anew, and keep what is new: SINCE=2026-01-01 UNTIL=2026-06-30
	@exec python -m cdk.local --stack $(STACK) backfill $(SINCE:%=--since %) $(UNTIL:%=--until %)

invoke: .venv/ready ## Call one function past the gateway: FUNCTION=allocations EVENT=events/auto_allocation.json
	@exec python -m cdk.local --stack $(STACK) invoke --name $(FUNCTION) --event $(EVENT)

clean: ## Stop what runs here and forget everything: data, deployment, tools in .run/
	@if [ -x $(BIN)/python ]; then exec python -m cdk.local clean; else rm -rf .run; fi

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

# AWS
.PHONY: layer sbom audit restore-drill deploy user cost

DEPLOYMENT ?= DynoAgent

layer: .venv/ready ## Build the Lambda layers; RELEASE=1 refuses uncompiled ones
	@python -m cdk.layers $(if $(RELEASE),--release)
	@python -m cdk.sbom .run/layers/sbom.json

sbom: .venv/ready ## Write what is shipped, as CycloneDX, into .run/sbom.json
	@python -m cdk.sbom .run/sbom.json

audit: .venv/ready ## Ask whether anything is known against what the lock files pin; STRICT=1 fails where nobody can be asked
	@python -m cdk.audit $(if $(filter-out 0,$(STRICT)),--strict)

deploy: .venv/ready ## Deploy to AWS: STRATEGY=cloudwatch|prometheus|hybrid, ARGS="-c alarm_email=…"
	@python -m cdk.deploy -c name=$(DEPLOYMENT) -c monitoring=$(STRATEGY) $(ARGS)

restore-drill: .venv/ready ## Restore the database beside itself, compare and delete: of DEPLOYMENT=… on AWS, or with HERE=1 of what runs here
	@exec python -m cdk.restore $(if $(HERE),--stack $(STACK),--name "$(DEPLOYMENT)")

cost: .venv/ready ## Compare what each strategy costs a month on AWS, offline: ARGS="-c traffic=250000" or ARGS=--json
	@python -m cdk.cost $(ARGS)

user: .venv/ready ## Let somebody sign in on AWS, or change their role: EMAIL=… ROLE=user|power_user|admin; DISABLE=1, ENABLE=1; ERASE=1 deletes them
	@python -m cdk.users --name "$(DEPLOYMENT)" --email "$(EMAIL)" $(if $(ERASE),--erase,$(if $(DISABLE),--disable,$(if $(ENABLE),--enable,--role "$(ROLE)")))
