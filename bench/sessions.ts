/**
 * What an Opus session costs: memory of a thousand of them (half stereo) beyond their window rings, the time to create
 * one, and whether ten thousand that come and go leave anything behind. Prints one JSON line.
 *
 * node --expose-gc --import tsx bench/sessions.ts
 */
import { Subject } from "rxjs";
import { createOpusEncoder } from "../clients/node/opus-encoder.ts";
import { createOpusHost, type OpusHost } from "../src/codec/opus-host.ts";
import type { Command } from "../src/stream/commands.ts";
import { createDecoder } from "../src/stream/decode.ts";
import type { AudioFormat } from "../src/stream/ports.ts";
import { createSession } from "../src/stream/session.ts";
import { hertz } from "../src/stream/units.ts";
import { detection, fakeDetector, fakeSpec } from "../test/support/fakes.ts";
import { percentile } from "./figures.ts";
import { loopOfSpeech } from "./speech-loop.ts";

export interface SessionFigures {
  /** Beyond the window rings, KiB of resident memory a session. */
  readonly kibPerSession: number;
  readonly ringKibPerSession: number;
  readonly createMs: { readonly p50: number; readonly p99: number };
  /** Resident MiB after each thousand of ten thousand open and close. */
  readonly churnMiB: readonly number[];
}

const sessions = 1000;
const churned = 10_000;
const frameMs = 20;
const spec = fakeSpec();

interface Packets {
  readonly 1: readonly Uint8Array[];
  readonly 2: readonly Uint8Array[];
}

async function encode(channels: 1 | 2, seconds: number): Promise<Uint8Array[]> {
  const speech = await loopOfSpeech();
  const encoder = await createOpusEncoder({ rate: 16_000, channels, frameMs, bitrate: 24_000 * channels });
  const perFrame = (16_000 * frameMs) / 1000;
  const packets: Uint8Array[] = [];
  for (let n = 0; n < (seconds * 1000) / frameMs; n++) {
    const frame = new Int16Array(perFrame * channels);
    for (let i = 0; i < frame.length; i++) {
      const at = n * perFrame + Math.floor(i / channels) + (i % channels) * 8000;
      frame[i] = Math.round((speech[at] ?? 0) * 32_767);
    }
    packets.push(encoder.encode(frame));
  }
  encoder.close();
  return packets;
}

class Running {
  readonly createdInMs: number;
  readonly #commands = new Subject<Command>();
  readonly #subscription;

  constructor(host: OpusHost, channels: 1 | 2) {
    const begun = performance.now();
    const format: AudioFormat = { encoding: "opus", framing: "packet", rate: hertz(48_000), channels };
    const session = createSession(
      {
        format,
        pace: "live",
        decoder: createDecoder(format, host),
        detector: fakeDetector(() => 0, spec),
        detection,
        valve: { pause: () => undefined, resume: () => undefined },
        now: () => performance.now(),
      },
      this.#commands,
    );
    this.#subscription = session.events.subscribe();
    this.createdInMs = performance.now() - begun;
  }

  hear(packets: readonly Uint8Array[]): void {
    for (const chunk of packets) this.#commands.next({ type: "audio", chunk });
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}

const settle = async (): Promise<number> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage().rss;
};

/** Creates them one by one, each in its own turn of the event loop, as calls arrive. */
async function open(host: OpusHost, packets: Packets): Promise<Running[]> {
  const running: Running[] = [];
  for (let i = 0; i < sessions; i++) {
    const channels = i % 2 === 0 ? 1 : 2;
    const session = new Running(host, channels);
    session.hear(packets[channels]);
    running.push(session);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return running;
}

async function churn(host: OpusHost, packets: Packets): Promise<number[]> {
  const residentMiB: number[] = [];
  for (let i = 1; i <= churned; i++) {
    const channels = i % 2 === 0 ? 1 : 2;
    const session = new Running(host, channels);
    session.hear(packets[channels].slice(0, 5));
    session.close();
    if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (i % 1000 === 0) residentMiB.push(Math.round((await settle()) / 2 ** 20));
  }
  return residentMiB;
}

async function main(): Promise<void> {
  const packets: Packets = { 1: await encode(1, 3), 2: await encode(2, 3) };
  const host = await createOpusHost();
  new Running(host, 2).hear(packets[2]); // what is made once is not a session's
  const before = await settle();
  const running = await open(host, packets);
  const each = (await settle()) - before;
  const ring = 1.5 * 4 * (spec.window + 640);
  const created = running.slice(-100).map((session) => session.createdInMs);
  for (const session of running) session.close();
  const figures: SessionFigures = {
    kibPerSession: Math.round((each / sessions - ring) / 1024),
    ringKibPerSession: Math.round(ring / 1024),
    createMs: { p50: percentile(created, 50), p99: percentile(created, 99) },
    churnMiB: await churn(host, packets),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  host.close();
}

await main();
