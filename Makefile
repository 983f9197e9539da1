# The words of this project. `make setup` comes by itself with each of the others.
.PHONY: setup lock docs demo serve pictures check check-infra test test-azure bench soak deploy clean
.DEFAULT_GOAL := help

python := .venv/bin/python

# The tests start thousands of processes; where Python may keep nothing, each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make demo    set up, then run a real pipeline on this machine and show its result"
	@echo "             with DOOR=azure, through all that stands for Azure on this machine"
	@echo "make test    set up, then run every test that needs no cloud"
	@echo "make test-azure  those of the door in Azure alone, after a list of what stands for what"
	@echo "make pictures  of every page of the portal, at two widths and in two themes"
	@echo "make check   format, lint and types; seconds"
	@echo "make check-infra  the same for infra/, with policies; a minute the first time"
	@echo "make serve   serve the workspace of this folder until Ctrl-C"
	@echo "make bench   measure, against bare subprocess calls in the same run"
	@echo "make soak    the long searches"
	@echo "make deploy  everything into Azure; ARGUMENTS=--plan only says what would be done"

setup:
	@scripts/setup

lock: setup
	@scripts/lock

docs: setup
	@$(python) -m tests.house.reference

demo: setup
ifeq ($(DOOR),azure)
	@scripts/setup-azure
	@$(python) -m tests.azure.demo
else
	@.venv/bin/canalis demo
endif

serve: setup
	@.venv/bin/canalis serve

check: setup
	@$(python) -m ruff format --check --quiet . || { echo "make check: '$(python) -m ruff format .' mends it"; exit 1; }
	@$(python) -m ruff check --quiet .
	@$(python) -m mypy

check-infra:
	@scripts/setup-infra
	@$(python) -m pytest tests/infra

test:
	@scripts/setup-azure --if-possible
	@scripts/setup-browser --if-possible
	@$(python) -m pytest
	@CANALIS_DOOR=azure $(python) -m pytest tests/scenes

test-azure:
	@scripts/setup-azure
	@$(python) -m tests.azure.demo --parts
	@$(python) -m pytest -k azure tests/azure tests/contract
	@CANALIS_DOOR=azure $(python) -m pytest tests/scenes

pictures:
	@scripts/setup-browser
	@$(python) -m tests.portal.pictures $(ARGUMENTS)

bench: setup
	@$(python) -m benchmarks

soak: setup
	@$(python) -m pytest -m soak -n0 -s

deploy: setup
	@.venv/bin/canalis deploy $(ARGUMENTS)

clean:
	rm -rf .venv .venv-infra .canalis .pytest_cache .mypy_cache .ruff_cache
