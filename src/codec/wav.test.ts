import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fault } from "../stream/errors.ts";
import { collect, type Collected } from "../../test/support/recordings.ts";
import { chunk, formatBytes, wavFile } from "../../test/support/wav-file.ts";
import { WavReader } from "./wav.ts";

const read = (bytes: Uint8Array, step?: number): Collected => collect(new WavReader(), bytes, step);

const ramp = Array.from({ length: 200 }, (_, i) => (i - 100) / 128);

function encoded(bytes: number, write: (view: DataView, at: number, x: number) => void): Uint8Array {
  const out = new Uint8Array(ramp.length * bytes);
  ramp.forEach((x, i) => write(new DataView(out.buffer), i * bytes, x));
  return out;
}

const samplesOf: readonly {
  readonly codec: string;
  readonly tag: number;
  readonly bits: number;
  readonly data: Uint8Array;
}[] = [
  { codec: "pcm_u8", tag: 1, bits: 8, data: encoded(1, (v, at, x) => v.setUint8(at, x * 128 + 128)) },
  { codec: "pcm_s16le", tag: 1, bits: 16, data: encoded(2, (v, at, x) => v.setInt16(at, x * 2 ** 15, true)) },
  {
    codec: "pcm_s24le",
    tag: 1,
    bits: 24,
    data: encoded(3, (v, at, x) => {
      v.setUint8(at, 0);
      v.setInt16(at + 1, x * 2 ** 15, true);
    }),
  },
  { codec: "pcm_s32le", tag: 1, bits: 32, data: encoded(4, (v, at, x) => v.setInt32(at, x * 2 ** 31, true)) },
  { codec: "pcm_f32le", tag: 3, bits: 32, data: encoded(4, (v, at, x) => v.setFloat32(at, x, true)) },
  { codec: "pcm_f64le", tag: 3, bits: 64, data: encoded(8, (v, at, x) => v.setFloat64(at, x, true)) },
];

describe("WavReader", () => {
  for (const { codec, tag, bits, data } of samplesOf) {
    it(`gives the samples of ${codec} at any split of the bytes`, () => {
      const file = wavFile({ tag, bits, data });
      for (const step of [file.length, 1, 7]) {
        const { format, channels } = read(file, step);
        assert.equal(format.codec, codec);
        assert.deepEqual(channels, [Float32Array.from(ramp)]);
      }
    });

    it(`finds ${codec} behind an extensible format`, () => {
      const file = wavFile({ tag, bits, data, extensible: true });
      assert.deepEqual(read(file).channels, [Float32Array.from(ramp)]);
    });
  }

  it("decodes mu-law and A-law to what G.711 says", () => {
    const mulaw = read(wavFile({ tag: 7, bits: 8, data: Uint8Array.of(0xff, 0x7f, 0x80, 0x00) }));
    assert.deepEqual(mulaw.channels, [Float32Array.of(0, 0, 32124 / 32768, -32124 / 32768)]);
    const alaw = read(wavFile({ tag: 6, bits: 8, data: Uint8Array.of(0xd5, 0x55, 0xaa, 0x2a) }));
    assert.deepEqual(alaw.channels, [Float32Array.of(8 / 32768, -8 / 32768, 32256 / 32768, -32256 / 32768)]);
  });

  it("separates the channels of stereo", () => {
    const data = new Uint8Array(Int16Array.of(1, -1, 2, -2, 3, -3).buffer);
    const { channels } = read(wavFile({ tag: 1, bits: 16, data, channels: 2 }), 5);
    assert.deepEqual(
      channels,
      [1, -1].map((sign) => Float32Array.of(1, 2, 3).map((x) => (sign * x) / 32768)),
    );
  });

  it("passes over other chunks, padding those of odd length", () => {
    const plain = wavFile({ tag: 1, bits: 8, data: Uint8Array.of(128, 192) });
    const file = Buffer.concat([
      plain.subarray(0, 12),
      chunk("LIST", new Uint8Array(333)),
      plain.subarray(12),
      chunk("id3 ", Uint8Array.of(1, 2, 3)),
    ]);
    for (const step of [file.length, 1])
      assert.deepEqual(read(file, step).channels, [Float32Array.of(0, 0.5)]);
  });

  for (const size of [0, 0xffff_ffff]) {
    it(`reads to the end when the writer left the size at ${size}`, () => {
      const file = wavFile({ tag: 1, bits: 8, data: Uint8Array.of(128, 192, 64, 64), size });
      assert.deepEqual(read(file).channels, [Float32Array.of(0, 0.5, -0.5, -0.5)]);
    });
  }

  it("believes the 64-bit size of an RF64 file", () => {
    const sizes = new Uint8Array(28);
    new DataView(sizes.buffer).setBigUint64(8, 2n, true);
    const file = Buffer.concat([
      Buffer.from("RF64\xff\xff\xff\xffWAVE", "latin1"),
      chunk("ds64", sizes),
      chunk("fmt ", formatBytes({ tag: 1, bits: 8 })),
      chunk("data", Uint8Array.of(128, 192), 0xffff_ffff),
      chunk("LIST", new Uint8Array(4)),
    ]);
    assert.deepEqual(read(file).channels, [Float32Array.of(0, 0.5)]);
  });

  it("gives what a truncated file still holds, in whole frames", () => {
    const data = new Uint8Array(Int16Array.of(100, 200, 300, 400).buffer);
    const file = wavFile({ tag: 1, bits: 16, data, channels: 2 });
    assert.deepEqual(read(file.subarray(0, -3)).channels, [
      Float32Array.of(100 / 32768),
      Float32Array.of(200 / 32768),
    ]);
  });

  it("makes holes of samples that are no numbers and clamps loud ones", () => {
    const data = new Uint8Array(Float32Array.of(0.5, NaN, Infinity, -3).buffer);
    assert.deepEqual(read(wavFile({ tag: 3, bits: 32, data })).channels, [
      Float32Array.of(0.5, NaN, NaN, -1),
    ]);
  });

  const refused: readonly [string, Uint8Array, string][] = [
    ["ADPCM", wavFile({ tag: 0x11, bits: 4, data: new Uint8Array(8) }), "unsupported_audio"],
    [
      "six channels",
      wavFile({ tag: 1, bits: 16, data: new Uint8Array(12), channels: 6 }),
      "unsupported_audio",
    ],
    [
      "no channels",
      wavFile({ tag: 1, bits: 16, data: new Uint8Array(12), channels: 0 }),
      "unsupported_audio",
    ],
    ["3 GHz", wavFile({ tag: 1, bits: 16, data: new Uint8Array(12), rate: 3e9 }), "unsupported_audio"],
    ["a rate of 0", wavFile({ tag: 1, bits: 16, data: new Uint8Array(12), rate: 0 }), "unsupported_audio"],
    [
      "a rate no filter fits",
      wavFile({ tag: 1, bits: 16, data: new Uint8Array(12), rate: 44_101 }),
      "unsupported_audio",
    ],
    [
      "no format",
      Buffer.concat([Buffer.from("RIFF\0\0\0\0WAVE"), chunk("data", new Uint8Array(8))]),
      "undecodable_audio",
    ],
    ["no audio", Buffer.from("RIFF\0\0\0\0WAVE"), "undecodable_audio"],
  ];
  for (const [what, file, code] of refused) {
    it(`refuses ${what} with ${code}`, () => {
      assert.throws(
        () => read(file),
        (reason) => reason instanceof Fault && reason.code === code,
      );
    });
  }
});
