import { packCodes, packedBytes, unpackCodes } from "./codes.ts";
import { Fault } from "./errors.ts";
import type { CodeSpec } from "./ports.ts";

/** A window that was turned into codes where its audio is: one message of encoding `safeear_codes`. */
export interface CodeWindow {
  /** Rises from window to window. */
  readonly index: number;
  /** Of the window's first sample, at the detector's rate; at most 2⁵³ − 1. */
  readonly start: number;
  /** Speech within the window. */
  readonly speechMs: number;
  /** Stage by stage, each with its frames in the order in which they are to be heard. */
  readonly codes: Int32Array;
}

export const codeHeaderBytes = 17;
const headerVersion = 1;

/** `u8 version = 1 | u32 index | u64 start_sample | u16 speech_ms | u16 frames`, big-endian, then the codes, packed. */
export function writeCodeWindow({ index, start, speechMs, codes }: CodeWindow, spec: CodeSpec): Uint8Array {
  const packed = packCodes(codes, spec.choices);
  const message = new Uint8Array(codeHeaderBytes + packed.length);
  const header = new DataView(message.buffer);
  header.setUint8(0, headerVersion);
  header.setUint32(1, index);
  header.setBigUint64(5, BigInt(start));
  header.setUint16(13, speechMs);
  header.setUint16(15, codes.length / spec.stages);
  message.set(packed, codeHeaderBytes);
  return message;
}

/**
 * What {@link writeCodeWindow} wrote of a whole window. Throws a `bad_message` Fault for a header or a length that is not such
 * a window's, an `undecodable_audio` Fault for codes that are none.
 */
export function readCodeWindow(message: Uint8Array, spec: CodeSpec): CodeWindow {
  if (message.length < codeHeaderBytes) {
    throw new Fault(
      "bad_message",
      `${message.length} bytes are too few for a ${codeHeaderBytes}-byte header`,
    );
  }
  const header = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const version = header.getUint8(0);
  if (version !== headerVersion) throw bad("version", version, `a header of version ${version}, not 1`);
  const frames = header.getUint16(15);
  if (frames !== spec.frames) {
    throw bad("frames", frames, `a window of ${frames} frames; the model's have ${spec.frames}`);
  }
  const start = Number(header.getBigUint64(5));
  if (!Number.isSafeInteger(start)) throw bad("start_sample", start, "start_sample is not below 2^53");
  const speechMs = header.getUint16(13);
  return { index: header.getUint32(1), start, speechMs, codes: readCodes(message, spec) };
}

function readCodes(message: Uint8Array, { stages, frames, choices }: CodeSpec): Int32Array {
  const count = stages * frames;
  const wanted = codeHeaderBytes + packedBytes(count, choices);
  if (message.length !== wanted) {
    throw bad("codes", message.length, `a window's message has ${wanted} bytes, not ${message.length}`);
  }
  try {
    return unpackCodes(message.subarray(codeHeaderBytes), count, choices);
  } catch (cause) {
    throw new Fault("undecodable_audio", `a window holds what is no code of ${choices}`, { cause });
  }
}

const bad = (field: string, value: number, message: string): Fault =>
  new Fault("bad_message", message, { details: { field, value } });
