"""Score the test split once with a pack and write evaluation.json: single clips by the server's own command, `served.py`."""

import argparse
import collections
import json
from pathlib import Path

import numpy as np

from benchmark import measure
from clips import Clip, Corpus
from conditions import CONDITIONS
from judge import load_average
from model import parameters
from rates import auc, cllr, eer, interval, min_cllr, reliability
from scoring import RATE, Scorer, Thresholds
from served import evaluate
from strange import table as strange

PAUSE = np.zeros(int(0.3 * RATE), np.float32)


def grouped(rows: list[tuple[Clip, float]], key) -> dict[str, np.ndarray]:
    """Scores by group."""
    table = collections.defaultdict(list)
    for clip, llr in rows:
        table[key(clip)].append(llr)
    return {name: np.array(table[name]) for name in sorted(table)}


def figure(human: dict, machine: dict) -> dict:
    """EER with its interval, over these speakers and systems."""
    h, m = np.concatenate(list(human.values())), np.concatenate(list(machine.values()))
    return {"eer": round(eer(h, m), 4), "interval": interval(human, machine), "auc": round(auc(h, m), 4), "clips": len(m)}


def table(rows: list[tuple[Clip, float]]) -> dict:
    """All figures of one condition."""
    human = grouped([r for r in rows if not r[0].spoof], lambda c: c.speaker)
    spoofs = [r for r in rows if r[0].spoof]
    machine = grouped(spoofs, lambda c: c.system)
    apart = grouped([r for r in spoofs if not r[0].speaker_in_dev], lambda c: c.system)
    h = np.concatenate(list(human.values()))
    m = np.concatenate(list(machine.values()))
    p = {name: 1 / (1 + np.exp(-x)) for name, x in (("human", h), ("machine", m))}
    return {
        "human_clips": len(h),
        "human_speakers": len(human),
        "all": figure(human, machine),
        "without_speaker_in_dev": figure(human, apart),
        "systems": {name: figure(human, {name: scores}) for name, scores in machine.items()},
        "humans_by_corpus": leaning(rows),
        "calibration": {
            "cllr": round(cllr(h, m), 4),
            "min_cllr": round(min_cllr(h, m), 4),
            "reliability": reliability(h, m),
        },
        "clips_above_llr_0": {name: round(float(np.mean(x > 0.5)), 3) for name, x in p.items()},
        "clips_at_or_above_p_0.8": {name: round(float(np.mean(x >= 0.8)), 3) for name, x in p.items()},
        "clips_at_or_below_p_0.2": {name: round(float(np.mean(x <= 0.2)), 3) for name, x in p.items()},
    }


def leaning(rows: list[tuple[Clip, float]]) -> dict[str, dict]:
    """How many clips of each human corpus lean to machine."""
    return {name: {"clips": len(x), "median_llr": round(float(np.median(x)), 3), "llr_above_0": round(float(np.mean(x > 0)), 3)}
            for name, x in grouped([r for r in rows if not r[0].spoof], lambda c: c.corpus).items()}


def join(clips: list[Clip], corpus: Corpus, seconds: float) -> tuple[np.ndarray, int]:
    """Clips one after another with 0.3 s pauses until `seconds` are full, and how many that took."""
    parts, length = [], 0
    for used, clip in enumerate(clips, start=1):
        parts += [corpus.samples(clip), PAUSE]
        length += clip.length + len(PAUSE)
        if length >= seconds * RATE:
            return np.concatenate(parts), used
    return np.concatenate(parts), len(clips)


