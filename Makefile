# make demo   a simulated study and its report, from nothing but Python
# make test   lint-free set-up and the tests
# make site   the documentation as pages, in site/
# make venv   the set-up alone            make lock   every version anew: UPGRADE=--upgrade
# make check  lint, types and layers      make test-long   what takes minutes
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo

.PHONY: venv demo test test-long check format docs site lock clean

demo: .venv/demo-ready
	$(BIN)/fibrostage demo --out $(DEMO)

venv: .venv/ready

test: .venv/ready
	scripts/test-services
	$(BIN)/pytest -n 2 --dist worksteal -m "not long"

test-long: .venv/ready
	$(BIN)/pytest -m long

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/demo-ready: requirements-demo.txt pyproject.toml scripts/make-venv
	PYTHON=$(PYTHON) scripts/make-venv demo
	touch $@

.venv/ready: requirements-demo.txt requirements.txt requirements-nodeps.txt pyproject.toml scripts/make-venv
	PYTHON=$(PYTHON) scripts/make-venv all
	touch $@ .venv/demo-ready

lock: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/python scripts/lock.py $(UPGRADE)

docs: .venv/ready
	$(BIN)/python scripts/make_docs.py

site: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html"

clean:
	rm -rf .venv site $(DEMO)
