# One word per chore. `make run` and `make test` need python3 (3.11+, with venv), make and git; nothing else.

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
# Installs what the lock names, and leaves alone what another chore installed.
SYNC := $(UV) sync --quiet --frozen --compile-bytecode --inexact --python $(PYTHON)
ARGS ?=
PYTEST_ARGS ?=
# How many processes pass tests side by side; 0 is pytest's own, for `-s` and `--pdb`.
PROCESSES ?= auto

.DEFAULT_GOAL := help
.PHONY: help run test lint format proto proto-baseline bench profile guard clean

help:  ## Shows this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The tool that installs everything else, pinned, in a folder of its own. Its name changes with its version.
$(UV)-$(UV_VERSION):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

run: $(UV)-$(UV_VERSION)  ## Starts the whole gateway on loopback (ARGS="--config my.yaml")
	@test -x .venv/bin/runestone || echo "Installing what is needed to run; this happens once."
	@$(SYNC) --no-dev
	@exec .venv/bin/runestone up $(ARGS)

.PHONY: mesh
mesh: $(UV)-$(UV_VERSION)  ## Starts it behind a real Envoy, with TLS and several replicas (ARGS="--edges 3 --replicas 2 --port 8443")
	@$(SYNC) --no-dev --group mesh
	@exec .venv/bin/runestone mesh $(ARGS)

.PHONY: chat-room
NAME ?= $(shell id -un)
chat-room: $(UV)-$(UV_VERSION)  ## Joins a chat room in the terminal, beside `make run` (NAME=ann, ARGS="--room lobby --model fast")
	@$(SYNC) --no-dev --group client
	@exec .venv/bin/python sdk/python/examples/chat_room.py $(NAME) $(ARGS)

test: $(UV)-$(UV_VERSION) .tools/envoy-protos/.installed  ## Passes the tests; says which were skipped, and why (PYTEST_ARGS="-k cache", PROCESSES=0)
	@$(SYNC)
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory node
	.venv/bin/pytest -r fEs --numprocesses $(PROCESSES) --maxprocesses 4 --dist worksteal $(PYTEST_ARGS)

# Envoy's own protos hold files of five other libraries (`cel/__init__.py` for one): they must not be installed beside those.
.tools/envoy-protos/.installed: uv.lock | $(UV)-$(UV_VERSION)
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(UV) export --quiet --frozen --only-group envoy-protos --format requirements.txt --output-file $(@D)/locked.txt \
	  --no-emit-package grpcio --no-emit-package protobuf --no-emit-package typing-extensions > /dev/null
	@$(UV) pip install --quiet --python $(PYTHON) --target $(@D) --no-deps --require-hashes -r $(@D)/locked.txt
	@touch $@

# Where clients in JavaScript are tried, each with a lock of its own. Without node their tests are skipped, and say so.
NODE_FOLDERS := tests/e2e/phoenix sdk/typescript
.PHONY: node
node: $(NODE_FOLDERS:%=%/node_modules/.installed) sdk/typescript/dist/.built  ## Installs what the tests of clients in JavaScript need

%/node_modules/.installed: %/package-lock.json
	@cd $* && npm ci --silent --no-audit --no-fund && touch node_modules/.installed

# The suite that WebSocket implementations are measured by runs on Python 2.7 only: it is tried where there is one.
AUTOBAHN := .tools/autobahn
.PHONY: autobahn
autobahn: $(AUTOBAHN)/bin/wstest  ## Installs Autobahn's WebSocket suite, which needs a Python 2.7

$(AUTOBAHN)/bin/wstest:
	@for python in python2.7 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do \
	  if "$$python" -c "import pip" >/dev/null 2>&1; then \
	    PYTHONUSERBASE="$(CURDIR)/$(AUTOBAHN)" exec "$$python" -W ignore -m pip install -q \
	      --disable-pip-version-check --no-warn-script-location --user autobahntestsuite==25.10.1; \
	  fi; \
	done; echo "there is no Python 2.7 with pip" >&2; exit 1

