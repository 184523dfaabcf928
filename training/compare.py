"""Compare networks and sources of copies under like conditions: train each without one fold in turn, judge it on that fold.

Every finished fold is kept in the work folder, so a stopped comparison goes on; `--table` gathers what is there.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

import train
from benchmark import milliseconds
from clips import Corpus
from export import export_onnx
from judge import TREATMENTS, judge_fold, load_average
from model import NETWORKS, build, multiplications, parameters
from vocoders.kinds import KINDS
from views import Copies

SETTINGS: dict[str, dict] = {
    **{name: dict(network=name) for name in NETWORKS},
    "logspec, no copies": dict(network="logspec", copies=0.0),
    "logspec, no contrast": dict(network="logspec", contrast=0.0),
    "logspec, more copies": dict(network="logspec", copies=0.7),
    "two-rates, few copies": dict(network="two-rates", copies=0.15),
    "two-rates, no contrast": dict(network="two-rates", contrast=0.0),
    "two-rates, few good copies": dict(network="two-rates", copies=0.15, without="codec,upsampler,flow"),
    "two-rates, contrast alone": dict(network="two-rates", copies=0.15, contrast=1.0, without="codec,upsampler,flow"),
    **{f"logspec, without {kind}": dict(network="logspec", without=kind) for kind in (*KINDS, "hifigan-v2")},
    **{f"{name}, no copies": dict(network=name, copies=0.0) for name in NETWORKS if name != "logspec"},
    "guided, hearing and teacher": dict(network="guided", copies=0.0, guide=1.0, teacher="taught-{fold}.npy", batch=16),
    "guided, hearing alone": dict(network="guided", copies=0.0, guide=1.0, batch=16),
    "guided, teacher alone": dict(network="guided", copies=0.0, teacher="taught-{fold}.npy", batch=16),
    **{f"logspec, only {kind}": dict(network="logspec", without=",".join(k for k in (*KINDS, "hifigan-v2") if k != kind))
       for kind in KINDS},
}
DEFAULTS = dict(without="", copies=0.4, contrast=0.3, size=1024, batch=32, rate=2e-3, guide=0.0, teacher=None, line=0.0, begin=None)


def one(work: Path, name: str, fold: int, seed: int, epochs: int, corpus: Corpus, copies: Copies) -> None:
    """Train and judge one setting on one fold, unless that is done."""
    stem = work / "compare" / f"{name.replace(', ', '-').replace(' ', '-')}-{fold}-{seed}"
    done = stem.with_suffix(".json")
    if done.exists():
        return
    setting = {**DEFAULTS, **SETTINGS[name]}
    if setting["teacher"]:
        setting["teacher"] = work / setting["teacher"].format(fold=fold)
    train.run(argparse.Namespace(work=work, checkpoint=stem.with_suffix(".pt"), leave_out=str(fold), seed=seed, epochs=epochs,
                                 **setting))
    result = judge_fold(corpus, copies, [load_average(stem.with_suffix(".pt"))], fold)
    done.write_text(json.dumps(dict(setting=name, fold=fold, seed=seed, epochs=epochs, **result)))
    print(name, fold, {k: v["eer"] for k, v in result.items() if k in TREATMENTS}, result["copies"], flush=True)


def size_of(network: str) -> dict:
    """Parameters, millions of multiplications, and milliseconds a window on one core at batch 8."""
    torch.manual_seed(1)
    model = build(network).eval()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        export_onnx(model, file, "logit")
        return dict(parameters=parameters(model), mmacs=round(multiplications(model) / 1e6, 1), ms_batch_8=milliseconds(file, 8, 20))


def table(work: Path) -> dict:
    """Mean and spread over folds (and seeds) of every setting judged so far, and the mean over the folds all have."""
    rows = [json.loads(f.read_text()) for f in sorted((work / "compare").glob("*.json"))]
    judged = {name: {r["fold"] for r in rows if r["setting"] == name} for name in SETTINGS}
    common = set.intersection(*(folds for folds in judged.values() if folds))
    settings = {}
    for name in SETTINGS:
        mine = [r for r in rows if r["setting"] == name]
        if not mine:
            continue
        copies = {k: round(float(np.mean([r["copies"][k] for r in mine])), 4) for k in mine[0]["copies"]}
        settings[name] = {
            "runs": len(mine),
            "epochs": sorted({r["epochs"] for r in mine}),
            **{t: {"mean": round(float(np.mean([r[t]["eer"] for r in mine])), 4),
                   "common": round(float(np.mean([r[t]["eer"] for r in mine if r["fold"] in common])), 4),
                   "spread": round(float(np.std([r[t]["eer"] for r in mine])), 4),
                   "folds": {f"{r['fold']}, seed {r['seed']}": r[t]["eer"] for r in mine}} for t in TREATMENTS},
            "copies": copies,
        }
    used = {SETTINGS[name]["network"] for name in settings}
    return {"networks": {name: size_of(name) for name in NETWORKS if name in used},
            "common_folds": sorted(common),
            "settings": settings}


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    if options.table:
        options.table.parent.mkdir(exist_ok=True)
        options.table.write_text(json.dumps(table(options.work), indent=1) + "\n")
        return
    corpus, copies = Corpus(options.work), Copies(options.work)
    for seed in options.seeds:
        for name in options.settings:
            for fold in options.folds:
                one(options.work, name, fold, seed, options.epochs, corpus, copies)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("settings", nargs="*", choices=[*SETTINGS, []], help="names of settings, such as 'logspec, no copies'")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--table", type=Path, help="write the table of all judged settings there instead")
    main(parser.parse_args())
