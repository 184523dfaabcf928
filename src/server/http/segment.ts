import { Fault } from "../../stream/errors.ts";

/** One segment of a path as it was meant. Throws a `bad_message` Fault. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new Fault("bad_message", "the path is not valid", { cause });
  }
}
