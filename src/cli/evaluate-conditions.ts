import { createEncoder } from "../../clients/node/encoder.ts";
import { encodeAlaw, encodeMulaw } from "../../clients/node/g711-encode.ts";
import { createOpusHost, type OpusHost } from "../codec/opus-host.ts";
import { alawSamples, mulawSamples } from "../stream/g711.ts";
import { joinBlocks } from "../stream/join.ts";
import { resampleTrack } from "../stream/resample-track.ts";
import { hertz } from "../stream/units.ts";
import { Refusal } from "./refusal.ts";

/** One voice in memory, in [-1, 1]; holes are NaN. */
export interface Mono {
  /** Hz. */
  readonly rate: number;
  readonly samples: Float32Array;
}

/** What recordings go through before they are scored. */
export interface Condition {
  readonly name: string;
  /** Nothing is kept from one recording to the next. */
  readonly pass: (audio: Mono) => Promise<Mono>;
}

const telephoneRate = 8000;
const opusRate = 16_000;
const frameMs = 20;

/**
 * The recordings as they are, then what a list such as `mulaw8k,opus16` names: `mulaw8k` and `alaw8k` are G.711 at
 * 8 kHz, `opusN` is Opus in its voice mode at N kbit/s (6 to 256), and `opusN-lossM` the same with M % of its packets
 * lost (1 to 50). Throws {@link Refusal} for anything else.
 */
export function toConditions(list: string | undefined): readonly Condition[] {
  const names = (list ?? "").split(",").filter((name) => name !== "");
  const clean: Condition = { name: "clean", pass: (audio) => Promise.resolve(audio) };
  return [clean, ...[...new Set(names)].filter((name) => name !== "clean").map(toCondition)];
}

function toCondition(name: string): Condition {
  if (name === "mulaw8k") return { name, pass: throughTable(encodeMulaw, mulawSamples) };
  if (name === "alaw8k") return { name, pass: throughTable(encodeAlaw, alawSamples) };
  const [, kilobits, percent] = /^opus(\d{1,3})(?:-loss(\d{1,2}))?$/.exec(name) ?? [];
  if (within(kilobits, 6, 256) && (percent === undefined || within(percent, 1, 50))) {
    return { name, pass: throughOpus(Number(kilobits) * 1000, Number(percent ?? 0) / 100) };
  }
  throw new Refusal(
    `--through knows mulaw8k, alaw8k, opus6 to opus256, and opus6-loss1 to opus256-loss50, not ${name}`,
  );
}

const within = (text: string | undefined, least: number, most: number): boolean =>
  Number(text) >= least && Number(text) <= most;

const throughTable =
  (encode: (samples: Float32Array) => Uint8Array, decoded: Float32Array) =>
  (audio: Mono): Promise<Mono> => {
    const bytes = encode(atRate(audio, telephoneRate));
    const samples = Float32Array.from(bytes, (byte) => decoded[byte] ?? 0);
    return Promise.resolve({ rate: telephoneRate, samples });
  };

let opusHost: Promise<OpusHost> | undefined;

/** The codec's delay of 6.5 ms stays in, as a listener has it; a lost packet leaves a hole, as it does in a live session. */
const throughOpus =
  (bitrate: number, lossRatio: number) =>
  async (audio: Mono): Promise<Mono> => {
    opusHost ??= createOpusHost();
    const host = await opusHost;
    const encoder = await createEncoder({
      encoding: "opus",
      sampleRate: opusRate,
      channels: 1,
      frameMs,
      opus: { bitrate },
    });
    const stream = host.open(1);
    try {
      const packets = [...encoder.encode([atRate(audio, opusRate)]), ...encoder.flush()];
      const random = createRandom(packets);
      const blocks = packets.map((packet) =>
        random() < lossRatio ? hole : (stream.decode(packet)?.[0] ?? hole),
      );
      return { rate: opusRate, samples: joinBlocks(blocks) };
    } finally {
      stream.close();
      encoder.close();
    }
  };

const hole = new Float32Array((opusRate * frameMs) / 1000).fill(NaN);

/**
 * Numbers in [0, 1) that are the same for the same packets and others for others, by Marsaglia's xorshift (2003): what
 * is lost differs between recordings and never between runs.
 */
function createRandom(packets: readonly Uint8Array[]): () => number {
  let state =
    packets.reduce((sum, packet) => packet.reduce((s, byte) => Math.imul(s, 31) + byte, sum), 1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function atRate({ rate, samples }: Mono, wanted: number): Float32Array {
  return resampleTrack(samples, hertz(rate), hertz(wanted));
}
