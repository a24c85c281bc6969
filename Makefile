# Every target may be run again. A Python of your choice: make PYTHON=python3.13 test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# where it is set, as in many containers, each process of the tests would compile again what all others have compiled
export PYTHONDONTWRITEBYTECODE :=
# uv installs the same versions as pip, in a fraction of the time; an index that pip's settings name, it may not know
install = $(if $(shell command -v uv 2>/dev/null),uv pip install --python $(BIN)/python --quiet \
	--constraints constraints.txt --build-constraints constraints.txt --editable $(1) ||) \
	PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip install --quiet --editable $(1)
# what is typed reaches the command as it is, whatever signs a shell or make knows are in it
quoted = '$(subst ','\'',$(value $(1)))'
option = $(if $(value $(1)),--$(1) $(call quoted,$(1)))
# sample: begin
# both: alembic would prefer a MIGRATION_DATABASE_URL of the caller's
DEMO_DATABASE := DATABASE_URL=sqlite:///$(VENV)/demo.db MIGRATION_DATABASE_URL=sqlite:///$(VENV)/demo.db
# sample: end

# one process for each core, each with its own PostgreSQL
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo setup test check aggregate field remove fork drop-sample update doctor tried mutants cluster bench rehearsal format constraints

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

# sample: begin
demo: $(VENV)/.run-time ## Walk through the life of users, on a database of its own
	@rm -f $(VENV)/demo.db*
	@$(DEMO_DATABASE) $(BIN)/alembic upgrade head
	@$(DEMO_DATABASE) $(BIN)/python docs/demo.py
# sample: end

setup: $(VENV)/.development ## Make the environment for development, and a migrated app.db
	@$(BIN)/alembic upgrade head

test: $(VENV)/.development ## Run every test, on memory, SQLite and a PostgreSQL that it starts itself
	@$(BIN)/pytest $(PARALLEL)

check: $(VENV)/.development ## Run all that a change must pass: format, lint, types, imports, migrations, tests with coverage
	$(BIN)/ruff format --check || { echo "Run: make format"; exit 1; }
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m migrations.seedwork.lint
	$(BIN)/pytest $(PARALLEL) --cov

fork: $(VENV)/.development ## Begin a service of your own: name=...
	@$(BIN)/python -m scaffold fork $(call quoted,name)

# sample: begin
drop-sample: $(VENV)/.development ## Take users out of every layer; keep-history=1 drops their table by a new revision
	@$(BIN)/python -m scaffold drop-sample $(if $(keep-history),--keep-history)
# sample: end

update: tried ## Take what is new in the template: to=v1.3, dry-run=1 shows it only
	@$(BIN)/python -m scaffold update $(call option,to) $(call option,source) $(call option,from) $(call option,in) \
		$(if $(dry-run),--dry-run)

doctor: tried ## Say what is not as it should be, and the command that mends it: json=1 for programs
	@$(BIN)/python -m scaffold doctor $(if $(json),--json)

aggregate: $(VENV)/.development ## Write an aggregate: name=patient fields="chart_number:str(20):unique born:date"
	@$(BIN)/python -m scaffold aggregate $(call quoted,name) $(call quoted,fields)

field: $(VENV)/.development ## Add fields to an aggregate that was written so: name=patient fields="vip:bool:default=false"
	@$(BIN)/python -m scaffold field $(call quoted,name) $(call quoted,fields)

remove: $(VENV)/.development ## Remove an aggregate that was written so: name=patient, and force=1 if it was edited
	@$(BIN)/python -m scaffold remove $(call quoted,name) $(if $(force),--force)

# groundwork: begin
mutants: $(VENV)/.development ## Break each rule on purpose, in a copy without your aggregates, and check that a test fails
	@$(BIN)/python -m tests.seedwork.mutants

cluster: $(VENV)/.development ## Kill the primary of a cluster again and again under load, and count what is lost: rounds=20
	@$(BIN)/python -m tests.seedwork.failing_over $(or $(rounds),20)

bench: $(VENV)/.benchmark ## Measure what the unit of work costs, and its alternatives, in 5 minutes
	@$(BIN)/python -m benchmarks

rehearsal: $(VENV)/.development ## Test seedwork without your aggregates, take the whole way of a fork, replay the tutorial
	@$(BIN)/python -m tests.seedwork.bare
	@$(BIN)/python -m scaffold.rehearsal
	@$(BIN)/python -m scaffold.tutorial
	@$(BIN)/pytest -m rehearsal tests/scaffold
# groundwork: end

format: $(VENV)/.development ## Format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

constraints: ## Renew constraints.txt, and uv's copy of it, with the newest versions that pyproject.toml allows
	@rm -rf $(VENV)/newest
	@$(PYTHON) -m venv $(VENV)/newest
	@$(VENV)/newest/bin/python -m pip install --quiet '.[bench]' hatchling editables # groundwork
	@$(VENV)/newest/bin/python -m pip install --quiet '.[dev]' hatchling editables
	@$(VENV)/newest/bin/python -m pip freeze | grep -v ' @ file:' > constraints.txt
	@rm -rf $(VENV)/newest
	@awk 'FNR == NR {pins = pins "    \"" $$0 "\",\n"; next} /^constraint-dependencies = / {print; printf "%s", pins; old = 1} \
		/^]/ {old = 0} !old' constraints.txt pyproject.toml > $(VENV)/pyproject.toml
	@mv $(VENV)/pyproject.toml pyproject.toml

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another one: make PYTHON=python3.11 $(MAKECMDGOALS)" % sys.version_info[:2])'
	@echo "Making $(VENV) and installing into it, once ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run-time: $(BIN)/python pyproject.toml constraints.txt
	@$(call install,'.[cli]')
	@touch $@

$(VENV)/.development: $(BIN)/python pyproject.toml constraints.txt
	@$(call install,'.[dev]')
	@touch $@ $(VENV)/.run-time

# what names or mends a fault begins also where that fault keeps the packages from being installed
tried: $(BIN)/python
	@$(MAKE) --silent --no-print-directory $(VENV)/.development || echo "Going on with the packages that are there." >&2

# groundwork: begin
$(VENV)/.benchmark: $(BIN)/python pyproject.toml constraints.txt
	@$(call install,'.[bench]')
	@touch $@ $(VENV)/.development $(VENV)/.run-time
# groundwork: end
