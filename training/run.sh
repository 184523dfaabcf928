#!/bin/sh
# Make the default detector again, from the corpus to the card.
#   DATA=folder with manifest.csv, clips/, vocoders/   WORK=scratch folder outside the repository   ./training/run.sh [step ...]
# HEAR=1 learns to hear anew, where what is kept in hearing/ would do.
# KOKORO names the folder of Kokoro's voices (*.bin), for the step `spoken`; README.md says where they come from.
# Without steps: all but `vocoders` and `copies`, which did not pay (README.md), and `ship`, which takes the place of the pack
# that ships. Stop it at any time: the next call goes on from the last checkpoint.
set -eu
: "${DATA:?folder with manifest.csv, clips/ and vocoders/}" "${WORK:?scratch folder}"
PYTHON=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
PACK=${PACK:-$WORK/default}
COPIES=${COPIES:-0}
WINDOWS=${WINDOWS:-6000}
EPOCHS=${EPOCHS:-40}
FOLD_EPOCHS=${FOLD_EPOCHS:-20}
CALL_EPOCHS=${CALL_EPOCHS:-12}
LONG_EPOCHS=${LONG_EPOCHS:-100}
TOLD_EPOCHS=${TOLD_EPOCHS:-15}
VERSION=${VERSION:-0.3.0}
FOLDS=${FOLDS:-"0 3 4"}
HEAR=${HEAR:-0}
MUSIC=${MUSIC:-/usr/share/asterisk/moh}
SOUNDS=${SOUNDS:-/usr/share/asterisk/sounds}
# One arena that is never given back: a network takes and leaves the same memory every step.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000
export PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# Run two commands beside each other; fail if either fails.
both() {
  sh -c "$1" & first=$!
  sh -c "$2" & second=$!
  wait $first && wait $second
}

halves() { # script option ...: one process for each half, the second a little later, when the first has made the file
  made="'$PYTHON' '$here/$1' '$WORK'"
  shift
  both "$made $* --part 0 --parts 2" "sleep 5; $made $* --part 1 --parts 2"
}

prepared() { "$PYTHON" "$here/clips.py" "$DATA" "$WORK"; }

listen() { # name leave-out option ...: a network that learns to hear as the guide does
  name=$1 gone=$2
  shift 2
  "$PYTHON" "$here/train.py" "$WORK" "$WORK/hearing-$name.pt" --network hearing --guide 1 --copies "$COPIES" --batch 16 --leave-out "$gone" "$@"
}

hear() { # name epochs leave-out: first plainly, then past calls, then for long, unless one is kept
  [ "$HEAR" = 0 ] && [ -e "$here/hearing/$1.pt" ] && return 0
  listen "$1-first" "$3" --epochs "$2" &&
    listen "$1-second" "$3" --epochs "$CALL_EPOCHS" --begin "$WORK/hearing-$1-first.pt" --rate 1e-3 --line 0.7 --seed 3 &&
    listen "$1" "$3" --epochs "$LONG_EPOCHS" --begin "$WORK/hearing-$1-second.pt" --rate 1.5e-3 --line 0.6 --seed 5
}

heard() { # name: where it is
  if [ -e "$WORK/hearing-$1.pt" ]; then echo "$WORK/hearing-$1.pt"; else echo "$here/hearing/$1.pt"; fi
}

tell() { # name hearing teacher seed leave-out: a detector that begins with what a network has learned to hear
  "$PYTHON" "$here/train.py" "$WORK" "$WORK/$1.pt" --network guided --guide 1 --copies "$COPIES" --batch 16 --rate 1e-3 \
    --line 0.6 --epochs "$TOLD_EPOCHS" --begin "$(heard "$2")" --teacher "$WORK/$3.npy" --seed "$4" --leave-out "$5"
}

folds() {
  for fold in $FOLDS; do
    hear "fold$fold" "$FOLD_EPOCHS" "$fold" && tell "fold$fold" "fold$fold" "taught-$fold" 1 "$fold" || return 1
  done
}

step() {
  case $1 in
  vocoders)
    for pair in "direct upsampler" "codec source" "snake flow"; do
      both "'$PYTHON' -m vocoders.train '$WORK' ${pair% *}" "'$PYTHON' -m vocoders.train '$WORK' ${pair#* }"
    done
    "$PYTHON" -m vocoders.export "$WORK" ;;
  copies) "$PYTHON" -m vocoders.copies "$DATA" "$WORK" ;;
  spoken)
    "$PYTHON" -m synthesis.make "$WORK" "${KOKORO:?folder of the voices of Kokoro}"
    "$PYTHON" "$here/studio.py" "$DATA" "$WORK" --sounds "$SOUNDS"
    prepared ;;
  views)
    halves views.py --each "$WINDOWS"
    halves calls.py ;;
  guide)
    halves guide.py
    "$PYTHON" "$here/taught.py" "$WORK" --folds $FOLDS ;;
  train)
    folds & first=$!
    hear main "$EPOCHS" ""
    tell main main taught 1 ""
    wait $first ;;
  seeds)
    tell main2 main taught 2 "" & first=$!
    tell main3 main taught 3 ""
    wait $first
    "$PYTHON" "$here/seeds.py" "$WORK" "$here/results/seeds.json" main.pt main2.pt main3.pt ;;
  calibrate)
    "$PYTHON" "$here/calibrate.py" "$WORK" main.pt --folds $FOLDS
    "$PYTHON" "$here/domain.py" "$WORK" main.pt 'fold{fold}.pt' --folds $FOLDS ;;
  export)
    "$PYTHON" "$here/export.py" "$WORK" "$PACK" --checkpoint "$WORK/main.pt" --calibration "$WORK/calibration.json" \
      --version "$VERSION" ;;
  judge)
    "$PYTHON" "$here/judge.py" "$WORK" "$here/results/heard-long.json" 'fold{fold}.pt' --folds $FOLDS
    "$PYTHON" "$here/baselines.py" "$WORK" "$here/results/baselines.json" --judged "$here/results/heard-long.json"
    "$PYTHON" "$here/tried.py" ;;
  evaluate)
    "$PYTHON" "$here/evaluate.py" "$DATA" "$WORK" "$PACK" "$WORK/evaluation.json" "$WORK/main.pt" --music "$MUSIC"
    "$PYTHON" "$here/channels.py" "$WORK" "$here/results/channels.json" 'fold{fold}.pt' --folds $FOLDS --pack "$PACK" ;;
  ship)
    cp "$PACK"/* "$root/models/default/"
    cp "$WORK/evaluation.json" "$here/evaluation.json"
    "$PYTHON" "$here/golden.py" "$root/models/default" "$root/test/fixtures/clips"
    "$PYTHON" "$here/card.py" "$root/models/default" "$here/evaluation.json" "$root/docs/model-card.md" ;;
  *) echo "unknown step: $1" >&2; exit 2 ;;
  esac
}

[ -e "$WORK/clips.json" ] || prepared
[ $# -gt 0 ] || set -- spoken views guide train calibrate judge export evaluate seeds
for name; do
  echo "== $name"
  step "$name"
done
