import type { FrameOrder } from "../models/safeear/permutation.ts";
import type { Logits } from "../models/whole/whole-scorer.ts";
import type { ScoredWhole } from "./score-whole.ts";
import type { Unread } from "./unread.ts";

/**
 * A recording as SafeEar's single-file script prints it, with more keys after its two: `probs` are P(spoof) and
 * P(bona fide), the network's own two the other way round, and `label` says which of them is larger: 1 is bona fide.
 */
export function safeearLine(result: ScoredWhole | Unread, order: FrameOrder): string {
  if ("error" in result) return JSON.stringify({ file: result.file, error: result.error });
  const { file, logits } = result;
  const probs = toProbs(logits);
  const seed = order.kind === "seed" ? { seed: order.seed } : {};
  return JSON.stringify({ label: [probs[1] > probs[0] ? 1 : 0], probs: [probs], file, ...seed });
}

const toProbs = ({ bonafide, spoof }: Logits): readonly [number, number] => [
  1 / (1 + Math.exp(bonafide - spoof)),
  1 / (1 + Math.exp(spoof - bonafide)),
];
