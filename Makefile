# make demo   a simulated study and its report, from nothing but Python
# make test   lint-free set-up and the tests
# make check  lint, types and layers      make test-long   what takes minutes
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo

.PHONY: demo test test-long check format docs clean

demo: .venv/demo-ready
	$(BIN)/fibrostage demo --out $(DEMO)

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

docs: .venv/ready
	$(BIN)/python scripts/make_docs.py

clean:
	rm -rf .venv $(DEMO)
