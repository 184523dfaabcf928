#!/bin/sh
# Make the default detector again, from the corpus to the card.
#   DATA=folder with manifest.csv, clips/, vocoders/   WORK=scratch folder outside the repository   ./training/run.sh [step ...]
# COPIES is the share of the machine windows that copies of humans take: see README.md for what it was found to cost.
# Without steps: all but `vocoders`, whose outputs are kept in vocoders/weights, and `ship`, which takes the place of the
# pack that ships. Stop it at any time: the next call goes
# on from the last checkpoint.
set -eu
: "${DATA:?folder with manifest.csv, clips/ and vocoders/}" "${WORK:?scratch folder}"
PYTHON=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
PACK=${PACK:-$WORK/default}
NETWORK=${NETWORK:-two-rates}
TEACHERS=${TEACHERS:-"two-rates logspec raw"}
COPIES=${COPIES:-0}
WINDOWS=${WINDOWS:-8000}
EPOCHS=${EPOCHS:-10}
FOLD_EPOCHS=${FOLD_EPOCHS:-8}
VERSION=${VERSION:-0.2.0}
FOLDS=${FOLDS:-"0 1 4"}
export PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# Run two commands beside each other; fail if either fails.
both() {
  sh -c "$1" & first=$!
  sh -c "$2" & second=$!
  wait $first && wait $second
}

train() { # checkpoint network arguments
  checkpoint=$1 network=$2
  shift 2
  "$PYTHON" "$here/train.py" "$WORK" "$WORK/$checkpoint" --network "$network" --copies "$COPIES" "$@"
}

step() {
  case $1 in
  vocoders)
    for pair in "direct upsampler" "codec source" "snake flow"; do
      both "'$PYTHON' -m vocoders.train '$WORK' ${pair% *}" "'$PYTHON' -m vocoders.train '$WORK' ${pair#* }"
    done
    "$PYTHON" -m vocoders.export "$WORK" ;;
  copies) "$PYTHON" -m vocoders.copies "$DATA" "$WORK" ;;
  views)
    both "'$PYTHON' '$here/views.py' '$WORK' --each $WINDOWS --part 0 --parts 2" "sleep 5; '$PYTHON' '$here/views.py' '$WORK' --each $WINDOWS --part 1 --parts 2" ;;
  train)
    for name in $TEACHERS; do train "teachers/$name.pt" "$name" --epochs "$EPOCHS"; done
    for fold in $FOLDS; do
      for name in $TEACHERS; do train "teachers/$name-$fold.pt" "$name" --leave-out "$fold" --epochs "$FOLD_EPOCHS"; done
    done ;;
  ensemble)
    "$PYTHON" "$here/ensemble.py" "$WORK" "$WORK/teacher.npy" $(for name in $TEACHERS; do echo "teachers/$name.pt"; done)
    for fold in $FOLDS; do
      "$PYTHON" "$here/ensemble.py" "$WORK" "$WORK/teacher-$fold.npy" --leave-out "$fold" \
        $(for name in $TEACHERS; do echo "teachers/$name-$fold.pt"; done)
    done ;;
  distil)
    train main.pt "$NETWORK" --teacher "$WORK/teacher.npy" --epochs "$EPOCHS"
    for fold in $FOLDS; do
      train "fold$fold.pt" "$NETWORK" --teacher "$WORK/teacher-$fold.npy" --leave-out "$fold" --epochs "$FOLD_EPOCHS"
    done ;;
  calibrate) "$PYTHON" "$here/calibrate.py" "$WORK" 'fold{fold}.pt' --folds $FOLDS ;;
  export)
    "$PYTHON" "$here/export.py" "$WORK" "$PACK" --checkpoint "$WORK/main.pt" --calibration "$WORK/calibration.json" \
      --version "$VERSION" ;;
  judge)
    "$PYTHON" "$here/judge.py" "$WORK" "$here/results/distilled.json" 'fold{fold}.pt' --folds $FOLDS
    "$PYTHON" "$here/baselines.py" "$WORK" "$here/results/baselines.json" --judged "$here/results/distilled.json"
    "$PYTHON" "$here/channels.py" "$WORK" "$here/results/channels.json" 'fold{fold}.pt' --folds $FOLDS ;;
  evaluate)
    "$PYTHON" "$here/evaluate.py" "$WORK" "$PACK" "$WORK/evaluation.json" "$WORK/main.pt" ;;
  ship)
    cp "$PACK"/* "$root/models/default/"
    cp "$WORK/evaluation.json" "$here/evaluation.json"
    "$PYTHON" "$here/golden.py" "$root/models/default" "$root/test/fixtures/clips"
    "$PYTHON" "$here/card.py" "$root/models/default" "$here/evaluation.json" "$root/docs/model-card.md" ;;
  *) echo "unknown step: $1" >&2; exit 2 ;;
  esac
}

[ -e "$WORK/clips.json" ] || "$PYTHON" "$here/clips.py" "$DATA" "$WORK"
[ $# -gt 0 ] || set -- copies views train ensemble distil calibrate judge export evaluate
for name; do
  echo "== $name"
  step "$name"
done
