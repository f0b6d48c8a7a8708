# Every command of the project. `make` alone lists them; CI runs these and nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo up render cost bootstrap images test test-cluster bench prove pictures check audit fix clean

# A script's own folder must not shadow the standard library.
export PYTHONSAFEPATH := 1
# Container images often forbid bytecode; then each of our many processes would compile Pulumi's SDKs anew, for seconds.
unexport PYTHONDONTWRITEBYTECODE
# Trust what the machine trusts: a company's own certificate authority is found where its administrator put it.
export UV_SYSTEM_CERTS := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# A company's proxy knows no way back to this machine.
comma := ,
NO_PROXY := $(or $(no_proxy),$(NO_PROXY))
export NO_PROXY := $(if $(NO_PROXY),$(NO_PROXY)$(comma))127.0.0.1,localhost
export no_proxy := $(NO_PROXY)

# What the targets install lies in the checkout, or, where that is read-only, in the user's cache.
ifeq ($(shell test -w . && echo writable),writable)
INSTALL := .
else
INSTALL := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vodstack/$(shell echo "$(CURDIR)" | cksum | cut -d ' ' -f 1)
export UV_PROJECT_ENVIRONMENT := $(INSTALL)/.venv
endif
UV_VERSION := 0.13.9
# Quoted wherever it stands, for a path may hold spaces; relative in a checkout, for pip writes no such path into a script.
UV := "$(or $(shell command -v uv),$(INSTALL)/.tools/bin/uv)"
ACTIONLINT_VERSION := 1.7.12
ACTIONLINT := .cache/actionlint-$(ACTIONLINT_VERSION)/actionlint
# One more than there are cores: many tests wait for a process, a lease or a signal.
TEST_WORKERS := $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
RUN := $(UV) run --frozen --all-packages --group dev
SYNC := $(UV) sync --frozen --all-packages --group dev

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## Install everything the other targets need (they do it themselves)
	@test -x $(UV) || { echo "uv is not on PATH: bringing it into $(INSTALL)/.tools" \
	  && python3 -m venv "$(INSTALL)/.tools" \
	  && "$(INSTALL)/.tools/bin/python" -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@$(SYNC) --check --quiet 2> /dev/null || { test -d "$${UV_PROJECT_ENVIRONMENT:-.venv}" \
	  || echo "first run: about 0.4 GB come from the package registry, and take 1.4 GB here once they are unpacked"; \
	  $(SYNC) $$(test -t 2 || echo --quiet); }

# A path as the shell takes it whole, whatever is in it.
quoted = '$(subst ','\'',$(value $(1)))'
PORTS = $(if $(PORT),--port $(PORT)) $(if $(METRICS_PORT),--metrics-port $(METRICS_PORT))
# Ctrl-C and SIGTERM end make itself: a recipe that failed besides would add a line of noise to that.
RUN_UNTIL_STOPPED := $(RUN) vodstack --stopped-status 0

demo: setup ## Process a video, show the result (VIDEO=path, or a clip made for it; KEEP=folder keeps the renditions)
	@$(RUN_UNTIL_STOPPED) demo $(if $(VIDEO),$(call quoted,VIDEO)) $(if $(KEEP),--keep $(call quoted,KEEP)) $(PORTS) $(ARGS)

up: setup ## Run the whole stack on this machine until Ctrl-C (PORT=8080 METRICS_PORT=9090)
	@$(RUN_UNTIL_STOPPED) up $(PORTS)

render: setup ## Write a stack's Kubernetes objects as YAML (STACK=dev DIRECTORY=.vodstack/manifests)
	@$(RUN) vodstack render --stack $(or $(STACK),dev) $(or $(DIRECTORY),.vodstack/manifests)

cost: setup ## Show what a stack costs by the month and by the hour of video, at list prices (STACK=dev ARGS=--help)
	@$(RUN) vodstack cost --stack $(or $(STACK),dev) $(ARGS)

bootstrap: setup ## Make the bucket of Pulumi's state and a stack's key on AWS, print the login lines (ARGS=--help)
	@$(RUN) vodstack bootstrap $(ARGS)

images: setup ## Build the images of API and worker with docker, podman or buildah (ARGS=--help)
	@$(RUN) vodstack images $(ARGS)

test: setup ## Run the tests: real ffmpeg, the API over HTTP, the Pulumi program on moto
	$(RUN) pytest -n $(TEST_WORKERS) --dist loadscope $(ARGS)

test-cluster: setup ## Ask a real Kubernetes API server about every manifest (needs Go; builds the server once, in minutes)
	TEST_CLUSTER=1 $(RUN) pytest tests/cluster $(ARGS)

prove: setup ## Run what is slow or random by nature: kills, images (QUICK=1: random kills of workers, under 3 minutes)
	$(if $(QUICK),PROVE_QUICK=1) $(RUN) pytest -m prove $(if $(QUICK),-n 2 tests/worker/test_chaos.py) $(ARGS)

bench: setup ## Measure memory; ONLY=api or worker, beside a peer (PEER=URL), or fairness; QUICK=1 (docs/benchmarks.md)
	$(if $(QUICK),BENCH_QUICK=1) PYTHONPATH=bench $(RUN) python bench/$(or $(ONLY),memory).py \
	  $(if $(PEER),--peer "$(PEER)") $(ARGS)

pictures: setup ## Draw and take the pictures of the docs (ONLY=architecture, demo or pages; needs Chromium and npm)
	PYTHONPATH=$(CURDIR) $(RUN) --group pictures python docs/pictures $(ONLY)

check: setup ## Lint, types, import directions, lock file, workflows, known vulnerabilities
	$(UV) lock --check
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) pyright
	$(RUN) pyright --pythonplatform Darwin platform app worker
	$(RUN) lint-imports
	$(RUN) zizmor --offline --quiet .github/workflows
	@$(MAKE) --no-print-directory audit
	@test -x $(ACTIONLINT) || ! command -v go > /dev/null \
	  || GOBIN="$(CURDIR)/$(dir $(ACTIONLINT))" go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT_VERSION) || true
	@if test -x $(ACTIONLINT); then $(ACTIONLINT) && echo "actionlint: the workflows are right"; \
	  else echo "actionlint: SKIPPED, the workflows were not checked: Go, which builds it, is absent or could not fetch it"; fi

# uv says 1 for findings, and 2 for whatever else went wrong.
audit: setup ## Look up known vulnerabilities of the locked packages at osv.dev (ARGS=--help)
	@said=$$(UV_HTTP_TIMEOUT=20 UV_HTTP_RETRIES=1 $(UV) audit --frozen --preview-features audit-command $(ARGS) 2>&1); status=$$?; \
	  if test $$status = 2 && grep -q "error sending request" <<< "$$said"; then \
	  echo "audit: SKIPPED, the locked packages were not looked up: the advisories cannot be reached from here"; \
	  else echo "$$said"; exit $$status; fi

fix: setup ## Format, and mend what the linter can
	$(RUN) ruff format
	$(RUN) ruff check --fix

clean: ## Remove what the other targets made
	rm -rf .venv .tools .vodstack .cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
