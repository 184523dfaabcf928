import { parseOrder, type FrameOrder } from "../models/safeear/permutation.ts";
import { Refusal } from "./refusal.ts";

/** What `--shuffle` says. Throws {@link Refusal} where it is neither identity, flip nor a seed. */
export function readOrder(text: string): FrameOrder {
  try {
    return parseOrder(text);
  } catch (reason) {
    throw new Refusal(reason instanceof Error ? reason.message : String(reason));
  }
}
