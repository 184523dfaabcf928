import type { Hertz, Samples } from "./units.ts";

/** Encodings of sound. */
export const encodings = ["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw", "opus"] as const;
export type Encoding = (typeof encodings)[number];

/** The encoding of a sender who keeps the sound: windows of integers. */
export const codesEncoding = "safeear_codes";
export const sourceEncodings = [...encodings, codesEncoding] as const;

export const framings = ["raw", "packet", "sequenced"] as const;
export type Framing = (typeof framings)[number];

/** What a client declares before its first byte of audio. For Opus the clock is 48,000 Hz whatever it declares. */
export interface AudioFormat {
  readonly encoding: Encoding;
  readonly framing: Framing;
  /** The source's clock: what `*_sample` fields and media timestamps count. */
  readonly rate: Hertz;
  readonly channels: 1 | 2;
}

/** What a client declares that turns its audio into codes itself: a message is a window. */
export interface CodesFormat {
  readonly encoding: typeof codesEncoding;
  readonly framing: "packet";
  readonly rate: Hertz;
  readonly channels: 1;
}

export type SourceFormat = AudioFormat | CodesFormat;

export const gapCauses = [
  "loss",
  "dtx",
  "discarded",
  "paused",
  "shed",
  "undecodable",
  "worker_lost",
  "client_declared",
] as const;
export type GapCause = (typeof gapCauses)[number];

/** The next stretch of one channel's timeline: sound, or a hole in it. Pieces of a channel never overlap. */
export type Piece =
  | {
      readonly kind: "audio";
      readonly channel: number;
      /** In [-1, 1], finite, at the decoder's output rate. The receiver's to keep. */
      readonly samples: Float32Array;
    }
  | {
      readonly kind: "gap";
      readonly channel: number;
      /** At the source's clock. */
      readonly length: Samples;
      readonly cause: GapCause;
    };

/** Bytes of one client → pieces of its channels' timelines. Synchronous; any split of the bytes gives the same audio. */
export interface Decoder {
  /** Rate of the samples it gives; the source's clock is a whole multiple of it. */
  readonly rate: Hertz;
  /** Throws a `bad_message` or `undecodable_audio` Fault. Does not keep `chunk`. */
  push(chunk: Uint8Array): readonly Piece[];
  /** What was held back (a reordering buffer, a partial sample), at the end of the stream. */
  flush(): readonly Piece[];
  /** Frees what is not garbage-collected. Idempotent; nothing may be pushed afterwards. */
  close(): void;
}

/** One channel's rate conversion. Synchronous, exact phase across blocks. */
export interface Resampler {
  push(block: Float32Array): Float32Array;
  /** The tail that needed samples after the last one (taken as silence). Leaves it as after construction. */
  flush(): Float32Array;
}

/** Says how much of a channel is speech. Counts time in samples at 16 kHz from 0; holes count as time. */
export interface SpeechMeter {
  push(samples: Float32Array): void;
  /** A hole of so many samples: time passes, nothing is heard. */
  skip(length: number): void;
  /** Samples judged to be speech in [start, end), which must lie within the last ten seconds that were pushed. */
  speech(start: number, end: number): number;
}

/** What the audio of a window was like. */
export interface Quality {
  /** Highest frequency that carries speech energy. */
  readonly bandwidthHz: number;
  /** Share of samples at full scale, 0 … 1. */
  readonly clipping: number;
  /** Share of the window that was lost or undecodable, 0 … 1. */
  readonly lossRatio: number;
}

/** A stretch of one channel for a detector, on the channel's timeline at the detector's rate. */
export interface Window {
  readonly channel: number;
  /** Its timeline, numbered within the process: where windows of one track overlap they hold the same samples. */
  readonly track?: number;
  /** Counts the channel's windows from 0. */
  readonly index: number;
  readonly start: Samples;
  /** One past the last real sample: `end - start` is less than the detector's window when it had to be padded. */
  readonly end: Samples;
  /** Padded because the audio so far, or since a gap, is shorter than a window. */
  readonly provisional: boolean;
  /** Samples that no earlier window of this channel covered. */
  readonly fresh: Samples;
  readonly speech: Samples;
  /** Speech within the fresh samples. */
  readonly freshSpeech: Samples;
  readonly quality: Quality;
  /** The detector's window length, padded by the detector's rule. Nobody's to keep: reused once the window is answered. */
  readonly samples: Float32Array;
  /** In place of samples, then none, where the sender encoded them: stage by stage, each with its frames in order. */
  readonly codes?: Int32Array;
}

export type Padding = "zeros" | "tile";

/** The shape of audio that a detector was trained on; it sizes everything upstream of it. */
export interface DetectorSpec {
  readonly id: string;
  readonly version: string;
  /** SHA-256 over the pack's files, hexadecimal. */
  readonly digest: string;
  /** `undefined` when the pack's scores were never calibrated. */
  readonly calibrationId: string | undefined;
  readonly rate: Hertz;
  readonly window: Samples;
  readonly pad: Padding;
  readonly detection: DetectionDefaults;
  /** By which it shuffles the frames of a window, where it does so by a seed. */
  readonly seed?: number;
  /** What it takes in place of audio, where it takes that. */
  readonly codes?: CodeSpec;
}

/** Audio as integers: for each frame one code of every stage. */
export interface CodeSpec {
  readonly stages: number;
  /** A code is less than this. */
  readonly choices: number;
  /** Samples at the detector's rate for each frame. */
  readonly frameSamples: number;
  /** Frames of a whole window. */
  readonly frames: number;
}

/** The tally's constants, as the pack recommends them. */
export interface DetectionDefaults {
  readonly hopMs: number;
  readonly minSpeechMs: number;
  /** P(spoof) before any evidence, in (0, 1). */
  readonly prior: number;
  /** A window's LLR counts as b·tanh(llr/b). */
  readonly llrBound: number;
  /** Seconds of speech in which live evidence halves. */
  readonly halfLifeS: number;
  readonly thresholds: Thresholds;
}

/** Probabilities at which a channel's state changes. */
export interface Thresholds {
  readonly suspect: number;
  readonly spoof: number;
  readonly bonafide: number;
  readonly suspectExit: number;
  readonly spoofExit: number;
}

/** A detector's answer for one window. */
export interface Score {
  /** Calibrated natural log-likelihood ratio, spoof over bona fide; finite. */
  readonly llr: number;
  /** Set when the detector itself says that it cannot judge such audio. */
  readonly abstain?: "low_quality" | "out_of_domain";
  readonly queueMs: number;
  readonly inferMs: number;
}

/** Why a detector gave no answer for one window; anything else it throws is a bug. */
export class WindowLost extends Error {
  override readonly name = "WindowLost";
  readonly gap: "shed" | "worker_lost";

  constructor(gap: "shed" | "worker_lost", message: string) {
    super(message);
    this.gap = gap;
  }
}

/** Shared by all sessions, so that a batch mixes them. Stateless across windows. */
export interface Detector {
  readonly spec: DetectorSpec;
  /**
   * Rejects with {@link WindowLost}, or with the signal's reason once aborted. When it resolves, nothing reads the
   * window's samples any more. A patient window, of a recording, lets those of live calls go first.
   */
  score(window: Window, signal: AbortSignal, patient?: boolean): Promise<Score>;
  close(): Promise<void>;
}

/** The only lever on a sender: RxJS itself has no back-pressure. */
export interface Valve {
  pause(): void;
  resume(): void;
}
