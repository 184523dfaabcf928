import { InvalidArgumentError, Option, type Command } from "commander";
import type { CalibrateOptions } from "./calibrate.ts";
import type { ScoredPart } from "./evaluate-trial.ts";
import type { EvaluateOptions } from "./evaluate.ts";

/** As `ScoredPart`, whose module is loaded when a command runs. */
const scoredParts: readonly ScoredPart[] = ["recording", "first-window"];

/** Adds `evaluate` and `calibrate`, which load what they need when they run. */
export function addEvaluation(program: Command, finish: (status: number) => void): void {
  program
    .command("evaluate")
    .description("score a labelled list and measure the scores: EER, min t-DCF, Cllr, DET plot")
    .requiredOption(
      "--protocol <file>",
      "ASVspoof 2019 protocol, 2021 trial metadata, or CSV: file,label[,system]",
    )
    .requiredOption("--audio <folder>", "where the recordings are, or their subfolder flac")
    .option("--model <name>", "model pack (default: EARWITNESS_MODEL or `default`)")
    .option("--asv-scores <file>", "scores of speaker verification as in ASVspoof 2019, for min t-DCF")
    .option("--out <folder>", "for scores.txt, report.json and det.svg (default: evaluation/<model>)")
    .addOption(
      new Option(
        "--score <part>",
        "what of a recording is scored: all, or as AASIST's authors do its first window",
      )
        .choices(scoredParts)
        .default("recording"),
    )
    .option(
      "--through <list>",
      "repeat it through codecs: mulaw8k, alaw8k, opus16 (kbit/s), opus16-loss5 (% of packets), …",
    )
    .option("--subset <name>", "of 2021's metadata; `all` takes every trial (default: eval)")
    .option("--json", "print the report as one JSON object")
    .action(async (options: EvaluateOptions) => {
      const { evaluate } = await import("./evaluate.ts");
      finish(await evaluate(options));
    });
  program
    .command("calibrate")
    .description("fit a model pack's calibration, LLR = a·x + b, on a labelled list")
    .requiredOption("--model <name>", "model pack")
    .requiredOption("--list <file>", "as --protocol of evaluate")
    .requiredOption("--audio <folder>", "where the recordings are, or their subfolder flac")
    .option("--out <folder>", "leave the pack as it is and make a calibrated copy, called as this folder is")
    .option("--prior <p>", "weight of the machine recordings, between 0 and 1 (default: 0.5)", share)
    .option("--subset <name>", "of 2021's metadata; `all` takes every trial (default: eval)")
    .action(async (options: CalibrateOptions) => {
      const { calibrate } = await import("./calibrate.ts");
      finish(await calibrate(options));
    });
}

function share(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 1) return value;
  throw new InvalidArgumentError("It must lie between 0 and 1.");
}
