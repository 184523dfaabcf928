import { samples } from "./units.ts";
import type { Samples } from "./units.ts";

export type OpusMode = "silk" | "hybrid" | "celt";
export type OpusBandwidth = "narrowband" | "mediumband" | "wideband" | "superwideband" | "fullband";

/** What a packet says of itself, without decoding it. */
export interface OpusPacketInfo {
  /** Of the whole packet, at 48 kHz: 120 to 5,760. */
  readonly duration: Samples;
  /** 1 to 48, all equally long. */
  readonly frames: number;
  readonly mode: OpusMode;
  readonly bandwidth: OpusBandwidth;
  readonly stereo: boolean;
  /** Holds no coded sound, only time: what a decoder makes of it is comfort noise, never speech. */
  readonly dtx: boolean;
}

/** How the bytes after the TOC divide into frames. */
interface Layout {
  readonly frames: number;
  /** Bytes of the longest frame. */
  readonly longest: number;
}

const maxFrameBytes = 1275;
const maxDuration = 5760;
/** A frame of at most one byte carries nothing: libopus conceals it, and its encoder sends such frames in DTX. */
const maxSilentFrameBytes = 1;

const frameDurations = {
  silk: [480, 960, 1920, 2880],
  hybrid: [480, 960],
  celt: [120, 240, 480, 960],
} as const satisfies Record<OpusMode, readonly number[]>;

/** RFC 6716 table 2: mode and bandwidth in runs of configurations, each run counting through its durations. */
const configurations = (
  [
    ["silk", "narrowband"],
    ["silk", "mediumband"],
    ["silk", "wideband"],
    ["hybrid", "superwideband"],
    ["hybrid", "fullband"],
    ["celt", "narrowband"],
    ["celt", "wideband"],
    ["celt", "superwideband"],
    ["celt", "fullband"],
  ] as const
).flatMap(([mode, bandwidth]) =>
  frameDurations[mode].map((frameDuration) => ({ mode, bandwidth, frameDuration })),
);

/**
 * Reads a packet's shape by RFC 6716 §3. `undefined` for what its rules R1 to R7 call malformed: empty, longer than
 * 120 ms, or lengths that do not add up.
 */
export function parseOpusPacket(packet: Uint8Array): OpusPacketInfo | undefined {
  const toc = packet[0];
  if (toc === undefined) return undefined;
  const configuration = configurations[toc >> 3];
  const layout = layoutOf(packet, toc & 3);
  if (configuration === undefined || layout === undefined || layout.longest > maxFrameBytes) return undefined;
  const duration = configuration.frameDuration * layout.frames;
  if (duration > maxDuration) return undefined;
  return {
    duration: samples(duration),
    frames: layout.frames,
    mode: configuration.mode,
    bandwidth: configuration.bandwidth,
    stereo: (toc & 4) !== 0,
    dtx: layout.longest <= maxSilentFrameBytes,
  };
}

function layoutOf(packet: Uint8Array, code: number): Layout | undefined {
  if (code === 0) return { frames: 1, longest: packet.length - 1 };
  if (code === 1) return equalFrames(2, packet.length - 1);
  if (code === 2) return sizedFrames(packet, 2, 1, packet.length);
  return countedFrames(packet);
}

function equalFrames(frames: number, bytes: number): Layout | undefined {
  return bytes % frames === 0 ? { frames, longest: bytes / frames } : undefined;
}

/** Every frame but the last is preceded by its length, all the lengths together, from `at`. */
function sizedFrames(packet: Uint8Array, frames: number, at: number, end: number): Layout | undefined {
  let longest = 0;
  let left = end - at;
  let header = at;
  for (let frame = 1; frame < frames; frame++) {
    const size = sizeAt(packet, header);
    if (size === undefined) return undefined;
    const sizeBytes = size < 252 ? 1 : 2;
    header += sizeBytes;
    left -= sizeBytes + size;
    if (left < 0) return undefined;
    longest = Math.max(longest, size);
  }
  return { frames, longest: Math.max(longest, left) };
}

/** RFC 6716 §3.2.1: one byte below 252, otherwise two. */
function sizeAt(packet: Uint8Array, at: number): number | undefined {
  const first = packet[at];
  if (first === undefined || first < 252) return first;
  const second = packet[at + 1];
  return second === undefined ? undefined : second * 4 + first;
}

/** Code 3: a count with two flags, the padding's length, the frames, the padding. */
function countedFrames(packet: Uint8Array): Layout | undefined {
  const counts = packet[1];
  if (counts === undefined) return undefined;
  const frames = counts & 0x3f;
  if (frames === 0) return undefined;
  const variable = (counts & 0x80) !== 0;
  let at = 2;
  let end = packet.length;
  if ((counts & 0x40) !== 0) {
    let more: number | undefined;
    do {
      more = packet[at++];
      if (more === undefined) return undefined;
      end -= more === 255 ? 254 : more;
    } while (more === 255);
  }
  if (at > end) return undefined;
  return variable ? sizedFrames(packet, frames, at, end) : equalFrames(frames, end - at);
}
