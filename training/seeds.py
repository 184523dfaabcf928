"""EER on the test split of the same recipe with several seeds: how much one run of it means."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from clips import Corpus
from judge import TREATMENTS, load_average, scores
from rates import eer


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    corpus = Corpus(options.work)
    clips = corpus.test()
    spoof = np.array([c.spoof for c in clips])
    result: dict = {"checkpoints": options.checkpoints}
    for name, treat in TREATMENTS.items():
        audio = [treat(corpus.samples(c)) for c in clips]
        found = [scores([load_average(options.work / file)], audio) for file in options.checkpoints]
        result[name] = [round(eer(s[~spoof], s[spoof]), 4) for s in found]
        result[f"{name}, averaged"] = round(eer(np.mean(found, 0)[~spoof], np.mean(found, 0)[spoof]), 4)
        print(name, result[name], result[f"{name}, averaged"], flush=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("checkpoints", nargs="+", help="below work")
    main(parser.parse_args())
