# Two commands do everything: `make study` and `make test`. `make help` lists the rest.
# Needs Python >= 3.11, make and a package index; all else is installed into .venv.

PYTHON  ?= python3
# where `make study` puts its records and report, and further options of the study
OUT     ?= results/compare
ARGS    ?=
# pytest processes; each of them runs torch on one thread
WORKERS ?= auto

venv   := .venv/bin/python
# OpenMP threads that spin while they wait stall everything else on a small machine
quiet  := GOMP_SPINCOUNT=0
single := $(quiet) OMP_NUM_THREADS=1

.DELETE_ON_ERROR:
.PHONY: help study test slow triton lint types docs format constraints clean

help:
	@echo 'make study        compare the gene-regulatory network with the heuristics on built-in data;'
	@echo '                  writes $(OUT)/report.html (OUT=DIR, ARGS="--seeds 5 ...")'
	@echo 'make test         run the tests (WORKERS=N processes)'
	@echo 'make slow         run the tests that take minutes'
	@echo 'make triton       test the GPU kernel without a GPU (installs Triton, 200 MB)'
	@echo 'make lint         ruff: rules and format'
	@echo 'make types        mypy'
	@echo 'make docs         build docs/_build/html'
	@echo 'make format       let ruff rewrite the sources'
	@echo 'make constraints  choose the versions in constraints.txt anew'
	@echo 'make clean        remove .venv, caches and built pages; results/ stays'
	@echo 'PYTHON=python3.12 chooses the interpreter .venv is made from (now: $(PYTHON))'

# --resume: a first call starts the study, one after a kill continues it, one after the end rewrites the report.
study: .venv/.installed-study
	@$(quiet) $(venv) -m studies compare --out '$(OUT)' --resume $(ARGS)
	@test -s '$(OUT)/report.html' || { echo 'make study: $(OUT)/report.html was not written' >&2; exit 1; }

test: .venv/.installed-test
	$(single) $(venv) -m pytest -n $(WORKERS) --maxprocesses 8

slow: .venv/.installed-test
	$(single) $(venv) -m pytest -n $(WORKERS) --maxprocesses 8 -m slow --timeout 1800

# Triton interprets the GPU kernel on the CPU, and compiles it for devices that are not there.
triton: .venv/.installed-test .venv/.installed-triton
	$(single) $(venv) -m pytest tests/grn/test_triton.py

lint: .venv/.installed-test
	$(venv) -m ruff check .
	$(venv) -m ruff format --check .

format: .venv/.installed-test
	$(venv) -m ruff check --fix .
	$(venv) -m ruff format .

types: .venv/.installed-test
	$(venv) -m mypy

docs: .venv/.installed-test
	$(single) $(venv) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo 'The pages are in docs/_build/html/index.html'

# One set of versions for every Python and platform; torch is held, the rest is the newest that fits.
constraints: .venv/.made
	printf 'setuptools\nuv\ntorch==2.13.0\n' | UV_FIND_LINKS= .venv/bin/uv pip compile - pyproject.toml --all-extras \
	  --universal --fork-strategy fewest --python-version 3.11 --upgrade --no-annotate --quiet \
	  --custom-compile-command 'make constraints' --output-file constraints.txt

clean:
	rm -rf .venv docs/_build docs/api/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	find grn pruning models studies tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the environment ------------------------------------------------------------------------------------
# A stamp is written when its step has ended well. A step that was cut short leaves its `unfinished` mark behind, and the
# next call starts over: a half-written package can look installed. The mark holds the id of the make that set it.

unfinished := $(wildcard .venv/.unfinished-*)
too_old := import sys; sys.exit("%s is Python %d.%d, but Python >= 3.11 is needed: make PYTHON=/path/to/python3.11" \
  % (sys.executable, *sys.version_info[:2]) if sys.version_info < (3, 11) else 0)

.venv/.made: $(if $(unfinished),start-over)
	@command -v '$(PYTHON)' >/dev/null || { echo '$(PYTHON) was not found: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@'$(PYTHON)' -c '$(too_old)'
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo '$(PYTHON) has no venv module: on Debian and Ubuntu, apt-get install python3-venv' >&2; exit 1; }
	@mkdir -p .venv && echo $$PPID > .venv/.unfinished-environment
	'$(PYTHON)' -m venv .venv
	@$(venv) -c '$(too_old)'
	$(venv) -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@rm .venv/.unfinished-environment
	@touch $@

.PHONY: start-over
start-over:
	@for mark in $(unfinished); do if kill -0 "$$(cat $$mark)" 2>/dev/null; then \
	  echo "another make (process $$(cat $$mark)) is installing into .venv: wait for it, or make clean" >&2; exit 1; fi; done
	@echo 'an earlier installation was cut short: starting over'
	rm -rf .venv

.venv/.installed-study: extras := fer,sbml
.venv/.installed-test: extras := dev
.venv/.installed-triton: extras := triton
.venv/.installed-study .venv/.installed-test .venv/.installed-triton: .venv/.made pyproject.toml constraints.txt
	@echo $$PPID > '.venv/.unfinished-$(extras)'
	UV_FIND_LINKS="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-}}" .venv/bin/uv pip install --python $(venv) \
	  -c constraints.txt --build-constraints constraints.txt -e '.[$(extras)]'
	@rm '.venv/.unfinished-$(extras)'
	@touch $@
