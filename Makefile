# The words of this project. `make setup` comes by itself with each of the others.
.PHONY: setup lock docs demo serve check test bench soak clean
.DEFAULT_GOAL := help

python := .venv/bin/python

help:
	@echo "make demo    set up, then run a real pipeline on this machine and show its result"
	@echo "make test    set up, then run every test that needs no cloud"
	@echo "make check   format, lint and types; seconds"
	@echo "make serve   serve the workspace of this folder until Ctrl-C"
	@echo "make bench   measure, against bare subprocess calls in the same run"
	@echo "make soak    the long searches"

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

test: setup
	@$(python) -m pytest

bench: setup
	@$(python) -m benchmarks

soak: setup
	@$(python) -m pytest -m soak -n0 -s

clean:
	rm -rf .venv .canalis .pytest_cache .mypy_cache .ruff_cache
