.PHONY: help setup demo up down test bench chaos prompts

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: ## .venv and the Debian packages that are missing
	@./scripts/setup.sh

demo: setup ## everything from nothing to one real paid call
	@.venv/bin/ivr lab demo

up: setup ## the same, left running, to call in with a softphone
	@.venv/bin/ivr lab up

down: setup ## stop what `make up` left running
	@.venv/bin/ivr lab down

prompts: setup ## make the recordings that are missing or out of date
	@.venv/bin/ivr prompts build

test: ## every check and every test
	@./scripts/setup.sh postgresql chromium chromium-driver
	@./scripts/check.sh

bench: ## the benchmark's table (BENCH_JSON=path for its figures)
	@./scripts/setup.sh sip-tester postgresql
	@.venv/bin/python -m ivr.lab.bench

chaos: ## cut the process at every step of a payment, 2,000 times (CHAOS_JSON=path for its figures); 1,000 USSD sessions
	@./scripts/setup.sh postgresql
	@.venv/bin/python -m ivr.lab.chaos
	@.venv/bin/python -m ivr.lab.ussd_load
