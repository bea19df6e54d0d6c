# make verify | test | docs | proofs | bench | mutants | figures | clean | help
#
# PYTHON  interpreter that makes .venv, 3.11 or newer        (python3)
# OUT     where verify writes and figures reads              (out/ginc)
# ARGS    more flags for the command, as in ARGS="--n 0 8"
# JOBS    test processes                                     (2)

PYTHON ?= python3
OUT := out/ginc
ARGS :=
JOBS := 2

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PROOFS := theory/proofs/coq
# Only pip's errors are shown; the package is editable, so the next run sees a changed source.
INSTALL := $(PIP) install -qq -c constraints.txt -e

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: verify test docs proofs bench mutants figures clean help

help:
	@echo "make verify   what the theory says of the released GINC, into $(OUT)"
	@echo "make test     lint, types, layering and the tests that are not slow"
	@echo "make docs     the site, docs/_build/html/index.html; its tutorials run, a warning is an error"
	@echo "make proofs   check the proofs of theory/proofs/coq by Coq, and what they rest on"
	@echo "make bench    speed against the peers"
	@echo "make mutants  errors planted by machine in a sample of places: how many do the tests find?"
	@echo "make figures  redraw the figures of $(OUT)"
	@echo "make clean    remove .venv, caches and build files (results in out/ stay)"
	@echo "variables     PYTHON=$(PYTHON) OUT=$(OUT) JOBS=$(JOBS) ARGS=\"...\""

verify: .venv/.core
	$(BIN)/implicit-bayes verify ginc --out "$(OUT)" $(ARGS)

test: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow" $(ARGS)

# Where neither a notebook nor the package has changed, its output is taken from docs/_build/.jupyter_cache.
docs: .venv/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html $(ARGS)
	@echo "docs/_build/html/index.html"

# From clean, in a copy: every proof is checked again, and what each listed theorem rests on is printed and compared.
proofs:
	@command -v coqc > /dev/null || { echo "coqc is missing; as root: apt-get install coq libcoq-interval libcoq-coquelicot" >&2; exit 1; }
	rm -rf build/proofs && mkdir -p build/proofs && cp $(PROOFS)/*.v $(PROOFS)/_CoqProject build/proofs
	cd build/proofs && coq_makefile -f _CoqProject -o Makefile.coq && $(MAKE) -f Makefile.coq -j$(JOBS) --no-print-directory
	cd build/proofs && coqc -q -Q . IB -w -ambiguous-paths Audit.v > assumptions.txt
	cat build/proofs/assumptions.txt
	diff $(PROOFS)/assumptions.txt build/proofs/assumptions.txt
	! grep -nE "\b(Admitted|admit|Axiom|Parameter|Conjecture|Abort)\b" $(filter-out $(PROOFS)/Audit.v,$(wildcard $(PROOFS)/*.v))

bench: .venv/.test
	$(BIN)/implicit-bayes bench $(ARGS)

mutants: .venv/.test
	cd tests && ../$(BIN)/python -m mutants $(ARGS)

figures: .venv/.core
	$(BIN)/implicit-bayes figures "$(OUT)" $(ARGS)

clean:
	rm -rf .venv build docs/_build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find implicit_bayes theory simulators lm benchmarks tests -type d -name __pycache__ -prune -exec rm -rf {} +

# Each stamp is written last: an interrupted step is done again, a finished one needs no network.
.venv/.made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	{ echo "PYTHON=$(PYTHON) is not Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "making .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.core: pyproject.toml constraints.txt | .venv/.made
	@echo "installing into .venv (1 GB, a minute or two)"
	@$(INSTALL) .
	@touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/.made
	@echo "installing with the test extra into .venv (2.3 GB, two to five minutes)"
	@$(INSTALL) ".[test]"
	@touch .venv/.core $@

.venv/.docs: pyproject.toml constraints.txt | .venv/.made
	@echo "installing with the docs extra into .venv"
	@$(INSTALL) ".[docs]"
	@touch .venv/.core .venv/.test $@
