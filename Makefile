# Commands for people. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/plex-on-nixos
PYTHON := python3
VENV := $(CACHE)/venv/$(shell { cat requirements-dev.txt; $(PYTHON) --version; } | sha256sum | cut -c 1-16)
IN_VENV := $(VENV)/bin/python

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 20

.PHONY: sandbox
sandbox: $(VENV)/.complete ## From nothing to a serving host on this computer, without an account
	@$(IN_VENV) -m sandbox up

.PHONY: sandbox-down
sandbox-down: $(VENV)/.complete ## Take the sandbox away: no process, mount, namespace or file is left
	@$(IN_VENV) -m sandbox down

.PHONY: sandbox-ssh
sandbox-ssh: $(VENV)/.complete ## Log in to the sandbox's host, as its administrator
	@$(IN_VENV) -m sandbox ssh

.PHONY: toolchain
toolchain: $(VENV)/.complete ## Pulumi's engine, its Python host and the plugins, for the sandbox
	@$(IN_VENV) -m sandbox.toolchain

.PHONY: check
check: $(VENV)/.complete ## Format, lint, types, shell
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/shellcheck -x $$({ git ls-files '*.sh'; git grep -lE '^#!/bin/sh'; } | sort -u)

.PHONY: test
test: $(VENV)/.complete ## What CI runs for each change: some twenty minutes
	@$(IN_VENV) -m tests

.PHONY: test-all
test-all: $(VENV)/.complete ## Every test, also what takes long (all faults, visitors, several stacks, other dates, power cuts): about two hours
	@$(IN_VENV) -m tests --all

.PHONY: test-fleet
test-fleet: $(VENV)/.complete ## Three stacks made and kept by `python -m fleet`, one of them broken
	@$(IN_VENV) -m tests fleet

.PHONY: faults
faults: $(VENV)/.complete ## Everything that was tried to break a host, a line for each fault that it withstood
	@$(IN_VENV) -m tests faults

.PHONY: test-edge
test-edge: $(VENV)/.complete ## What visitors meet, with a scanner, a flood, and who takes a minute
	@$(IN_VENV) -m tests edge

.PHONY: test-unit
test-unit: $(VENV)/.complete ## The quick tests alone
	@$(IN_VENV) -m pytest -n2 tests/unit

.PHONY: test-nixos
test-nixos: $(VENV)/.complete ## Hold the configuration against a real nixpkgs (NIXPKGS=/path or pinned; else NIX_PATH's)
	@NIXPKGS='$(NIXPKGS)' $(IN_VENV) -m tests.nixos

.PHONY: test-vm
test-vm: $(VENV)/.complete ## Boot the configuration in a virtual machine: takes Nix, KVM and a nixpkgs, as test-nixos
	@NIXPKGS='$(NIXPKGS)' $(IN_VENV) -m tests.vm

.PHONY: bench
bench: $(VENV)/.complete ## What an `up` takes: with nothing to do, over a slow line, for several stacks; into docs/bench.md
	@$(IN_VENV) -m benchmarks.up

.PHONY: bench-media
bench-media: $(VENV)/.complete ## What the mount's flags are worth, into docs/media-bench.md: 70 minutes (QUICK=1: 5, nothing written)
	@$(IN_VENV) -m benchmarks.media $(if $(QUICK),--quick)

.PHONY: pins
pins: $(VENV)/.complete ## Pin the newest NixOS release (RELEASE=…: another), and the installer (ARCHITECTURE=aarch64: for Arm)
	@$(IN_VENV) -m components.make_pins $(ARCHITECTURE:%=--architecture=%) $(RELEASE:%=--release=%)

.PHONY: ssh-key
ssh-key: $(VENV)/.complete ## One of the stack's SSH keys as its host keeps it (KEY=deploy or KEY=host), from its exported state
	@$(IN_VENV) -m components.ssh_key $(KEY)

.PHONY: requirements
requirements: $(VENV)/.complete ## Pin requirements*.txt anew, with hashes
	@set -- --python-version 3.11 --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links -q; \
	$(VENV)/bin/uv pip compile "$$@" --upgrade requirements.in -o requirements.txt && \
	$(VENV)/bin/uv pip compile "$$@" --upgrade -c requirements.txt requirements-dev.in -o requirements-dev.txt

.PHONY: docs
docs: $(VENV)/.complete ## Make docs/configuration.md of Pulumi.yaml, and draw docs/architecture.dot (takes graphviz)
	@$(IN_VENV) -m components.make_reference
	@dot -Tsvg docs/architecture.dot -o docs/architecture.svg

.PHONY: venv
venv: $(VENV)/.complete ## The Python environment of the sandbox and the tests; prints its python
	@echo $(IN_VENV)

# One at a time, where the computer has flock: two that fill the same folder leave half of each.
$(VENV)/.complete:
	@mkdir -p $(dir $(VENV))
	@$(if $(shell command -v flock),flock $(VENV).lock) $(MAKE) --no-print-directory new-venv

.PHONY: new-venv
new-venv:
	@[ ! -e $(VENV)/.complete ] || exit 0; \
	echo "Python packages into $(VENV)"; \
	$(PYTHON) -m venv --clear $(VENV) || { echo 'python3 cannot make virtual environments: apt install python3-venv' >&2; exit 1; }; \
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt && \
	touch $(VENV)/.complete
