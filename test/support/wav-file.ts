interface WavFormat {
  readonly tag: number;
  readonly bits: number;
  readonly channels?: number;
  readonly rate?: number;
  readonly extensible?: boolean;
}

export interface WavFile extends WavFormat {
  readonly data: Uint8Array;
  /** What the header says, when that is not the truth. */
  readonly size?: number;
}

/** A RIFF chunk, padded to an even length; `size` when its header is to say something else. */
export function chunk(id: string, body: Uint8Array, size = body.length): Uint8Array {
  const out = new Uint8Array(8 + body.length + (body.length % 2));
  out.set(Buffer.from(id, "latin1"));
  new DataView(out.buffer).setUint32(4, size, true);
  out.set(body, 8);
  return out;
}

/** The body of a `fmt ` chunk. */
export function formatBytes(format: WavFormat): Uint8Array {
  const { tag, bits, channels = 1, rate = 16_000, extensible = false } = format;
  const out = new Uint8Array(extensible ? 40 : 16);
  const view = new DataView(out.buffer);
  const frame = (bits / 8) * channels;
  view.setUint16(0, extensible ? 0xfffe : tag, true);
  view.setUint16(2, channels, true);
  view.setUint32(4, rate, true);
  view.setUint32(8, rate * frame, true);
  view.setUint16(12, frame, true);
  view.setUint16(14, bits, true);
  if (!extensible) return out;
  view.setUint16(16, 22, true);
  view.setUint16(18, bits, true);
  view.setUint16(24, tag, true);
  out.set([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71], 26);
  return out;
}

/** A WAV file around `data`. */
export function wavFile({ data, size, ...format }: WavFile): Uint8Array {
  const body = Buffer.concat([chunk("fmt ", formatBytes(format)), chunk("data", data, size)]);
  const head = Buffer.from("RIFF\0\0\0\0WAVE", "latin1");
  head.writeUInt32LE(4 + body.length, 4);
  return new Uint8Array(Buffer.concat([head, body]));
}

/** A WAV file of samples as they are, 16,000 a second where nothing else is said. */
export const floatWav = (
  samples: Float32Array,
  format: Pick<WavFormat, "channels" | "rate"> = {},
): Uint8Array =>
  wavFile({
    ...format,
    tag: 3,
    bits: 32,
    data: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
  });
