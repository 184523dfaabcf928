import { createEncoder } from "../../clients/node/encoder.ts";
import { encodeAlaw, encodeMulaw } from "../../clients/node/g711-encode.ts";
import { createOpusHost, type OpusHost } from "../codec/opus-host.ts";
import { alawSamples, mulawSamples } from "../stream/g711.ts";
import { joinBlocks } from "../stream/join.ts";
import { resampleTrack } from "../stream/resample-track.ts";
import { hertz } from "../stream/units.ts";
import { Refusal } from "./refusal.ts";

/** One voice in memory, in [-1, 1]. */
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
 * 8 kHz, `opusN` is Opus in its voice mode at N kbit/s (6 to 256). Throws {@link Refusal} for anything else.
 */
export function toConditions(list: string | undefined): readonly Condition[] {
  const names = (list ?? "").split(",").filter((name) => name !== "");
  const clean: Condition = { name: "clean", pass: (audio) => Promise.resolve(audio) };
  return [clean, ...[...new Set(names)].filter((name) => name !== "clean").map(toCondition)];
}

function toCondition(name: string): Condition {
  if (name === "mulaw8k") return { name, pass: throughTable(encodeMulaw, mulawSamples) };
  if (name === "alaw8k") return { name, pass: throughTable(encodeAlaw, alawSamples) };
  const kilobits = Number(/^opus(\d{1,3})$/.exec(name)?.[1] ?? NaN);
  if (kilobits >= 6 && kilobits <= 256) return { name, pass: throughOpus(kilobits * 1000) };
  throw new Refusal(`--through knows mulaw8k, alaw8k and opus6 to opus256, not ${name}`);
}

const throughTable =
  (encode: (samples: Float32Array) => Uint8Array, decoded: Float32Array) =>
  (audio: Mono): Promise<Mono> => {
    const bytes = encode(atRate(audio, telephoneRate));
    const samples = Float32Array.from(bytes, (byte) => decoded[byte] ?? 0);
    return Promise.resolve({ rate: telephoneRate, samples });
  };

let opusHost: Promise<OpusHost> | undefined;

/** The codec's delay of 6.5 ms stays in, as a listener has it. */
const throughOpus =
  (bitrate: number) =>
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
      return {
        rate: opusRate,
        samples: joinBlocks(packets.map((packet) => stream.decode(packet)?.[0] ?? lost)),
      };
    } finally {
      stream.close();
      encoder.close();
    }
  };

const lost = new Float32Array((opusRate * frameMs) / 1000);

function atRate({ rate, samples }: Mono, wanted: number): Float32Array {
  return rate === wanted ? samples : resampleTrack(samples, hertz(rate), hertz(wanted));
}
