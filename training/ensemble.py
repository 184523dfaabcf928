"""What several networks together say about every stored window: the soft classes from which a small one learns."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from judge import load_average


@torch.no_grad()
def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    rows = json.loads((options.work / "views.json").read_text())
    audio = np.load(options.work / "views.npy", mmap_mode="r")
    gone = {int(f) for f in options.leave_out.split(",") if f}
    kept = [i for i, r in enumerate(rows) if r["fold"] not in gone]
    models = [load_average(options.work / c) for c in options.checkpoints]
    logits = np.full(len(rows), np.nan, np.float32)
    for i in range(0, len(kept), options.batch):
        some = kept[i : i + options.batch]
        batch = torch.from_numpy(audio[some].astype(np.float32) / 32768)
        with torch.autocast("cpu", torch.bfloat16):
            found = [m.classify([x.bfloat16() for x in m.front(batch)]).float().numpy() for m in models]
        logits[some] = np.mean(found, axis=0)
        if i % (50 * options.batch) == 0:
            print(f"{i} of {len(kept)} windows", flush=True)
    np.save(options.output, logits)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path, help="logits by row; rows of folds left out are NaN")
    parser.add_argument("checkpoints", nargs="+", help="paths below work")
    parser.add_argument("--leave-out", default="", help="folds that the networks did not hear")
    parser.add_argument("--batch", type=int, default=32)
    main(parser.parse_args())