def channels(corpus: Corpus, spoof: bool, seconds: float, count: int) -> list[tuple[str, np.ndarray]]:
    """Up to `count` channels of at least `seconds`: one system each, or humans of one corpus, ordered by speaker."""
    groups = collections.defaultdict(list)
    for clip in sorted((c for c in corpus.test() if c.spoof == spoof), key=lambda c: (c.speaker, c.file)):
        groups[clip.system if spoof else clip.corpus].append(clip)
    out, progress = [], True
    while progress and len(out) < count:
        progress = False
        for name in sorted(groups):
            audio, used = join(groups[name], corpus, seconds) if groups[name] else (np.zeros(0, np.float32), 0)
            groups[name] = groups[name][used:]
            if len(audio) >= seconds * RATE and len(out) < count:
                out.append((name, audio))
                progress = True
    return out


def joined(corpus: Corpus, scorer: Scorer, seconds: float, treat, thresholds: dict) -> dict:
    """AUC of the final LLR over up to 10 human and 10 machine channels, and how often each state was held or reached."""
    result, scores = {}, {}
    for label, spoof in (("human", False), ("machine", True)):
        chosen = [(name, treat(audio)) for name, audio in channels(corpus, spoof, seconds, 10)]
        heard = [scorer.hear(audio) for _, audio in chosen]
        scores[label] = np.array([h.llr for h in heard])
        states = [h.states(Thresholds(**thresholds)) for h in heard]
        result[label] = {
            "channels": [dict(name=name, seconds=round(len(audio) / RATE, 1), llr=round(float(x), 2), state=s[-1])
                         for (name, audio), x, s in zip(chosen, scores[label], states, strict=True)],
            "share_of_windows": {name: round(float(np.mean([x == name for s in states for x in s])), 3)
                                 for name in ("bonafide", "undecided", "suspect", "spoof")},
            "ever_suspect": sum("suspect" in s or "spoof" in s for s in states),
            "ever_spoof": sum("spoof" in s for s in states),
        }
    return {"seconds": seconds, "auc": round(auc(scores["human"], scores["machine"]), 4), **result}


def main(options: argparse.Namespace) -> None:
    manifest = json.loads((options.pack / "model.json").read_text())
    fit = json.loads((options.work / "calibration.json").read_text())
    if any(fit[k] != manifest["calibration"][k] for k in ("id", "a", "b")):
        raise SystemExit("the pack does not carry the calibration of this work folder")
    model = options.pack / "model.onnx"
    scorer = Scorer.of(options.pack)
    thresholds = manifest["detection"]["thresholds"]
    corpus = Corpus(options.work)
    test = corpus.test()
    result = {
        "model": {"id": manifest["id"], "version": manifest["version"], **manifest["files"]["model.onnx"],
                  "parameters": parameters(load_average(options.checkpoint))},
        "calibration": manifest["calibration"],
        "calibration_fit": {k: v for k, v in fit.items() if k in ("line", "studio", "factor", "channels")},
        "training_clips": sum(row["clips"] for row in manifest["training_data"]),
        "speed": measure(model),
        "strange": strange(corpus, scorer, options.music),
        "conditions": {},
        "studio": {},
        "channels": {},
        "long_channels": {},
    }
    scored, studio = evaluate(options.pack, test, options.data), evaluate(options.pack, corpus.check(), options.work / "spoken")
    for name, treat in CONDITIONS.items():
        rows, reported = scored[name]
        result["conditions"][name] = table(rows)
        if abs(result["conditions"][name]["all"]["eer"] - reported) > 1e-3:
            raise SystemExit(f"{name}: EER {result['conditions'][name]['all']['eer']} here, {reported} by the command")
        result["studio"][name] = leaning(studio[name][0])
        result["channels"][name] = joined(corpus, scorer, 15, treat, thresholds)
        result["long_channels"][name] = joined(corpus, scorer, 45, treat, thresholds)
        figures = result["conditions"][name]
        print(name, figures["all"], "without speaker_in_dev", figures["without_speaker_in_dev"]["eer"],
              "channels auc", result["channels"][name]["auc"], flush=True)
    options.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the corpus")
    parser.add_argument("work", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--music", type=Path, help="a folder of WAV files without speech")
    parser.add_argument("checkpoint", type=Path, help="what the pack was exported from")
    main(parser.parse_args())
