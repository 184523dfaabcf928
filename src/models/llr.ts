import type { Score } from "../stream/ports.ts";
import type { Manifest } from "./manifest.ts";

/** Numbers that the output tensor holds for one window. Throws an Error where no score can be had from them. */
export function outputWidth(output: Manifest["output"]): number {
  switch (output.form) {
    case "spoof_logit":
      return 1;
    case "logits":
    case "logit_and_distance":
      return 2;
    case "codes":
      throw new Error(
        `this model pack is a tokenizer without a detector: it was imported without ${output.lacks}`,
      );
  }
}

/**
 * The calibrated LLR (natural, spoof over bona fide) of one window from its row of the output tensor;
 * uncalibrated packs give the raw log-odds. Not finite when the row is not.
 */
export function toLlr(pack: Pick<Manifest, "output" | "calibration">, row: ArrayLike<number>): number {
  const score = logOdds(pack.output, row);
  return pack.calibration === null ? score : pack.calibration.a * score + pack.calibration.b;
}

/** `out_of_domain` where the model itself says that it cannot judge such audio: beyond the pack's distance, or at none. */
function abstention({ output }: Pick<Manifest, "output">, row: ArrayLike<number>): Score["abstain"] {
  if (output.form !== "logit_and_distance") return undefined;
  return (row[1] ?? NaN) <= output.farthest ? undefined : "out_of_domain";
}

/** What a window's row of the output tensor says. */
export function judge(
  pack: Pick<Manifest, "output" | "calibration">,
  row: ArrayLike<number>,
): Pick<Score, "llr" | "abstain"> {
  const abstain = abstention(pack, row);
  return abstain === undefined ? { llr: toLlr(pack, row) } : { llr: toLlr(pack, row), abstain };
}

function logOdds(output: Manifest["output"], row: ArrayLike<number>): number {
  const first = row[0] ?? NaN;
  if (output.form === "spoof_logit" || output.form === "logit_and_distance") return first;
  if (output.form === "codes") return NaN;
  const second = row[1] ?? NaN;
  // ln of a softmax's two probabilities over each other is the difference of its logits.
  return output.spoof_index === 0 ? first - second : second - first;
}
