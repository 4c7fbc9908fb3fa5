# All set-up and all checks. Everything is installed in .venv; stamp files there say what is up to date.
# The package is installed as a wheel, so that what is tested is what a user gets.

PYTHON ?= python3
BIN := .venv/bin
# -qq: no more than errors. A first installation takes a minute and says so itself.
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# Python compiles what is imported; to compile all that is installed takes pip longer than to install it. What the
# package itself needs is compiled: a process with little memory imports it, but could not compile it.
INSTALL := $(PIP) install --no-compile
# Where this is set, as in many images, every process would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
# Folders are listed too: they change when a file is added or removed.
SOURCES := $(shell find src -name __pycache__ -prune -o \( -type d -o -name '*.py' -o -name '*.js' -o -name '*.css' -o -name py.typed \) -print)
WHEEL = $$(ls dist/whygrad-*.whl)

.PHONY: help demo test test-long test-oldest browser check docs peers bench bench-all format clean
.NOTPARALLEL:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

demo: .venv/.package ## train on handwritten digits, and see the chain rule for one weight
	@$(BIN)/python examples/digits.py

# Two halves, of which who is done takes over a part: what a file sets up for its tests is set up once.
test: .venv/.test ## run all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

test-long: .venv/.test ## kill a hundred trainings and resume each; ask two thousand damaged runs
	WHYGRAD_KILLS=100 $(BIN)/python -m pytest tests/test_record_kills.py $(ARGS)
	WHYGRAD_DAMAGED=2000 $(BIN)/python -m pytest -n 2 tests/test_record_fuzz.py $(ARGS)
	WHYGRAD_LONG=1 $(BIN)/python -m pytest tests/test_film.py $(ARGS)
	WHYGRAD_ALL_PAIRS=1 WHYGRAD_LAUNCH_KILLS=20 $(BIN)/python -m pytest tests/test_xla.py tests/test_launch.py tests/test_folders.py $(ARGS)

# What reading, training and recording rest on, not every test: the floors are to be tried, not the code. Checks
# and words that are scikit-learn's own go with its version.
OLDEST = $(addprefix tests/test_,$(addsuffix .py,hints functions estimators training tables table_files saving record cli))
test-oldest: .venv/.oldest ## run the core of the tests with the oldest versions of what whygrad needs
	.venv/oldest/bin/python -m pytest -p no:cacheprovider -n 2 --dist worksteal $(OLDEST) \
		-k "not scikit_learns_checks" \
		--deselect "tests/test_estimators.py::test_bad_input_is_refused_with_a_reason[a lone class]" $(ARGS)

browser: ## install chromium, in which the studio's page is tested
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then exit 0; fi; \
	root=; [ "$$(id -u)" = 0 ] || root="sudo -n"; \
	if ! command -v apt-get >/dev/null || ! $$root true 2>/dev/null; then \
		echo "Install chromium and its chromedriver (Debian: apt-get install chromium chromium-driver):" \
			"the tests of the studio's page are skipped without them."; exit 1; \
	fi; \
	echo "Installing chromium ..."; export DEBIAN_FRONTEND=noninteractive; \
	$$root apt-get -qq update && \
	$$root apt-get -qq install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core

check: .venv/.check ## lint, check the types, and that imports go downwards
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: .venv/.docs ## run every page of the documentation, build it, and check its links
	$(BIN)/python -m sphinx -b html -W --keep-going docs docs/_build/html
	$(BIN)/python docs/links.py docs/_build/html

peers: .venv/.peers ## install PyTorch and JAX, which tests and benchmarks compare with where they are there

bench: .venv/.peers .venv/.test ## time a training step beside NumPy, scikit-learn, PyTorch, JAX
	@$(BIN)/python benchmarks/steps.py $(ARGS)
	@$(BIN)/python benchmarks/report.py

ALL := parts network_size starts estimators to_accuracy prediction many peak_memory rows recording ledger flipped
bench-all: .venv/.peers .venv/.test ## run all benchmarks: an hour on two cores that do nothing else
	@$(BIN)/python benchmarks/steps.py --cases all $(ARGS)
	@set -e; for name in $(ALL); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done
	@$(BIN)/python benchmarks/report.py

format: .venv/.check ## lay the code out
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean: ## remove everything that was built or installed
	rm -rf .venv dist docs/_build docs/built .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/.python: pyproject.toml constraints.txt
	@echo "Setting up .venv ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "whygrad needs Python 3.11 or later; point to one with: make PYTHON=/path/to/python3")'
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -c constraints.txt hatchling
	@touch $@

.venv/.package: .venv/.python $(SOURCES)
	@echo "Installing whygrad ..."
	@rm -rf dist
	@$(PIP) wheel --no-deps --no-build-isolation -w dist .
	@$(PIP) uninstall -y whygrad
	@$(PIP) install -c constraints.txt $(WHEEL)
	@touch $@

.venv/.test: .venv/.python | .venv/.package
	@echo "Installing what the tests need ..."
	@$(INSTALL) -c constraints.txt "$(WHEEL)[test]"
	@touch $@

.venv/.oldest: .venv/.package constraints-oldest.txt
	@echo "Installing the oldest versions that whygrad runs with ..."
	@$(PYTHON) -m venv .venv/oldest
	@.venv/oldest/bin/python -m pip --disable-pip-version-check -qq uninstall -y whygrad
	@.venv/oldest/bin/python -m pip --disable-pip-version-check -qq install --no-compile -c constraints-oldest.txt \
		$(WHEEL) hypothesis pandas polars pytest pytest-xdist
	@touch $@

.venv/.check: .venv/.python | .venv/.package
	@echo "Installing ruff, mypy and import-linter ..."
	@$(INSTALL) -c constraints.txt "$(WHEEL)[check]"
	@touch $@

.venv/.peers: .venv/.python | .venv/.package
	@echo "Installing PyTorch and JAX ..."
	@$(INSTALL) -c constraints.txt "$(WHEEL)[peers]"
	@touch $@

.venv/.docs: .venv/.python | .venv/.package
	@echo "Installing what the documentation needs ..."
	@$(INSTALL) -c constraints.txt "$(WHEEL)[docs]"
	@touch $@
