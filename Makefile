# The words of this project. `make setup` comes by itself with each of the others.
.PHONY: setup lock docs demo serve check check-infra test bench soak deploy clean
.DEFAULT_GOAL := help

python := .venv/bin/python

help:
	@echo "make demo    set up, then run a real pipeline on this machine and show its result"
	@echo "make test    set up, then run every test that needs no cloud"
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
	@.venv/bin/canalis demo

serve: setup
	@.venv/bin/canalis serve

check: setup
	@$(python) -m ruff format --check --quiet . || { echo "make check: '$(python) -m ruff format .' mends it"; exit 1; }
	@$(python) -m ruff check --quiet .
	@$(python) -m mypy

check-infra:
	@scripts/setup-infra
	@$(python) -m pytest tests/infra

test: setup
	@$(python) -m pytest

bench: setup
	@$(python) -m benchmarks

soak: setup
	@$(python) -m pytest -m soak -n0 -s

deploy: setup
	@.venv/bin/canalis deploy $(ARGUMENTS)

clean:
	rm -rf .venv .venv-infra .canalis .pytest_cache .mypy_cache .ruff_cache
