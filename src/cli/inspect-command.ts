import { InvalidArgumentError, type Command } from "commander";
import type { InspectOptions } from "./inspect.ts";

/** Adds `inspect`, which loads what it needs when it runs. */
export function addInspection(program: Command, finish: (status: number) => void): void {
  program
    .command("inspect")
    .description("measure what a published model does, on your own weights")
    .command("safeear")
    .description(
      "how far SafeEar's codes are HuBERT's features: the first quantizer's should be, the acoustic ones' should not",
    )
    .argument("<folder>", "of SpeechTokenizer.pt or model.ckpt, and hubert_base_ls960.pt")
    .argument("<files...>", "recordings of one second to ten minutes: WAV, FLAC and Ogg Opus")
    .option("--hubert <file>", "HuBERT's file, where it is not in the folder under its own name")
    .option(
      "--layer <number>",
      "one layer of HuBERT (default: the mean of all, which taught SpeechTokenizer)",
      layer,
    )
    .option("--json", "print the report as one JSON object")
    .action(async (folder: string, files: string[], options: InspectOptions) => {
      const { inspectSafeear } = await import("./inspect.ts");
      finish(await inspectSafeear(folder, files, options));
    });
}

function layer(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError("It must be a whole number from 0.");
}
