import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { OggOpusDecoder } from "ogg-opus-decoder";
import { oggPage, opusHead, opusTags } from "../../test/support/ogg-file.ts";
import { collect, soundFile, type Collected } from "../../test/support/recordings.ts";
import { Fault } from "../stream/errors.ts";
import { OggOpusReader } from "./ogg-opus.ts";
import { OggDemuxer } from "./ogg.ts";
import { createOpusHost, type OpusHost } from "./opus-host.ts";

const fixtures = ["mono.opus", "stereo-60ms.opus"];
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(soundFile(name)));
const hasCode = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;

async function decodedElsewhere(bytes: Uint8Array): Promise<readonly Float32Array[]> {
  // Its types leave the rate out.
  const options = { forceStereo: false, sampleRate: 16_000 };
  const decoder = new OggOpusDecoder(options);
  await decoder.ready;
  const { channelData } = await decoder.decodeFile(bytes);
  decoder.free();
  return channelData;
}

/** The audio packets of a file, 20 ms each in `mono.opus`. */
function packetsOf(name: string): Uint8Array[] {
  const packets = [...new OggDemuxer().push(bytesOf(name))].flatMap((page) => page.packets);
  return packets.slice(2).filter((packet) => packet !== undefined);
}

describe("OggOpusReader", () => {
  let host: OpusHost;
  before(async () => {
    host = await createOpusHost();
  });
  after(() => {
    host.close();
  });
  const read = (bytes: Uint8Array, step?: number): Collected => collect(new OggOpusReader(host), bytes, step);

  /** A file of `packets` on one page, the last. */
  const fileOf = (packets: readonly Uint8Array[], granule: number, head = opusHead(1, 312)): Uint8Array =>
    Buffer.concat([
      oggPage({ sequence: 0, flags: 2, granule: 0, packets: [head] }),
      oggPage({ sequence: 1, granule: 0, packets: [opusTags] }),
      oggPage({ sequence: 2, flags: 4, granule, packets }),
    ]);

  for (const name of fixtures) {
    it(`gives the second of sound in ${name} as an independent decoder does`, async () => {
      const reference = await decodedElsewhere(bytesOf(name));
      const { format, channels } = read(bytesOf(name));
      assert.deepEqual(format, { rate: 16_000, clock: 48_000, channels: reference.length, codec: "opus" });
      for (const [i, channel] of channels.entries()) {
        assert.equal(channel.length, 16_000);
        assert.deepEqual(channel, reference[i]?.slice(0, 16_000));
      }
    });

    it(`gives the same for ${name} at any split of the bytes`, () => {
      const whole = read(bytesOf(name));
      for (const step of [1, 777]) assert.deepEqual(read(bytesOf(name), step), whole);
    });
  }

  it("plays from the pre-skip to the last granule position, to the sample", () => {
    const packets = packetsOf("mono.opus").slice(0, 10);
    const whole = read(fileOf(packets, 9600, opusHead(1, 0))).channels[0] ?? new Float32Array(0);
    const [part] = read(fileOf(packets, 312 + 3000)).channels;
    assert.equal(whole.length, 3200);
    assert.deepEqual(part, whole.subarray(104, 104 + 1000));
  });

  it("begins where a recording of a running stream begins", () => {
    const packets = packetsOf("mono.opus").slice(0, 10);
    const live = Buffer.concat([
      oggPage({ sequence: 0, flags: 2, granule: 0, packets: [opusHead(1, 0)] }),
      oggPage({ sequence: 1, granule: 0, packets: [opusTags] }),
      oggPage({ sequence: 2, granule: 1_000_000 + 4800, packets: packets.slice(0, 5) }),
      oggPage({ sequence: 3, flags: 4, granule: 1_000_000 + 9000, packets: packets.slice(5) }),
    ]);
    assert.deepEqual(read(live), read(fileOf(packets, 9000, opusHead(1, 0))));
    assert.equal(read(live).channels[0]?.length, 3000);
  });

  it("applies the gain of the header", () => {
    const packets = packetsOf("mono.opus").slice(0, 10);
    const plain = read(fileOf(packets, 9600)).channels[0] ?? new Float32Array(0);
    const [quiet] = read(fileOf(packets, 9600, opusHead(1, 312, -20))).channels;
    assert.ok(plain.some((x) => Math.abs(x) > 0.01));
    plain.forEach((x, i) => assert.ok(Math.abs((quiet?.[i] ?? NaN) - x / 10) < 1e-6));
  });

  it("joins streams that follow each other", () => {
    const packets = packetsOf("mono.opus").slice(0, 10);
    const one = fileOf(packets, 9600);
    const [single] = read(one).channels;
    const [double] = read(Buffer.concat([one, one])).channels;
    assert.deepEqual(double, Float32Array.from([...(single ?? []), ...(single ?? [])]));
  });

  it("reads the first of two streams side by side, and passes over long comments", () => {
    const packets = packetsOf("mono.opus").slice(0, 10);
    const comments = new Uint8Array(65_025 - 255).fill(7);
    const file = Buffer.concat([
      oggPage({ sequence: 0, flags: 2, granule: 0, packets: [opusHead(1, 312)] }),
      oggPage({ serial: 2, sequence: 0, flags: 2, granule: 0, packets: [opusHead(2, 312)] }),
      oggPage({ sequence: 1, granule: -1, packets: [comments], open: true }),
      oggPage({ sequence: 2, flags: 1, granule: 0, packets: [comments] }),
      oggPage({ serial: 2, sequence: 1, flags: 4, granule: 0, packets: [opusTags] }),
      oggPage({ sequence: 3, flags: 4, granule: 9600, packets }),
    ]);
    assert.deepEqual(read(file), read(fileOf(packets, 9600)));
  });

  it("makes a hole of a packet that does not decode", () => {
    const packets = packetsOf("mono.opus").slice(0, 10);
    packets[4] = Uint8Array.of(0xff, 0xff, 0xff);
    const [channel] = read(fileOf(packets, 9600, opusHead(1, 0))).channels;
    assert.equal(channel?.length, 3200);
    const holes = channel.reduce((sum, x) => sum + Number(Number.isNaN(x)), 0);
    assert.equal(holes, 320);
  });

  it("refuses a file whose packets are mostly broken", () => {
    const packets = Array.from({ length: 60 }, () => Uint8Array.of(0xff, 0xff, 0xff));
    assert.throws(() => read(fileOf(packets, 57_600)), hasCode("undecodable_audio"));
  });

  it("gives what a truncated file still holds", () => {
    const bytes = bytesOf("mono.opus");
    const [whole] = read(bytes).channels;
    const [part] = read(bytes.subarray(0, -100)).channels;
    assert.ok(part !== undefined && part.length < 16_000);
    assert.deepEqual(part, whole?.subarray(0, part.length));
  });

  it("refuses a flipped byte, a missing page and a stream without a beginning", () => {
    const bytes = bytesOf("mono.opus");
    bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
    assert.throws(() => read(bytes), hasCode("undecodable_audio"));
    const packets = packetsOf("mono.opus").slice(0, 4);
    const pages = [
      oggPage({ sequence: 0, flags: 2, granule: 0, packets: [opusHead(1, 0)] }),
      oggPage({ sequence: 1, granule: 0, packets: [opusTags] }),
      oggPage({ sequence: 2, granule: 1920, packets: packets.slice(0, 2) }),
      oggPage({ sequence: 3, flags: 4, granule: 3840, packets: packets.slice(2) }),
    ];
    assert.equal(read(Buffer.concat(pages)).channels[0]?.length, 1280);
    assert.throws(() => read(Buffer.concat(pages.filter((_, i) => i !== 2))), hasCode("undecodable_audio"));
    assert.throws(() => read(Buffer.concat(pages.slice(1))), hasCode("undecodable_audio"));
  });

  it("refuses other codecs and channel layouts", () => {
    for (const head of [
      opusHead(6, 0, 0, 1),
      opusHead(2, 0, 0, 255),
      Buffer.from("\x01vorbis and more", "latin1"),
    ]) {
      assert.throws(
        () => read(fileOf(packetsOf("mono.opus").slice(0, 2), 1920, head)),
        hasCode("unsupported_audio"),
      );
    }
  });
});
