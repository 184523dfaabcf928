import { encodeAlaw, encodeMulaw } from "../../clients/node/g711-encode.ts";
import { createOpusEncoder, type OpusEncoderOptions } from "../../clients/node/opus-encoder.ts";
import type { Encoding } from "../stream/ports.ts";
import type { CallAudio } from "./call-audio.ts";
import { Refusal } from "./refusal.ts";

/** One message's worth of a call, and when it is due at real-time pace. */
export interface WireFrame {
  readonly bytes: Uint8Array;
  /** From the start of the call. */
  readonly dueMs: number;
}

/** The server's limit for one message. */
const maxMessageBytes = 65_536;

type EncodeFrame = (interleaved: Float32Array) => Uint8Array;

/** Cuts a call into frames of `frameMs` and encodes them as they are asked for. Throws {@link Refusal}. */
export async function* wireFrames(
  { rate, channels }: CallAudio,
  encoding: Encoding,
  frameMs: number,
): AsyncGenerator<WireFrame> {
  const encode = await encoderFor(encoding, rate, channels.length, frameMs);
  const length = channels[0]?.length ?? 0;
  const perFrame = (frameMs * rate) / 1000;
  for (let frame = 0, from = 0; from < length; frame++) {
    const to = Math.round((frame + 1) * perFrame);
    // Opus has no shorter last packet: it is filled with silence.
    const bytes = encode(interleave(channels, from, encoding === "opus" ? to : Math.min(to, length)));
    if (bytes.length > maxMessageBytes) throw new Refusal("--frame-ms is too long for one message");
    yield { bytes, dueMs: frame * frameMs };
    from = to;
  }
}

function interleave(channels: readonly Float32Array[], from: number, to: number): Float32Array {
  const mixed = new Float32Array((to - from) * channels.length);
  for (const [channel, track] of channels.entries()) {
    for (let i = from, at = channel; i < to; i++, at += channels.length) mixed[at] = track[i] ?? 0;
  }
  return mixed;
}

async function encoderFor(
  encoding: Encoding,
  rate: number,
  channels: number,
  frameMs: number,
): Promise<EncodeFrame> {
  switch (encoding) {
    case "pcm_s16le":
      return (samples) => new Uint8Array(toInt16(samples).buffer);
    case "pcm_f32le":
      return (samples) => new Uint8Array(samples.buffer);
    case "pcm_mulaw":
      return encodeMulaw;
    case "pcm_alaw":
      return encodeAlaw;
    case "opus": {
      const encoder = await createOpusEncoder(opusOptions(rate, channels, frameMs));
      return (samples) => encoder.encode(toInt16(samples));
    }
  }
}

const opusRates = [8000, 12_000, 16_000, 24_000, 48_000] as const;
const opusFrames = [2.5, 5, 10, 20, 40, 60, 80, 100, 120] as const;

function opusOptions(rate: number, channels: number, frameMs: number): OpusEncoderOptions {
  const known = {
    rate: opusRates.find((one) => one === rate),
    frameMs: opusFrames.find((one) => one === frameMs),
  };
  if (known.rate === undefined) throw new Refusal(`Opus takes a --sample-rate of ${opusRates.join(", ")}`);
  if (known.frameMs === undefined) throw new Refusal(`Opus takes a --frame-ms of ${opusFrames.join(", ")}`);
  return { rate: known.rate, frameMs: known.frameMs, channels: channels === 2 ? 2 : 1 };
}

/** Little-endian as every machine that Node runs on. */
const toInt16 = (samples: Float32Array): Int16Array<ArrayBuffer> =>
  Int16Array.from(samples, (x) => Math.max(-32_768, Math.min(32_767, Math.round(x * 32_768))));
