# What a developer does here; `make` alone lists it. Python 3.11, make and git are all it assumes:
# tools/bootstrap finds or installs the rest into the user's cache.
#
# ARGS="…" is handed to the command behind dev, test, bench and cluster.

PYTHON ?= python3
ARGS ?=
SEEDS ?= 1-100

export PYTHONPATH := $(CURDIR)/tools:$(CURDIR)

WITH := $(PYTHON) -m bootstrap run --need uv
RUN := $(WITH) -- uv run --no-sync

.DEFAULT_GOAL := help
.PHONY: help setup dev test verify simulate drills catch-up-drill soak bench generate cluster cluster-down clean \
	bench-scale bench-time bench-telemetry time-exhaustive time-fuzz time-zones

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the locked environment into .venv
	@$(WITH) -- uv sync --frozen --quiet

dev: setup ## run everything in one process, on SQLite: gRPC on :7420, HTTP on :7480
	@$(WITH) --want gateway -- uv run --no-sync tickwheel dev $(ARGS)

test: setup ## run all tests, on real engines (TICKWHEEL_REQUIRE_ALL=1: a skip is a failure)
	@$(PYTHON) -m engines fetch || true
	@for tool in promtool otelcol; do $(PYTHON) -m bootstrap path $$tool >/dev/null || true; done
	$(WITH) --need go -- go test -C server/gateway ./...
	$(WITH) --need go --need node -- uv run --no-sync pytest $(ARGS)

verify: setup ## check style, types, layers, the contract, and that what is generated is current
	$(WITH) -- uv lock --check --quiet
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) basedpyright
	$(RUN) lint-imports
	$(WITH) --need go --need node -- uv run --no-sync python tools/codegen/verify.py
	$(WITH) --need go -- go vet -C server/gateway ./...
	$(WITH) --need go -- go vet -C examples/executor-go ./...
	$(WITH) --need go -- go vet -C bench/peers/river ./...

simulate: setup ## run the whole in simulated time: SEEDS="1-500", ARGS="--shrink" cuts failures down
	@$(RUN) python -m simulator $(SEEDS) $(ARGS)

drills: setup ## break real processes under load: ARGS="kill-worker", ARGS=--list says which there are
	$(WITH) --want gateway -- uv run --no-sync python -m drills $(ARGS)

catch-up-drill: setup ## stop `tickwheel dev` for 90 s under jobs with each catch-up setting: ARGS="--outage 30"
	@$(RUN) python -m catchup $(ARGS)

soak: setup ## half of the peak rate for 30 minutes, memory sampled: ARGS="--minutes 5 --rate 500"
	$(WITH) --want gateway -- uv run --no-sync python -m drills.soak $(ARGS)

bench: setup ## measure this checkout on both engines, and peers: ARGS="W2 W3 --quick --peers all"
	$(WITH) --want gateway -- uv run --no-sync python -m bench $(ARGS)

bench-scale: setup ## measure what more schedulers and stored jobs cost: ARGS=--help lists what there is
	$(WITH) --want gateway -- uv run --no-sync python -m scale $(ARGS)

bench-time: setup ## measure schedules alone: ARGS=--check holds the limits
	@$(RUN) python bench/schedule_bench.py $(ARGS)

bench-telemetry: setup ## measure what metrics and traces cost: ARGS="--starts 3"
	@$(RUN) python bench/telemetry_bench.py $(ARGS)

time-exhaustive: setup ## every change of the clock of every zone until 2100, and 20 times the random cases
	TICKWHEEL_TIME_EFFORT=20 $(RUN) pytest tests/schedule --timeout 14400 -m "exhaustive or not exhaustive" $(ARGS)

time-fuzz: setup ## feed the readers of schedules 10 million bytes of damaged expressions
	PYTHONPATH="$$PYTHONPATH:tests" $(RUN) python -m schedule.fuzz $(ARGS)

time-zones: setup ## write docs/time-zones.md anew, after a new release of tzdata
	@$(RUN) python -m zonetable

generate: setup ## write gen/ anew from api/proto
	$(WITH) --need go --need node -- uv run --no-sync python tools/codegen/generate.py

cluster: setup ## run every part as a process of its own, on real Cassandra and Kafka, in the background
	@$(WITH) --want gateway -- uv run --no-sync python -m localcluster up $(ARGS)

cluster-down: setup ## stop what `make cluster` has started; its data stays (ARGS=--wipe removes it)
	@$(RUN) python -m localcluster down $(ARGS)

clean: ## remove what was built and installed in this checkout
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
