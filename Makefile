# Every target does its own set-up. What was set up is remembered by stamp files in the virtual environment.

PYTHON ?= python3
VENV   ?= .venv
PEERS  ?= .venv-peers
RECIPE ?= conf/training/joint.yaml

BIN     := $(VENV)/bin
INSTALL  = $(BIN)/python -m pip install -q --disable-pip-version-check --root-user-action ignore -c constraints.txt

# Spark: the one in the virtual environment, with its Python, listening to this machine only.
export PYSPARK_PYTHON        := $(abspath $(BIN)/python)
export PYSPARK_DRIVER_PYTHON := $(abspath $(BIN)/python)
export SPARK_LOCAL_IP        := 127.0.0.1
unexport SPARK_HOME SPARK_CONF_DIR HADOOP_CONF_DIR YARN_CONF_DIR PYTHONHOME PYTHONPATH

# Begins a recipe line that runs Spark.
WITH_JAVA = JAVA_HOME=$$(sh docker/java.sh "$(VENV)") && export JAVA_HOME &&

.DEFAULT_GOAL := help
.PHONY: help setup demo dist test check lint format train checkpoints pretrain benchmark clean

help: ## Show this list
	@echo 'make TARGET [PYTHON=$(PYTHON)] [VENV=$(VENV)]'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.installed-run ## Make the virtual environment, install cardio-ner, find or install Java
	@$(WITH_JAVA) echo "Ready: $(BIN)/cardio-ner, Java in $$JAVA_HOME"

demo: setup ## Annotate examples/notes on a local Spark, then show tables and a record
	@rm -rf build/demo
	@$(WITH_JAVA) $(BIN)/spark-submit --master 'local[2]' --properties-file conf/spark/local.conf \
	    --driver-java-options -Dlog4j2.configurationFile=conf/spark/log4j2-quiet.properties \
	    jobs/annotate.py --input examples/notes --output build/demo
	@$(BIN)/cardio-ner report build/demo --notes examples/notes
	@$(BIN)/cardio-ner report build/demo --notes examples/notes --output build/demo/report.html
	@echo 'The Spanish checkpoint that ships finds diseases and medications; the English and Italian ones, medications.'

# Spark's --py-files takes a .zip, and no .whl: a wheel is one.
dist: $(VENV)/.installed-dev ## Build dist/*.whl and, for spark-submit --py-files, dist/cardio_ner.zip
	@rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist
	cp dist/cardio_ner-*.whl dist/cardio_ner.zip

# Each has a Spark of its own, of 2 to 3 GB. Files stay whole; the longest come first (tests/conftest.py).
WORKERS ?= 2

test: $(VENV)/.installed-dev $(VENV)/spark.jsa ## Run the tests, but for those marked slow
	@$(WITH_JAVA) $(BIN)/python -m pytest -m 'not slow' -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: lint test ## Everything that CI runs: lint, then the tests

