#!/bin/sh
# Make models/default again, from the corpus to the card.
#   DATA=folder with manifest.csv and clips/   WORK=scratch folder outside the repository   ./training/run.sh
# Stop it at any time: the next call goes on from the last finished epoch.
set -eu
: "${DATA:?folder with manifest.csv and clips/}" "${WORK:?scratch folder}"
PYTHON=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

[ -e "$WORK/clips.json" ] || "$PYTHON" "$here/clips.py" "$DATA" "$WORK"
"$PYTHON" "$here/train.py" "$WORK" "$WORK/main.pt" --epochs 34
for fold in 1 0 3; do
  "$PYTHON" "$here/train.py" "$WORK" "$WORK/fold$fold.pt" --leave-out "$fold" --epochs 12 --seed 2
done
"$PYTHON" "$here/calibrate.py" "$WORK" --folds 1 0 3
"$PYTHON" "$here/export.py" "$WORK" "$root/models/default" \
  --checkpoint "$WORK/main.pt" --calibration "$WORK/calibration.json" --version 0.1.0
"$PYTHON" "$here/evaluate.py" "$WORK" "$root/models/default" "$here/evaluation.json"
"$PYTHON" "$here/golden.py" "$root/models/default" "$root/test/fixtures/clips"
"$PYTHON" "$here/card.py" "$root/models/default" "$here/evaluation.json" "$root/docs/model-card.md"
