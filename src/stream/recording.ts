import { defaultIfEmpty, firstValueFrom, from, lastValueFrom, tap, timer } from "rxjs";
import type { Command } from "./commands.ts";
import { createDecoder } from "./decode.ts";
import type { Abstention, EventBody, StateName, StateReason, VerdictName } from "./events.ts";
import type { AudioFormat, DetectionDefaults, Detector, Valve } from "./ports.ts";
import { createSession } from "./session.ts";
import { hertz, type Millis } from "./units.ts";

/** Sound in memory: one array per channel, of equal length, in [-1, 1]. */
export interface PlanarAudio {
  /** Hz. */
  readonly rate: number;
  readonly channels: readonly Float32Array[];
}

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

/**
 * Scores a whole recording by the same path as a live session of pace `file`, so both give the same numbers.
 * Rejects with a Fault, or with the signal's reason once aborted.
 */
export async function detectRecording(
  audio: PlanarAudio,
  detector: Detector,
  detection: DetectionDefaults,
  signal?: AbortSignal,
): Promise<readonly ChannelResult[]> {
  const format: AudioFormat = {
    encoding: "pcm_f32le",
    framing: "raw",
    rate: hertz(audio.rate),
    channels: audio.channels.length === 2 ? 2 : 1,
  };
  const gate = new Gate();
  const decoder = createDecoder(format, undefined);
  const session = createSession(
    { format, pace: "file", decoder, detector, detection, valve: gate, now: () => 0 },
    from(commandsOf(audio, gate, signal)),
  );
  const windows: WindowResult[][] = audio.channels.map(() => []);
  await lastValueFrom(
    session.events.pipe(
      tap((event) => {
        if (event.type === "score") windows[event.channel]?.push(toResult(event));
      }),
      defaultIfEmpty(undefined),
    ),
  );
  return session.channels().map(({ channel, state, reason, llr, pSpoof, speechMs }) => ({
    channel,
    state,
    reason,
    llr,
    pSpoof,
    speechMs,
    windows: windows[channel] ?? [],
  }));
}

function toResult(event: Extract<EventBody, { type: "score" }>): WindowResult {
  const { window, speechMs, llr, pSpoof, verdict, reason } = event;
  return { startMs: window.startMs, endMs: window.endMs, speechMs, llr, pSpoof, verdict, reason };
}

/** A second at a time, with a turn of the event loop for everybody else in between, and only while the gate is open. */
async function* commandsOf(audio: PlanarAudio, gate: Gate, signal?: AbortSignal): AsyncGenerator<Command> {
  const length = audio.channels[0]?.length ?? 0;
  for (let start = 0; start < length; start += audio.rate) {
    await firstValueFrom(timer(0));
    await gate.open;
    signal?.throwIfAborted();
    yield { type: "audio", chunk: interleave(audio.channels, start, Math.min(length, start + audio.rate)) };
  }
}

function interleave(channels: readonly Float32Array[], start: number, end: number): Uint8Array {
  const mixed = new Float32Array((end - start) * channels.length);
  for (const [c, channel] of channels.entries()) {
    for (let i = start, at = c; i < end; i++, at += channels.length) mixed[at] = channel[i] ?? 0;
  }
  return new Uint8Array(mixed.buffer);
}

/** A valve for a source that can be asked to wait. */
class Gate implements Valve {
  open: Promise<void> = Promise.resolve();
  #release: () => void = () => undefined;

  pause(): void {
    this.open = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  resume(): void {
    this.#release();
  }
}