lint: $(VENV)/.installed-dev ## ruff, formatting, types, and the direction of imports
	$(BIN)/ruff check --no-cache
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=training $(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev ## Format the code and repair what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# glibc gives large buffers back after each step and faults them in again: keeping them is worth 15 to 30 % on a CPU.
KEEP_BUFFERS = MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000

TRAIN = $(KEEP_BUFFERS) $(BIN)/python training/train.py

train: $(VENV)/.installed-train ## Train a checkpoint: make train RECIPE=conf/training/joint.yaml
	$(TRAIN) $(RECIPE)

PRETRAIN = $(KEEP_BUFFERS) $(BIN)/python training/pretrain.py conf/pretraining.yaml

# The base-size encoder that the teachers grow from: a hub name or a folder.
MPNET ?= sentence-transformers/all-mpnet-base-v2
FOLDS := 0 1 2
LARGE_BATCHES = --set batch_rows=256 --set decay_share=0.3 --set keep_at=[] \
    --set score_every_tokens=50000000 --set save_every_tokens=50000000
TEACHERS = [runs/teacher-0/checkpoint,runs/teacher-1/checkpoint,runs/teacher-2/checkpoint]

# A student of one fold is the twin of what ships, but that it never saw that fold: the scores on the cards are those
# of fold 0's. What ships has learnt every document, from the teachers of all three folds.
checkpoints: $(VENV)/.installed-train ## Train all that ships (with a large GPU; stopped, it resumes)
	$(PRETRAIN) $(LARGE_BATCHES) --set output=runs/encoder-long --set base_encoder=models/encoder \
	    --set vocabulary=null --set tokens=150000000 --set learning_rate=1.0e-3 --set seed=17
	$(PRETRAIN) $(LARGE_BATCHES) --set output=runs/encoder-base --set base_encoder=$(MPNET) \
	    --set vocabulary=models/encoder --set tokens=110000000 --set learning_rate=2.0e-4 --set warmup_share=0.05 \
	    --set seed=18
	@for fold in $(FOLDS); do \
	    $(TRAIN) conf/training/teacher.yaml --set held_out_fold=$$fold --set output=runs/teacher-$$fold \
	        --set seed=$$((21 + fold)) && \
	    $(TRAIN) conf/training/student.yaml --set held_out_fold=$$fold --set output=runs/student-$$fold \
	        --set teachers=[runs/teacher-$$fold/checkpoint] --set seed=$$((22 + fold)) || exit 1; \
	done
	$(TRAIN) conf/training/student.yaml --set held_out_fold=null --set output=runs/all --set 'teachers=$(TEACHERS)'
	@for language in es en it; do \
	    twin=runs/$$language-twin; \
	    $(TRAIN) conf/training/$$language.yaml \
	        --set held_out_fold=0 --set base_encoder=runs/student-0/checkpoint --set output=$$twin && \
	    $(BIN)/python training/calibrate.py $$twin/checkpoint --fold 0 && \
	    $(TRAIN) conf/training/$$language.yaml && \
	    $(BIN)/python training/ship.py $$language --twin $$twin/checkpoint || exit 1; \
	done

pretrain: $(VENV)/.installed-train ## Pre-train the encoder of conf/pretraining.yaml (hours on a CPU; stopped, it resumes)
	$(PRETRAIN)

# Options: make benchmark BENCHMARK='--seconds 20 --rounds 5'. Those of one call go to all candidates alike.
BENCHMARK ?=

benchmark: $(VENV)/.installed-run $(VENV)/.installed-train $(PEERS)/.installed ## Ours beside its peers and the chip's limit: benchmarks/results
	@$(WITH_JAVA) $(BIN)/python benchmarks/head_to_head.py --peers $(PEERS)/bin/python $(BENCHMARK)

clean: ## Remove build outputs and caches (the virtual environment and trained runs stay)
	rm -rf build dist spark-warehouse metastore_db derby.log
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src training jobs tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	    echo 'cardio-ner needs Python 3.11, 3.12 or 3.13, and $(PYTHON) says:' \
	        "$$($(PYTHON) --version 2>&1)" >&2; \
	    echo 'Name another, for example: make demo PYTHON=python3.12' >&2; \
	    exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	    echo 'Could not make the virtual environment $(VENV). Debian and Ubuntu keep venv in a package of its own:' >&2; \
	    echo '    sudo apt-get install python3-venv' >&2; \
	    echo 'Install it, and run the same command again.' >&2; \
	    exit 1; }
	@touch $@

$(VENV)/.installed-run: $(VENV)/.made pyproject.toml constraints.txt
	@echo 'Installing cardio-ner into $(VENV): some minutes the first time'
	@$(INSTALL) -e '.[spark]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo 'Installing cardio-ner and its development tools into $(VENV): some minutes the first time'
	@$(INSTALL) -e '.[spark,train,dev]'
	@touch $@ $(VENV)/.installed-run

$(VENV)/.installed-train: $(VENV)/.made pyproject.toml constraints.txt
	@echo 'Installing cardio-ner and what training needs into $(VENV): some minutes the first time'
	@$(INSTALL) -e '.[train,encoder]'
	@touch $@

# The classes that Spark loads, laid out for Java to map: tests start Java dozens of times, and a first small run of the
# job takes three quarters of the time (tests/conftest.py). Another Java finds that it is not its own and does without, as
# tests do where it is missing.
$(VENV)/spark.jsa: $(VENV)/.installed-dev
	@echo 'Laying out the classes of Spark for the tests: a minute or two the first time'
	@$(WITH_JAVA) JDK_JAVA_OPTIONS='-Xlog:disable -XX:ArchiveClassesAtExit=$(abspath $@)' \
	    $(BIN)/spark-submit --master 'local[1]' --properties-file conf/spark/local.conf jobs/annotate.py \
	    --input examples/notes/es --output build/classes > /dev/null 2>&1 || echo 'Left out: it could not be done'
	@rm -rf build/classes
	@touch $@

# EDS-NLP asks for other packages than ours does: its environment is its own, but for the versions in constraints.txt.
$(PEERS)/.installed: benchmarks/peers.txt constraints.txt | $(VENV)/.made
	@echo 'Installing the peers of benchmarks/head_to_head.py into $(PEERS): some minutes the first time'
	@$(BIN)/python -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install -q --disable-pip-version-check --root-user-action ignore \
	    -c constraints.txt -r benchmarks/peers.txt
	@touch $@
