/**
 * What Opus decoders cost by themselves, without the session around them.
 *
 * node --import tsx bench/opus.ts
 */
import { pathToFileURL } from "node:url";
import { createOpusEncoder } from "../clients/node/opus-encoder.ts";
import { createOpusHost, type OpusHost } from "../src/codec/opus-host.ts";
import type { OpusStream } from "../src/stream/opus-pieces.ts";
import { machine, median, percentile } from "./figures.ts";

export interface OpusFigures {
  /** Of the last hundred of a thousand streams, half of them stereo. */
  readonly createMs: { readonly p50: number; readonly p99: number };
  /** Resident KiB a stream, after each has decoded half a second. */
  readonly kibPerStream: number;
  /** Resident MiB after each thousand of ten thousand that open, decode and close. */
  readonly churnMiB: readonly number[];
  /** CPU ms per second of one stream's audio: the median of several runs. */
  readonly cpuMsPerSecond: { readonly mono: number; readonly stereo: number };
}

const streams = 1000;
const churned = 10_000;
const frameMs = 20;
const packetsPerSecond = 1000 / frameMs;
const perFrame = 16 * frameMs;

type Packets = Readonly<Record<1 | 2, readonly Uint8Array[]>>;

/** A swelling tone over noise: the cost of decoding depends little on what was said. */
async function encode(channels: 1 | 2): Promise<Uint8Array[]> {
  const encoder = await createOpusEncoder({ rate: 16_000, channels, frameMs, bitrate: 24_000 * channels });
  const packets = Array.from({ length: 10 * packetsPerSecond }, (_, n) =>
    encoder.encode(
      Int16Array.from({ length: perFrame * channels }, (__, i) => {
        const t = (n * perFrame + Math.floor(i / channels)) / 16_000;
        const tone = Math.sin(2 * Math.PI * (150 + 70 * (i % channels)) * t) * (1 + Math.sin(12 * t));
        return 5000 * tone + 2000 * (Math.random() - 0.5);
      }),
    ),
  );
  encoder.close();
  return packets;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function openTimed(host: OpusHost, channels: 1 | 2): readonly [OpusStream, number] {
  const begun = performance.now();
  const stream = host.open(channels);
  return [stream, performance.now() - begun];
}

function decodeAll(stream: OpusStream, packets: readonly Uint8Array[]): void {
  for (const packet of packets) stream.decode(packet);
}

async function measureThousand(
  host: OpusHost,
  packets: Packets,
): Promise<Pick<OpusFigures, "createMs" | "kibPerStream">> {
  const before = process.memoryUsage().rss;
  const open: OpusStream[] = [];
  const took: number[] = [];
  for (let i = 0; i < streams; i++) {
    const channels = i % 2 === 0 ? 1 : 2;
    const [stream, ms] = openTimed(host, channels);
    decodeAll(stream, packets[channels].slice(0, packetsPerSecond / 2));
    open.push(stream);
    took.push(ms);
    await turn();
  }
  const kibPerStream = (process.memoryUsage().rss - before) / 1024 / streams;
  for (const stream of open) stream.close();
  const last = took.slice(-100);
  return { createMs: { p50: median(last), p99: percentile(last, 99) }, kibPerStream };
}

async function measureChurn(host: OpusHost, packets: Packets): Promise<number[]> {
  const residentMiB: number[] = [];
  for (let i = 1; i <= churned; i++) {
    const channels = i % 2 === 0 ? 1 : 2;
    const [stream] = openTimed(host, channels);
    decodeAll(stream, packets[channels].slice(0, 5));
    stream.close();
    if (i % 20 === 0) await turn();
    if (i % 1000 === 0) residentMiB.push(Math.round(process.memoryUsage().rss / 2 ** 20));
  }
  return residentMiB;
}

function measureCpu(host: OpusHost, channels: 1 | 2, packets: readonly Uint8Array[]): number {
  const runs = Array.from({ length: 9 }, () => {
    const stream = host.open(channels);
    const begun = process.cpuUsage();
    decodeAll(stream, packets);
    const { user, system } = process.cpuUsage(begun);
    stream.close();
    return (user + system) / 1000 / (packets.length / packetsPerSecond);
  });
  return median(runs);
}

/** Takes a few seconds. Run it in a process of its own: it reads the whole process's memory. */
export async function measureOpus(): Promise<OpusFigures> {
  const packets: Packets = { 1: await encode(1), 2: await encode(2) };
  const host = await createOpusHost();
  try {
    // First what warms up the code, so that the memory measured next is the streams' own.
    const cpuMsPerSecond = { mono: measureCpu(host, 1, packets[1]), stereo: measureCpu(host, 2, packets[2]) };
    const thousand = await measureThousand(host, packets);
    return { ...thousand, churnMiB: await measureChurn(host, packets), cpuMsPerSecond };
  } finally {
    host.close();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const figures = await measureOpus();
  const { createMs, cpuMsPerSecond } = figures;
  console.log(machine());
  console.log(
    `creation at the ${streams}th stream   p50 ${createMs.p50.toFixed(3)} ms, p99 ${createMs.p99.toFixed(3)} ms`,
  );
  console.log(
    `resident memory              ${figures.kibPerStream.toFixed(0)} KiB a stream, half of them stereo`,
  );
  console.log(`over ${churned} open and close   ${figures.churnMiB.join(" ")} MiB`);
  console.log(
    `CPU per second of audio      mono ${cpuMsPerSecond.mono.toFixed(2)} ms, stereo ${cpuMsPerSecond.stereo.toFixed(2)} ms`,
  );
}
