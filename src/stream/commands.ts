import type { EventKind } from "./events.ts";
import type { Thresholds } from "./ports.ts";

export const annotationKinds = ["speaker_change", "transfer", "hold", "dtmf", "gap"] as const;
/** `speaker_change` and `transfer` reset a channel's evidence; `gap` declares a hole; the rest are echoed to the log of events only. */
export type AnnotationKind = (typeof annotationKinds)[number];

/** What a client may change of the tally and the windows; what is absent stays as it is. */
export interface DetectionOverrides {
  readonly hopMs?: number;
  readonly minSpeechMs?: number;
  readonly prior?: number;
  readonly thresholds?: Partial<Thresholds>;
}

/** Which events a client wants, and how often at most it wants `score`. `ready`, `summary` and `error` always come. */
export interface ResultsFilter {
  readonly kinds?: readonly EventKind[];
  readonly minIntervalMs?: number;
}

/** What a running session is told, in order: audio, and commands that act at that point of the audio. */
export type Command =
  | { readonly type: "audio"; readonly chunk: Uint8Array }
  | { readonly type: "pause" }
  /** `gapMs`: media time that passed without being sent. */
  | { readonly type: "resume"; readonly gapMs?: number }
  | { readonly type: "finalize" }
  | { readonly type: "update"; readonly detection?: DetectionOverrides; readonly results?: ResultsFilter }
  | {
      readonly type: "annotate";
      readonly kind: AnnotationKind;
      /** Every channel when absent. */
      readonly channel?: number;
      readonly gapMs?: number;
    };

/** How a session meets a pool that is behind: `live` sheds, `file` waits. */
export type Pace = "live" | "file";
