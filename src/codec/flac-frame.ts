import { damaged } from "./file-reader.ts";
import { BitReader, BitsEnd } from "./flac-bits.ts";
import { readSubframe } from "./flac-subframe.ts";

/** What the whole file promises of its frames. */
export interface StreamInfo {
  readonly rate: number;
  readonly channels: number;
  readonly depth: number;
  /** Per channel; 0 when the encoder did not know. */
  readonly total: number;
}

/** One decoded frame: samples in [-1, 1] per channel, and how many bytes it took. */
export interface FlacFrame {
  readonly bytes: number;
  readonly channels: readonly Float32Array[];
}

interface FrameHeader {
  readonly length: number;
  /** 0 … 7: that many channels and one; 8 left and side, 9 side and right, 10 mid and side. */
  readonly assignment: number;
}

/** Longer than any frame of two channels and 24 bits can be. */
export const maxFrameBytes = 512 * 1024;

/**
 * Decodes the frame that starts `bytes` (RFC 9639 §9) and checks it against its CRC-16.
 * `undefined` when the frame goes on past the end; throws an `undecodable_audio` Fault for what is no frame.
 */
export function readFrame(bytes: Uint8Array, info: StreamInfo): FlacFrame | undefined {
  try {
    return decodeFrame(bytes, info);
  } catch (reason) {
    if (reason instanceof BitsEnd) return undefined;
    throw reason;
  }
}

function decodeFrame(bytes: Uint8Array, info: StreamInfo): FlacFrame {
  const bits = new BitReader(bytes, 0);
  const header = readHeader(bits, bytes, info);
  const decoded = Array.from({ length: info.channels }, (_, channel) => {
    const samples = new Float64Array(header.length);
    readSubframe(bits, info.depth + (isSide(header.assignment, channel) ? 1 : 0), samples);
    return samples;
  });
  bits.alignToByte();
  const end = bits.byte;
  if (bits.unsigned(16) !== crc16(bytes, end)) throw damaged("a FLAC frame's checksum does not match");
  if (info.channels === 2) rejoin(header.assignment, decoded);
  const scale = 2 ** (1 - info.depth);
  return { bytes: end + 2, channels: decoded.map((samples) => scaled(samples, scale)) };
}

const isSide = (assignment: number, channel: number): boolean =>
  assignment === 9 ? channel === 0 : (assignment === 8 || assignment === 10) && channel === 1;

function scaled(samples: Float64Array, scale: number): Float32Array {
  const out = new Float32Array(samples.length);
  for (let i = 0; i < out.length; i++) {
    const x = (samples[i] ?? 0) * scale;
    // A predictor made to overflow leaves no number at all.
    out[i] = Number.isNaN(x) ? 0 : Math.max(-1, Math.min(1, x));
  }
  return out;
}

function readHeader(bits: BitReader, bytes: Uint8Array, info: StreamInfo): FrameHeader {
  // Fourteen bits of sync and one reserved; the last tells how frames are numbered, which does not matter here.
  if (bits.unsigned(16) >> 1 !== 0x7ffc) throw damaged("there is no FLAC frame where one should start");
  const lengthCode = bits.unsigned(4);
  const rateCode = bits.unsigned(4);
  const assignment = bits.unsigned(4);
  const depthCode = bits.unsigned(3);
  bits.unsigned(1);
  skipNumber(bits);
  const length = blockLength(bits, lengthCode);
  const rate = frameRate(bits, rateCode, info.rate);
  const end = bits.byte;
  if (bits.unsigned(8) !== crc8(bytes, end)) throw damaged("a FLAC frame header's checksum does not match");
  const channels = assignment < 8 ? assignment + 1 : 2;
  const depth = depths[depthCode] ?? info.depth;
  if (assignment > 10 || channels !== info.channels || rate !== info.rate || depth !== info.depth) {
    throw damaged("a FLAC frame differs from what the file's header says");
  }
  return { length, assignment };
}

/** The frame's or its first sample's number, coded as UTF-8 codes characters, in up to seven bytes. */
function skipNumber(bits: BitReader): void {
  let lead = bits.unsigned(8);
  for (let more = 0; lead & 0x80; lead = (lead << 1) & 0xff, more++) {
    if (more > 0) bits.unsigned(8);
  }
}

function blockLength(bits: BitReader, code: number): number {
  if (code === 0) throw damaged("a FLAC frame of a reserved length");
  if (code === 1) return 192;
  if (code <= 5) return 144 * 2 ** code;
  if (code === 6) return bits.unsigned(8) + 1;
  if (code === 7) return bits.unsigned(16) + 1;
  return 2 ** code;
}

const depths: readonly (number | undefined)[] = [undefined, 8, 12, undefined, 16, 20, 24, 32];
const rates: readonly (number | undefined)[] = [
  undefined,
  88_200,
  176_400,
  192_000,
  8000,
  16_000,
  22_050,
  24_000,
  32_000,
  44_100,
  48_000,
  96_000,
];

function frameRate(bits: BitReader, code: number, whole: number): number {
  if (code === 12) return bits.unsigned(8) * 1000;
  if (code === 13) return bits.unsigned(16);
  if (code === 14) return bits.unsigned(16) * 10;
  if (code === 15) throw damaged("a FLAC frame of a reserved rate");
  return rates[code] ?? whole;
}

/** Left and right from what one of them, or their mean, and their difference say: RFC 9639 §4.2. */
function rejoin(assignment: number, [first, second]: readonly Float64Array[]): void {
  if (assignment < 8 || first === undefined || second === undefined) return;
  for (let i = 0; i < first.length; i++) {
    const a = first[i] ?? 0;
    const b = second[i] ?? 0;
    if (assignment === 8) second[i] = a - b;
    else if (assignment === 9) first[i] = a + b;
    else {
      // The mean lost its last bit, which is the difference's.
      const sum = 2 * a + Math.abs(b % 2);
      first[i] = (sum + b) / 2;
      second[i] = (sum - b) / 2;
    }
  }
}

const crc8Table = crcTable(8, 0x07);
const crc16Table = crcTable(16, 0x8005);

function crcTable(width: number, polynomial: number): Uint16Array {
  const top = 2 ** (width - 1);
  const mask = 2 ** width - 1;
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << (width - 8);
    for (let bit = 0; bit < 8; bit++) crc = (crc & top ? (crc << 1) ^ polynomial : crc << 1) & mask;
    return crc;
  });
}

function crc8(bytes: Uint8Array, end: number): number {
  let crc = 0;
  for (let i = 0; i < end; i++) crc = crc8Table[crc ^ (bytes[i] ?? 0)] ?? 0;
  return crc;
}

function crc16(bytes: Uint8Array, end: number): number {
  let crc = 0;
  for (let i = 0; i < end; i++) crc = ((crc << 8) & 0xffff) ^ (crc16Table[(crc >> 8) ^ (bytes[i] ?? 0)] ?? 0);
  return crc;
}
