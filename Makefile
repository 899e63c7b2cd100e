# On a fresh machine each target sets up what it needs: uv, Python packages, PostgreSQL. `make` alone lists the targets.
# ARGS goes to the command: make run ARGS="--collector-port 9000", make test ARGS="-k maintain".

BIN := .venv/bin
READY := .venv/.ready
SOURCES := $(wildcard apps/*/src)

.DEFAULT_GOAL := help
.PHONY: help run demo test lint format docs bench

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Run PostgreSQL, the collector and the query service here, until Ctrl-C
	@$(BIN)/tracker up $(ARGS)

demo: $(READY) ## The same, with simulated events coming in
	@$(BIN)/tracker up --demo $(ARGS)

test: lint ## Lint, then all tests with their coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(ARGS); status=$$?; $(BIN)/coverage combine --quiet; $(BIN)/coverage report; exit $$status

lint: $(READY) ## Style, formatting and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy --strict $(SOURCES)

format: $(READY) ## Put the code in form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(READY) ## Write the tables in docs/ that are made from the code
	@PYTHONPATH=tests/support $(BIN)/python -m rendered

bench: $(READY) ## Measure, and write docs/performance.md
	@$(BIN)/python -m bench $(ARGS)

$(READY): uv.lock pyproject.toml $(wildcard apps/*/pyproject.toml) scripts/setup
	@sh scripts/setup
	@touch $@
