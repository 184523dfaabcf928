import type { StateName, StateReason, VerdictName, Abstention } from "./events.ts";
import type { Millis } from "./units.ts";

/** One window of a recording, as `detect --json` prints it (there in snake_case). */
export interface WindowResult {
  readonly startMs: Millis;
  readonly endMs: Millis;
  readonly speechMs: Millis;
  readonly llr: number | null;
  readonly pSpoof: number | null;
  readonly verdict: VerdictName;
  readonly reason: Abstention | null;
}

/** One channel of a recording. */
export interface ChannelResult {
  readonly channel: number;
  readonly state: StateName;
  readonly reason: StateReason | null;
  readonly llr: number | null;
  readonly pSpoof: number | null;
  readonly speechMs: Millis;
  readonly windows: readonly WindowResult[];
}