sdk/typescript/dist/.built: sdk/typescript/node_modules/.installed sdk/typescript/tsconfig.json $(wildcard sdk/typescript/src/*.ts)
	@cd sdk/typescript && npm run --silent build && touch dist/.built

.PHONY: room-page
room-page: sdk/typescript/dist/.built  ## Serves a page that shares a room, beside `make run`; node and npm are needed (ARGS="--port 8000 --gateway URL")
	@exec node sdk/typescript/examples/serve.mjs $(ARGS)

# What the checks need beside what the tests need.
.PHONY: checkers
checkers: $(UV)-$(UV_VERSION)
	@$(SYNC) --group lint

lint: checkers  ## Checks style, format, types, and that the stubs are the protos'
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python services/protos/generate.py --check

format: checkers  ## Formats the source, and mends what can be mended safely
	.venv/bin/ruff check --fix --quiet
	.venv/bin/ruff format

proto: checkers  ## Writes the stubs anew after a change of proto/
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python services/protos/generate.py

.PHONY: openapi
openapi: checkers  ## Writes the edge's OpenAPI document anew after a change of gateway-edge/openapi
	.venv/bin/python gateway-edge/openapi/assemble.py

.PHONY: envoy-config
envoy-config: checkers  ## Writes Envoy's configuration for compose and the chart anew after a change of launcher/envoy
	.venv/bin/python deploy/envoy/render.py

proto-baseline: checkers  ## Declares today's protos to be what callers may rely on
	PYTHONPATH=tests .venv/bin/python -m contract.baseline

.PHONY: meters
meters: $(UV)-$(UV_VERSION)
	@$(SYNC) --group bench

# What is measured by itself, each a table of its own in bench/README.md.
BENCH_PARTS := cache_lookup cache_memory zipf pipeline translation first_token large_bodies batching routing many_streams idle_sockets channel_streams room_fanout
bench: meters  ## Measures the cost of a call (PEERS=1 beside others, PARTS=1 also its parts, WRITE=1 rewrites the tables, ROUNDS=n)
	.venv/bin/python -m bench
	@$(if $(PARTS),for part in $(BENCH_PARTS); do echo "== $$part"; .venv/bin/python -m bench.$$part || exit 1; done)

profile: meters  ## Writes a flame graph of each process under load (ARGS="--case paced --out FOLDER")
	.venv/bin/python -m bench.profile $(ARGS)

guard: meters  ## Compares the CPU of a call with the last landed figure (UPDATE=1 lands today's)
	.venv/bin/python -m bench.guard

.PHONY: chart
chart: $(UV)-$(UV_VERSION)  ## Lints, renders, validates and checks the Helm chart (UPDATE=1 rewrites golden renders, README, kustomize base)
	@$(SYNC)
	@$(if $(UPDATE),PYTHONPATH=deploy/k8s/tests .venv/bin/python -m charting)
	.venv/bin/pytest -r fEs deploy/k8s/tests $(PYTEST_ARGS)

# Prometheus' own checker, without its server being installed: one file of Debian's package (19 MB).
.PHONY: promtool
promtool: .tools/prometheus/usr/bin/promtool  ## Brings promtool, with which the tests play the alerts, where there is apt

.tools/prometheus/usr/bin/promtool:
	@rm -rf .tools/prometheus && mkdir -p .tools/prometheus
	@cd .tools/prometheus && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } && dpkg-deb --extract prometheus_*.deb . && rm -rf prometheus_*.deb usr/bin/prometheus usr/share

.PHONY: dashboards
dashboards: $(UV)-$(UV_VERSION)  ## Writes the chart's Grafana dashboards anew after a change of deploy/observability/dashboards
	@$(SYNC)
	@PYTHONPATH=deploy/observability .venv/bin/python -m dashboards

.PHONY: chaos
chaos: meters  ## Breaks providers at random for five minutes under load, and counts lost calls (ARGS="--minutes 1 --seed 7")
	PYTHONPATH=tests .venv/bin/python -m chaos.day_of_faults $(ARGS)

.PHONY: images base-images
images:  ## Builds an image for each service with Docker, and shows their sizes (ARGS="cache-svc --base python:3.11-slim-bookworm@sha256:...")
	@$(PYTHON) deploy/docker/build.py $(ARGS)

base-images:  ## Makes what the images stand on and run beside out of Debian's packages, where there is no registry (as root)
	@deploy/docker/base-images/make

.PHONY: sbom audit-deps
sbom: $(UV)-$(UV_VERSION)  ## Writes what is shipped as CycloneDX, all of it and each service (dist/sbom; ARGS="--out FOLDER")
	@$(PYTHON) -m supply.sbom --uv $(UV) $(ARGS)

audit-deps: $(UV)-$(UV_VERSION)  ## Asks for known vulnerabilities of what is shipped (ARGS=--strict: fails where nobody answers)
	@$(SYNC) --group advisories
	@.venv/bin/python -m supply.advisories --uv $(UV) $(ARGS)

clean:  ## Removes what was installed and cached; keeps the data directory
	rm -rf .venv .tools dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf $(NODE_FOLDERS:%=%/node_modules) sdk/typescript/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
