import type { Manifest } from "./manifest.ts";

/** Numbers that the output tensor holds for one window. Throws an Error where no score can be had from them. */
export function outputWidth(output: Manifest["output"]): number {
  if (output.form !== "codes") return output.form === "logits" ? 2 : 1;
  throw new Error(
    `this model pack is a tokenizer without a detector: it was imported without ${output.lacks}`,
  );
}

/**
 * The calibrated LLR (natural, spoof over bona fide) of one window from its row of the output tensor;
 * uncalibrated packs give the raw log-odds. Not finite when the row is not.
 */
export function toLlr(pack: Pick<Manifest, "output" | "calibration">, row: ArrayLike<number>): number {
  const score = logOdds(pack.output, row);
  return pack.calibration === null ? score : pack.calibration.a * score + pack.calibration.b;
}

function logOdds(output: Manifest["output"], row: ArrayLike<number>): number {
  const first = row[0] ?? NaN;
  if (output.form === "spoof_logit") return first;
  if (output.form === "codes") return NaN;
  const second = row[1] ?? NaN;
  // ln of a softmax's two probabilities over each other is the difference of its logits.
  return output.spoof_index === 0 ? first - second : second - first;
}
