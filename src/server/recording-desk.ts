import { setImmediate as nextTurn } from "node:timers/promises";
import type { DetectionOverrides } from "../stream/commands.ts";
import { checkFormat } from "../stream/decode-format.ts";
import { Fault } from "../stream/errors.ts";
import { joinBlocks } from "../stream/join.ts";
import type { AudioFormat, Decoder, DetectionDefaults, Detector } from "../stream/ports.ts";
import type { ChannelResult, PlanarAudio } from "../stream/recording.ts";
import type { Recording } from "./host-port.ts";
import type { Limits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";

export type RecordingWishes = DetectionOverrides & { readonly model?: string };

export interface RecordingDeskParts {
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly createDecoder: (format: AudioFormat) => Decoder;
  /** Throws `unsupported_audio`, `undecodable_audio` and, beyond `maxSeconds`, `message_too_large` Faults. */
  readonly readAudio: (content: Uint8Array, maxSeconds: number) => Promise<PlanarAudio>;
  readonly detectRecording: (
    audio: PlanarAudio,
    detector: Detector,
    detection: DetectionDefaults,
    signal: AbortSignal,
  ) => Promise<readonly ChannelResult[]>;
}

/** Recordings at a time: each holds its samples in memory, and live calls go first. */
export const maxRecordings = 4;
/** Bytes decoded before the sessions get their turn. */
const sliceBytes = 64 * 1024;

/** Takes recordings sent whole, a few at a time. */
export class RecordingDesk {
  readonly #parts: RecordingDeskParts;
  readonly #running = new Set<AbortController>();
  #onIdle: (() => void)[] = [];

  constructor(parts: RecordingDeskParts) {
    this.#parts = parts;
  }

  /** Rejects with a Fault, or with the signal's reason. */
  async detect(
    recording: Recording,
    detector: Detector,
    detection: DetectionDefaults,
    signal: AbortSignal,
  ): Promise<readonly ChannelResult[]> {
    const { metrics } = this.#parts;
    const own = new AbortController();
    try {
      this.#enter(recording.content.length, own);
      const either = AbortSignal.any([signal, own.signal]);
      const audio = await this.#read(recording);
      either.throwIfAborted();
      const results = await this.#parts.detectRecording(audio, detector, detection, either);
      metrics.recording("done");
      return results;
    } catch (reason) {
      metrics.recording("refused");
      throw reason;
    } finally {
      this.#running.delete(own);
      if (this.#running.size === 0) for (const tell of this.#onIdle.splice(0)) tell();
    }
  }

  /** When none is under way. */
  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Gives up those under way. */
  abort(fault: Fault): void {
    for (const running of this.#running) running.abort(fault);
  }

  #enter(bytes: number, own: AbortController): void {
    const { recordingBytes } = this.#parts.limits;
    if (bytes > recordingBytes) throw tooLarge("bytes", recordingBytes);
    if (this.#running.size >= maxRecordings) {
      throw new Fault("at_capacity", "too many recordings at a time", { retryAfterMs: 1000 });
    }
    this.#running.add(own);
  }

  async #read({ bare, content }: Recording): Promise<PlanarAudio> {
    const { createDecoder, limits, readAudio } = this.#parts;
    if (content.length === 0) throw new Fault("bad_message", "there is no audio in it");
    if (bare === undefined) return await readAudio(content, limits.recordingMs / 1000);
    const { encoding, sampleRate, channels } = bare;
    const format = checkFormat({ encoding, rate: sampleRate, channels });
    if (format.framing !== "raw") {
      throw new Fault("unsupported_audio", "bare packets have no borders; send Ogg Opus", {
        details: { field: "encoding" },
      });
    }
    return await readBare(content, format, createDecoder(format), limits.recordingMs);
  }
}

async function readBare(
  content: Uint8Array,
  format: AudioFormat,
  decoder: Decoder,
  maxMs: number,
): Promise<PlanarAudio> {
  const blocks: Float32Array[][] = Array.from({ length: format.channels }, () => []);
  const most = (maxMs * format.rate) / 1000;
  let length = 0;
  try {
    for (let at = 0; at < content.length; at += sliceBytes) {
      for (const piece of decoder.push(content.subarray(at, at + sliceBytes))) {
        // A hole stays one: the session's decoder makes a gap of what is not a number.
        const block = piece.kind === "audio" ? piece.samples : new Float32Array(piece.length).fill(NaN);
        blocks[piece.channel]?.push(block);
        if (piece.channel === 0) length += block.length;
      }
      if (length > most) throw tooLarge("ms", maxMs);
      await nextTurn();
    }
  } finally {
    decoder.close();
  }
  return { rate: format.rate, channels: blocks.map(joinBlocks) };
}

function tooLarge(unit: "bytes" | "ms", limit: number): Fault {
  return new Fault("message_too_large", `a recording must not exceed ${limit} ${unit}`, {
    details: { [`limit_${unit}`]: limit },
  });
}
