import { Fault } from "../stream/errors.ts";
import { damaged } from "./file-reader.ts";

/** What the first packet of an Ogg Opus stream says (RFC 7845 §5.1). */
export interface OpusHead {
  readonly channels: number;
  /** Samples at 48 kHz that are decoded and not played. */
  readonly preSkip: number;
  /** Factor on every sample. */
  readonly gain: number;
}

const headBytes = 19;
const others = new Map([
  ["\x7fFLAC", "FLAC"],
  ["\x01vorbis", "Vorbis"],
  ["Speex   ", "Speex"],
]);

/** `undefined` for a stream that is no audio; throws `unsupported_audio` for audio that is not Opus. */
export function readOpusHead(packet: Uint8Array | undefined): OpusHead | undefined {
  if (packet === undefined) return undefined;
  const start = String.fromCharCode(...packet.subarray(0, 8));
  for (const [magic, name] of others) {
    if (start.startsWith(magic))
      throw new Fault("unsupported_audio", `Ogg with ${name}: only Opus is supported`);
  }
  if (start !== "OpusHead") return undefined;
  if (packet.length < headBytes) throw damaged("the Opus header is cut short");
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const family = view.getUint8(18);
  if (view.getUint8(8) > 15) throw new Fault("unsupported_audio", "an Ogg Opus file of an unknown version");
  if (family > 1) throw new Fault("unsupported_audio", `Opus channel mapping ${family}`);
  return {
    channels: view.getUint8(9),
    preSkip: view.getUint16(10, true),
    gain: 10 ** (view.getInt16(16, true) / (20 * 256)),
  };
}
