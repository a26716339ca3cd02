#!/bin/sh
# Installs cardio-ner into the image: torch from the index that is named, then the wheel, Spark and all else at the
# versions of constraints.txt. POSIX sh.
#
#   VENV=/opt/cardio-ner SPARK_HOME=/opt/spark-home sh docker/install.sh INDEX_OF_TORCH
#
# SPARK_HOME becomes a link to the Spark that pip brought: its path holds Python's version.
set -eu

: "${VENV:?}" "${SPARK_HOME:?}"
index=${1:?expected the package index to take torch from}
from=${BUILT:-/opt}    # where constraints.txt and wheels/ lie

set -- "$from"/wheels/cardio_ner-*.whl
[ $# -eq 1 ] && [ -f "$1" ] || { echo "install.sh: expected one wheel in $from/wheels" >&2; exit 1; }

pip() { "$VENV/bin/python" -m pip "$@"; }
# Its index has a choice of versions of what torch needs: those of constraints.txt come with the rest.
pip install --no-cache-dir -c "$from/constraints.txt" --index-url "$index" --no-deps torch
pip install --no-cache-dir -c "$from/constraints.txt" "cardio-ner[spark] @ file://$1"
ln -s "$("$VENV/bin/python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')" "$SPARK_HOME"
