import { readFile } from "node:fs/promises";
import { createOpusEncoder } from "../../clients/node/opus-encoder.ts";
import { readAudio } from "../../src/codec/read-audio.ts";
import type { Event, Line } from "./wire-line.ts";

/** A shipped test clip's bytes. */
export const clipBytes = (name: string): Promise<Buffer> =>
  readFile(new URL(`../fixtures/clips/${name}`, import.meta.url));

/** A clip over and over, `seconds` long, at 16 kHz. */
export async function loopedClip(name: string, seconds: number): Promise<Float32Array> {
  const [clip] = (await readAudio(await clipBytes(name))).channels;
  if (clip === undefined) throw new Error(`${name} has no sound`);
  return Float32Array.from({ length: 16_000 * seconds }, (_, i) => clip[i % clip.length] ?? 0);
}

export const toS16 = (samples: Float32Array): Int16Array =>
  Int16Array.from(samples, (x) => Math.max(-32_768, Math.min(32_767, Math.round(x * 32_768))));

export const bytesOf = (samples: Int16Array | Float32Array): Uint8Array =>
  new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);

/** `bytes` in messages of `size`. */
export function sendAll(line: Line, bytes: Uint8Array, size = 6400): void {
  for (let at = 0; at < bytes.length; at += size) line.audio(bytes.subarray(at, at + size));
}

/** Opus packets of 20 ms. */
export async function toOpus(samples: Float32Array): Promise<Uint8Array[]> {
  const encoder = await createOpusEncoder({ rate: 16_000, channels: 1, frameMs: 20, bitrate: 24_000 });
  const pcm = toS16(samples);
  const packets: Uint8Array[] = [];
  for (let at = 0; at + 320 <= pcm.length; at += 320)
    packets.push(encoder.encode(pcm.subarray(at, at + 320)));
  encoder.close();
  return packets;
}

interface NativeDecoder {
  decode(packet: Uint8Array): Uint8Array;
}

/** The packets decoded at 16 kHz by another build of libopus than the server's; `undefined` is 20 ms of silence. */
export async function decodeOpus(packets: readonly (Uint8Array | undefined)[]): Promise<Int16Array> {
  const name: string = "@evan/opus";
  // Its own types do not resolve under nodenext; this is its documented interface.
  const { Decoder } = (await import(name)) as {
    Decoder: new (options: { channels: number; sample_rate: number }) => NativeDecoder;
  };
  const decoder = new Decoder({ channels: 1, sample_rate: 16_000 });
  const pcm = new Int16Array(320 * packets.length);
  for (const [i, packet] of packets.entries()) {
    if (packet === undefined) continue;
    const bytes = decoder.decode(packet);
    pcm.set(new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2), 320 * i);
  }
  return pcm;
}

/** G.711 mu-law by its definition in ITU-T G.711: sign, segment, step, with a bias of 33 at 14 bits. */
export function expandMulaw(bytes: Uint8Array): Int16Array {
  return Int16Array.from(bytes, (byte) => {
    const code = 255 - byte;
    const magnitude = (2 * (code % 16) + 33) * 2 ** (Math.floor(code / 16) % 8) - 33;
    return 4 * (code >= 128 ? -magnitude : magnitude);
  });
}

/** G.711 A-law by its definition: even bits inverted, 13 bits. */
export function expandAlaw(bytes: Uint8Array): Int16Array {
  return Int16Array.from(bytes, (byte) => {
    const code = byte ^ 0b0101_0101;
    const segment = Math.floor(code / 16) % 8;
    const step = 2 * (code % 16) + 1;
    const magnitude = segment === 0 ? step : (step + 32) * 2 ** (segment - 1);
    return 8 * (code >= 128 ? magnitude : -magnitude);
  });
}

/** The LLRs of a channel's scores, in order; `null` where a window was not scored. */
export const llrsOf = (events: readonly Event[], channel = 0): (number | null)[] =>
  events
    .filter((event) => event["type"] === "score" && event["channel"] === channel)
    .map(({ llr }) => (typeof llr === "number" ? llr : null));

export const ofType = (events: readonly Event[], type: string): Event[] =>
  events.filter((event) => event["type"] === type);

/** The largest distance between two lists of LLRs; infinite where they do not have the same shape. */
export function distance(a: readonly (number | null)[], b: readonly (number | null)[]): number {
  if (a.length !== b.length) return Infinity;
  let most = 0;
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? null;
    if ((x === null) !== (y === null)) return Infinity;
    most = Math.max(most, Math.abs((x ?? 0) - (y ?? 0)));
  }
  return most;
}

/** Every number within events, wherever it stands. */
export function numbersIn(value: unknown): number[] {
  if (typeof value === "number") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(numbersIn);
}

/** A number of an event's part, by its path: `at(event, "window", "start_ms")`; 0 where the wire leaves out zeros. */
export function at(event: Event | undefined, ...path: readonly string[]): number {
  let value: unknown = event;
  for (const key of path) {
    value = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  }
  return typeof value === "number" ? value : 0;
}

/** The summary's line about a channel. */
export function channelOf(summary: Event, channel = 0): Event {
  const { channels } = summary;
  const found: unknown = Array.isArray(channels) ? channels[channel] : undefined;
  return typeof found === "object" && found !== null ? { ...found } : {};
}
