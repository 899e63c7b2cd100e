# On a fresh machine each target sets up what it needs: uv, Python packages, PostgreSQL. `make` alone lists the targets.
# ARGS goes to the command: make run ARGS="--collector-port 9000", make test ARGS="-k maintain".

BIN := .venv/bin
READY := .venv/.ready
PLATFORM := .venv/.platform
AWS := infra/aws/.venv/.ready
TAG := dev
# Tests wait for databases, browsers and clocks more than they compute: two at a time keep a core at work. Those of `make check`
# compute, and each worker imports all tests first.
CORES = $(shell getconf _NPROCESSORS_ONLN)
WORKERS = $(shell echo $$(( 2 * $(CORES) )))
TESTS := --numprocesses $(WORKERS) --dist worksteal --durations 20 --ignore tests/platform
# These wait for brokers, sessions of consumers and containers. The tests of a file share what takes long to start. The files of
# Kafka are the first, because they take the longest.
PLATFORM_TESTS := --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder --durations 20
FUZZ_SECONDS := 120
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
SOURCES := $(wildcard apps/*/src)

# What is compiled once needn't be by each worker and each process that tests start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo test check coverage fuzz chaos lint format docs bench generate tracker-js images image-test compose compose-down minikube verify-platform aws-synth aws-test

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Run PostgreSQL, the collector, the query service and the dashboard here, until Ctrl-C
	@$(BIN)/tracker up $(ARGS)

demo: $(READY) ## The same, with simulated events coming in
	@$(BIN)/tracker up --demo $(ARGS)

test: lint ## Lint, then all tests
	@$(BIN)/pytest $(TESTS) $(ARGS)

check: lint ## Lint, then the tests that need no service: for while you work
	@$(BIN)/pytest $(TESTS) --numprocesses $(CORES) --without-services --ignore tests/cost --ignore tests/fuzz $(ARGS)

coverage: $(READY) ## All tests with their coverage: it takes a third longer
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(TESTS) $(ARGS); status=$$?; $(BIN)/coverage combine --quiet; $(BIN)/coverage report; exit $$status

fuzz: $(READY) ## Fuzz what reads requests: each of the seven readers for FUZZ_SECONDS
	@sh scripts/setup --inexact --group fuzz
	@for reader in body cursor query question funnel search sql; do \
	  echo "$$reader"; $(BIN)/python tests/fuzz $$reader $(FUZZ_SECONDS) || exit 1; \
	done

chaos: $(READY) ## Kill, stop and cut everything while it works, and check that all numbers stay right; ARGS="--seed 7 --seconds 120"
	@PYTHONPATH=tests:tests/support:apps/query/tests $(BIN)/python -m chaos $(ARGS)

lint: $(READY) ## Style, formatting, types, and who imports whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy --strict $(SOURCES)
	@$(BIN)/lint-imports --no-cache --no-logo

format: $(READY) ## Put the code in form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(READY) ## Write the tables in docs/ that are made from the code
	@PYTHONPATH=tests/support $(BIN)/python -m rendered

generate: $(PLATFORM) ## Write Grafana's dashboards and Kubernetes' PrometheusRule from their sources in infra/
	@$(BIN)/python infra/grafana/dashboards-src
	@$(BIN)/python k8s/components/monitoring/write_rules.py

tracker-js: ## Minify the browser's tracker, with Node's npx
	@sh scripts/tracker-js

images: ## Build the images, as event-tracker/{collector,query,dashboard,tracker,streams}:$(TAG)
	@for app in collector query dashboard tracker streams; do \
	  docker build --quiet --file infra/images/Dockerfile --target $$app --tag event-tracker/$$app:$(TAG) \
	    --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) . || exit 1; \
	done

image-test: $(PLATFORM) ## Test the images as they run; IMAGES=published takes those that are there already
	@$(BIN)/pytest tests/platform/test_images.py -v -rs $(ARGS)

compose: images ## Run all of it in containers, with Prometheus and Grafana; keeps the data of last time
	@sh scripts/dev-secrets compose
	@docker compose --file infra/compose.yaml up --detach --wait

compose-down: ## Stop what `make compose` runs; the data stays
	@docker compose --file infra/compose.yaml --profile '*' down

minikube: ## Bring all of it to Minikube through ArgoCD
	@scripts/minikube

verify-platform: $(PLATFORM) ## Check images, compose, Prometheus, Grafana, Kubernetes, ArgoCD and workflows, with the tools that are here
	@$(BIN)/pytest $(PLATFORM_TESTS) tests/platform -v -rs $(ARGS)

aws-synth: $(AWS) ## Write CloudFormation templates to infra/aws/cdk.out; DEPLOYMENT=FILE, or infra/aws/deployment.json
	@infra/aws/synth

aws-test: $(AWS) ## Test them: what is public, encrypted and allowed; cdk-nag, cfn-lint
	@cd infra/aws && .venv/bin/pytest $(ARGS)

bench: $(READY) ## Measure, and write docs/performance.md
	@$(BIN)/python -m bench $(ARGS)

$(READY): uv.lock pyproject.toml $(wildcard apps/*/pyproject.toml) scripts/setup
	@sh scripts/setup
	@touch $@

$(AWS): $(READY) infra/aws/uv.lock infra/aws/setup
	@infra/aws/setup
	@touch $@

$(PLATFORM): $(READY) scripts/platform-tools infra/aws/uv.lock
	@sh scripts/setup --group platform
	@sh scripts/platform-tools
	@touch $@
