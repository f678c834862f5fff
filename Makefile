# Every target sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
# VENV and PYTHON choose another environment: make test-unit VENV=.venv-3.13 PYTHON=python3.13
export VENV ?= .venv
PY := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.PHONY: setup
setup: ## virtual environment with pinned packages
	@sandbox/setup

.PHONY: demo
demo: setup ## plays a customer's life on a local control plane (KEEP=1 leaves it running)
	@$(PY) -m talkdesk_sandbox.demo $(if $(KEEP),--keep)

.PHONY: test
test: setup ## all tests (ARGS="-k name" for some)
	@$(PY) -m talkdesk_sandbox.controlplane build
	@$(PY) -m talkdesk_sandbox.controlplane helm >/dev/null
	@$(PY) -m talkdesk_sandbox.controlplane oauth2-proxy >/dev/null
	@$(PY) tests/all.py $(ARGS)

.PHONY: test-unit
test-unit: setup ## the fast lane: unit tests alone, properties with a fifth of their examples
	@$(PY) -m pytest -q --hypothesis-profile=fast -n 3 --dist=worksteal tests/unit $(ARGS)

.PHONY: rollout
rollout: setup ## rolls a new template out to 200 customers on a real API server, five of whom it breaks (ARGS=--customers=40)
	@$(PY) -m talkdesk_sandbox.controlplane build
	@$(PY) -m pytest -q tests/integration/stack/test_rollouts.py -k many_customers --customers=200 $(ARGS)

.PHONY: model
model: setup ## all interleavings of small worlds, the real code in them (ARGS=--night for two disturbances and all errors)
	@PYTHONPATH=tests $(PY) -m model $(ARGS)

.PHONY: model-mutants
model-mutants: setup ## seeds faults of one line into copies of the source: the model must find each
	@PYTHONPATH=tests $(PY) -m model --mutants $(ARGS)

.PHONY: fields
fields: setup ## changes every field of every kind while customers live (ARGS=--all for all values, ARGS='"users.scim"' for some)
	@PYTHONPATH=tests $(PY) -m fields $(ARGS)

.PHONY: torture
torture: setup ## crash at every write: a life for each kill, lost answer, error, late event (ARGS=--short, --only, --mutants)
	@$(PY) -m talkdesk_sandbox.controlplane build
	@PYTHONPATH=tests $(PY) -m torture $(ARGS)

.PHONY: chaos
chaos: setup ## 10,000 events while webhooks, operators and API server are killed (ARGS="--events 2000")
	@PYTHONPATH=tests $(PY) -m soak chaos $(ARGS)

.PHONY: hostile
hostile: setup ## a million requests of strangers at one webhook (ARGS="--requests 100000")
	@PYTHONPATH=tests $(PY) -m soak hostile $(ARGS)

.PHONY: notifications
notifications: setup ## 1,100 notifications while the operator that sends them is killed (ARGS="--customers 20 --kills 5")
	@PYTHONPATH=tests $(PY) -m soak notified $(ARGS)

.PHONY: soak
soak: setup ## an hour of lives in compressed time: what grows (ARGS="--minutes 5")
	@PYTHONPATH=tests $(PY) -m soak soak $(ARGS)

.PHONY: coverage
coverage: setup ## fails unless every branch of decisions, templates and kinds is tested
	@$(PY) -m pytest -q $(addprefix tests/unit/,talkdesk_crds talkdesk_operator/domain talkdesk_operator/templates) \
	  --cov=talkdesk_crds --cov=talkdesk_operator.domain --cov=talkdesk_operator.templates \
	  --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

.PHONY: lint
lint: setup ## ruff, mypy, import-linter
	ruff check .
	ruff format --check .
	mypy
	mypy tests
	lint-imports

.PHONY: format
format: setup ## ruff's fixes and format
	ruff check --fix . || true
	ruff format .

.PHONY: crds
crds: setup ## writes crds/yaml/*.yaml from the models
	$(PY) -m talkdesk_crds.crdgen crds/yaml

.PHONY: golden
golden: setup ## writes tests/scenarios/*.golden anew; look at the difference before you commit it
	@$(PY) -m pytest -q --update-golden tests/scenarios/test_scenarios.py tests/scenarios/test_year.py

.PHONY: docs
docs: setup ## writes docs/reference and the picture in ARCHITECTURE.md from the code
	@PYTHONPATH=tests $(PY) tests/generators/run.py

.PHONY: chart
chart: docs ## writes the Helm chart's templates and its schema from manifests/ and crds/

.PHONY: site
site: setup ## the documentation as a site in build/site; a warning or a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict

.PHONY: manifests
manifests: setup ## puts the API group of crds/talkdesk_crds/names.py into manifests/
	$(PY) -m talkdesk_crds.regroup manifests

.PHONY: previous-crds
previous-crds: crds ## after a release: what the next one must be able to follow
	cp crds/yaml/*.yaml tests/integration/crds/previous/

.PHONY: controlplane
controlplane: setup ## a local etcd, kube-apiserver and controller manager, until Ctrl-C
	@$(PY) -m talkdesk_sandbox.controlplane run

.PHONY: kind-up
kind-up: setup ## a kind cluster of this checkout with our images in it, until kind-down (KIND_NODE_IMAGE, BASE_IMAGE)
	@$(PY) -m talkdesk_sandbox.kind up

.PHONY: kind-test
kind-test: setup ## the tests that need a real cluster (ARGS="-k name"; KEEP=1 leaves the cluster)
	@$(PY) -m pytest --kind -m kind tests/kind $(ARGS)

.PHONY: kind-demo
kind-demo: setup ## plays a customer's life in that cluster, and leaves it for a look around (KEEP=1: after a failure, too)
	@$(PY) -m talkdesk_sandbox.kind demo

.PHONY: kind-down
kind-down: setup ## removes the cluster of this checkout, and clusters that nobody uses any more
	@$(PY) -m talkdesk_sandbox.kind down

.PHONY: bench
bench: setup ## figures, printed and written to bench-results/
	@$(PY) tests/benchmarks/run.py $(ARGS)

.PHONY: cases
cases: setup ## rows of the behaviour table and the tests that show them
	@$(PY) tests/cases.py

.PHONY: images
images: setup ## images of operator, webhook and sandbox: name, digest, size, SBOM of each (BASE_IMAGE, TAG)
	@sandbox/images/build --sbom

.PHONY: wheel
wheel: setup ## our wheel, in dist/: the same bytes for the same commit
	@sandbox/wheel

.PHONY: lock
lock: setup ## pins requirements/*.txt anew from pyproject.toml
	sandbox/lock
