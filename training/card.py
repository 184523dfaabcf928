"""Write the model card and its plot: fixed words from card.md, numbers from model.json and evaluation.json."""

import argparse
import collections
import json
import textwrap
from pathlib import Path
from string import Template

from plot import reliability_plot

PLOT = "reliability.svg"
STATES = ("bonafide", "undecided", "suspect", "spoof", "ever_suspect", "ever_spoof")


def percent(x: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * x:.1f} %"


def with_interval(figure: dict) -> str:
    """An EER and its interval."""
    low, high = figure["interval"]
    return f"{percent(figure['eer'])} ({100 * low:.1f}–{100 * high:.1f})"


def rows(head: list[str], body: list[list]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def summary(evaluation: dict) -> str:
    """EER by condition."""
    body = []
    for name, figures in evaluation["conditions"].items():
        every = figures["all"]
        body.append([name, with_interval(every), with_interval(figures["without_speaker_in_dev"]), every["auc"],
                     evaluation["channels"][name]["auc"]])
    return rows(["condition", "EER", "EER without `speaker_in_dev`", "AUC", "AUC of 15 s channels"], body)


def systems(evaluation: dict) -> str:
    """EER by system and condition."""
    conditions = evaluation["conditions"]
    first = next(iter(conditions.values()))
    body = [[name, figure["clips"], *(with_interval(c["systems"][name]) for c in conditions.values())]
            for name, figure in sorted(first["systems"].items(), key=lambda item: item[1]["eer"])]
    return rows(["system", "clips", *conditions], body)


def humans(evaluation: dict) -> str:
    """How often a human clip's LLR leans to machine, by corpus: of the test, and of studios that are never learned from."""
    every = {name: {**c["humans_by_corpus"], **evaluation["studio"][name]} for name, c in evaluation["conditions"].items()}
    body = [[name, row["clips"], *(percent(c[name]["llr_above_0"]) for c in every.values())]
            for name, row in next(iter(every.values())).items()]
    return rows(["human corpus", "clips", *every], body)


def states(tables: dict) -> str:
    """What running channels of each length came to."""
    body = []
    for name, classes in tables.items():
        for label, row in classes.items():
            body.append([name, label, row["channels"], *(percent(row[k]) for k in STATES)])
    return rows(["length, condition", "speech", "channels", *STATES], body).replace("ever_", "ever ")


def strange(evaluation: dict) -> str:
    """What is said of sounds other than speech."""
    body = [[name, row["windows"], *(percent(row[k]) for k in ("declined", "spoof", "bonafide"))]
            for name, row in evaluation["strange"].items()]
    return rows(["sound", "windows", "declined", "leans to machine", "leans to human"], body)


def calibrated(evaluation: dict) -> str:
    """Cost of the LLRs by condition."""
    body = [[name, c["calibration"]["cllr"], c["calibration"]["min_cllr"], percent(c["clips_above_llr_0"]["human"]),
             percent(c["clips_above_llr_0"]["machine"])] for name, c in evaluation["conditions"].items()]
    return rows(["condition", "Cllr", "min Cllr", "human clips above LLR 0", "machine clips above LLR 0"], body)


def reliability(evaluation: dict) -> str:
    """Clean clips by bins of LLR."""
    bins = next(iter(evaluation["conditions"].values()))["calibration"]["reliability"]
    edge = lambda x: "" if x is None else f"{x:g}"  # noqa: E731
    body = [[f"{edge(b['from'])} … {edge(b['to'])}", b["clips"], percent(b["said"]), percent(b["was"])] for b in bins]
    return rows(["LLR", "clips", "mean p(spoof) at even odds", "share of machines, classes weighing alike"], body)


def shortcuts(baselines: dict) -> str:
    """EER without listening."""
    body = [[f"`{name}`", percent(value)] for name, value in baselines["single"].items()]
    body.append(["all together", percent(baselines["all_together"]["mean"])])
    return rows(["known", "EER"], body)


def tried(tables: list[dict]) -> str:
    """Every setting that was judged on folds left out."""
    body = []
    for row in tables:
        figures = [f"{percent(row[k][0])} ± {100 * row[k][1]:.1f}" for k in ("clean", "mu-law")]
        body.append([row["setting"], row["parameters"], row["mmacs"], row["ms"], row["folds"], *figures])
    return rows(["setting", "parameters", "M multiply-adds", "ms a window", "folds", "clean", "mu-law"], body)


def data(manifest: dict) -> str:
    """Training clips by name, licences joined."""
    table = collections.defaultdict(lambda: [0, []])
    for row in manifest["training_data"]:
        table[row["name"]][0] += row["clips"]
        table[row["name"]][1].append(row["licence"])
    return rows(["source", "clips", "licences"], [[name, clips, "; ".join(sorted(set(l)))] for name, (clips, l) in table.items()])


def main(options: argparse.Namespace) -> None:
    manifest = json.loads((options.pack / "model.json").read_text())
    evaluation = json.loads(options.evaluation.read_text())
    if evaluation["model"]["sha256"] != manifest["files"]["model.onnx"]["sha256"]:
        raise SystemExit("evaluation.json belongs to another model.onnx")
    result = lambda name: json.loads((Path(__file__).parent / "results" / f"{name}.json").read_text())  # noqa: E731
    speed = evaluation["speed"]
    clean = next(iter(evaluation["conditions"].values()))
    words = Template((Path(__file__).parent / "card.md").read_text()).substitute(
        version=manifest["version"],
        sha256=evaluation["model"]["sha256"],
        size=f"{evaluation['model']['bytes']:,}",
        parameters=f"{evaluation['model']['parameters']:,}",
        calibration=f"LLR = {manifest['calibration']['a']} · logit {manifest['calibration']['b']:+}",
        calibration_id=manifest["calibration"]["id"],
        calibration_data=textwrap.fill(manifest["calibration"]["data"], 118),
        middle_low=min(evaluation["calibration_fit"]["line"]["middles"].values()),
        middle_high=max(evaluation["calibration_fit"]["line"]["middles"].values()),
        studio=f"a logit of {max(evaluation['calibration_fit']['studio'].values())}",
        factor=evaluation["calibration_fit"]["factor"],
        cost_before=evaluation["calibration_fit"]["channels"]["cost_before"],
        cost_after=evaluation["calibration_fit"]["channels"]["cost_after"],
        channel_count=evaluation["calibration_fit"]["channels"]["channels"],
        training_clips=f"{evaluation['training_clips']:,}",
        human_clips=clean["human_clips"],
        human_speakers=clean["human_speakers"],
        machine_clips=clean["all"]["clips"],
        system_count=len(clean["systems"]),
        speed=rows(["batch", *speed["ms_per_window"]], [["ms", *speed["ms_per_window"].values()]]),
        machine=f"{speed['cpu']}, {speed['runtime']}",
        summary=summary(evaluation),
        systems=systems(evaluation),
        humans=humans(evaluation),
        farthest=manifest["output"]["farthest"],
        **{name: manifest["detection"]["thresholds"][name] for name in ("suspect", "spoof", "bonafide")},
        seeds=", ".join(percent(x) for x in result("seeds")["clean"]) + " clean, "
        + ", ".join(percent(x) for x in result("seeds")["mu-law"]) + " through mu-law",
        states=states(result("channels")["tables"]),
        strange=strange(evaluation),
        calibration_table=calibrated(evaluation),
        plot=f"![Reliability plot: share of machines over the probability that was said, by condition]({PLOT})",
        reliability=reliability(evaluation),
        shortcuts=shortcuts(result("baselines")),
        tried=tried(result("tried")),
        data=data(manifest),
    )
    options.card.parent.mkdir(parents=True, exist_ok=True)
    options.card.write_text(words)
    bins_of = {name: c["calibration"]["reliability"] for name, c in evaluation["conditions"].items()}
    options.card.with_name(PLOT).write_text(reliability_plot(bins_of))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("card", type=Path)
    main(parser.parse_args())
