import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { opusHead, oggPage } from "../../test/support/ogg-file.ts";
import { soundFile } from "../../test/support/recordings.ts";
import { wavFile } from "../../test/support/wav-file.ts";
import { Fault } from "../stream/errors.ts";
import { openAudio, readAudio } from "./read-audio.ts";

const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(soundFile(name)));
const hasCode = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const second = wavFile({ tag: 1, bits: 16, data: new Uint8Array(32_000) });

/** Marsaglia's xorshift, so that what fails once fails again. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Some are truncated, most are changed in up to four places: half the time in the header, which decides most. */
function damagedCopy(original: Uint8Array, round: number, random: (below: number) => number): Uint8Array {
  const bytes = original.slice(0, round % 3 === 0 ? random(original.length) : original.length);
  const reach = round % 2 === 0 ? Math.min(64, bytes.length) : bytes.length;
  for (let hits = round % 5; hits > 0 && reach > 0; hits--) bytes[random(reach)] = random(256);
  return bytes;
}

async function outcomeOf(content: Uint8Array): Promise<string> {
  try {
    const { channels } = await readAudio(content, { maxSeconds: 60 });
    const isInRange = channels.every((channel) => channel.every((x) => Number.isNaN(x) || Math.abs(x) <= 1));
    return isInRange ? "in range" : "out of range";
  } catch (reason) {
    return reason instanceof Fault ? reason.code : String(reason);
  }
}

describe("readAudio", () => {
  for (const [name, codec, rate, channels, length] of [
    ["mono-16k.flac", "flac", 16_000, 1, 8000],
    ["stereo-44k1-24bit.flac", "flac", 44_100, 2, 11_025],
    ["mono.opus", "opus", 16_000, 1, 16_000],
    ["stereo-60ms.opus", "opus", 16_000, 2, 16_000],
  ] as const) {
    it(`recognises ${name} by its content`, async () => {
      const audio = await readAudio(bytesOf(name));
      assert.deepEqual([audio.codec, audio.rate, audio.channels.length], [codec, rate, channels]);
      for (const channel of audio.channels) assert.equal(channel.length, length);
    });
  }

  it("converts rates that no session takes to the detector's", async () => {
    const loud = new Uint8Array(Int16Array.from({ length: 96_000 }, () => 16_384).buffer);
    const { rate, channels } = await readAudio(wavFile({ tag: 1, bits: 16, data: loud, rate: 96_000 }));
    assert.equal(rate, 16_000);
    const [track] = channels;
    assert.equal(track?.length, 16_000);
    assert.ok(Math.abs((track[8000] ?? NaN) - 0.5) < 1e-3);
  });

  it("refuses what it does not know", async () => {
    for (const content of [new Uint8Array(1000), Buffer.from("ID3\x04 an MP3 file, perhaps")]) {
      await assert.rejects(readAudio(content), hasCode("unsupported_audio"));
    }
    await assert.rejects(readAudio(new Uint8Array(3)), hasCode("undecodable_audio"));
    await assert.rejects(
      readAudio(wavFile({ tag: 1, bits: 16, data: new Uint8Array(0) })),
      hasCode("undecodable_audio"),
    );
  });

  it("refuses a recording that is too long, however its bytes come", async () => {
    assert.equal((await readAudio(second, { maxSeconds: 1 })).channels[0]?.length, 16_000);
    await assert.rejects(readAudio(second, { maxSeconds: 0.999 }), hasCode("message_too_large"));
    await assert.rejects(readAudio(bytesOf("mono.opus"), { maxSeconds: 0.9 }), hasCode("message_too_large"));
  });

  it("does not make room for what a file only claims to hold", async () => {
    const before = process.memoryUsage().arrayBuffers;
    const claimed = wavFile({ tag: 1, bits: 16, data: new Uint8Array(2000), size: 0xffff_fff0 });
    assert.equal((await readAudio(claimed)).channels[0]?.length, 1000);
    const flac = bytesOf("mono-16k.flac");
    flac[21] = (flac[21] ?? 0) | 0x0f;
    flac.set([0xff, 0xff, 0xff, 0xff], 22);
    assert.equal((await readAudio(flac)).channels[0]?.length, 8000);
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 << 20);
  });

  it("closes its decoder when its reader has heard enough", async () => {
    let closed = 0;
    const opus = { open: () => ({ decode: () => [new Float32Array(320)], close: () => (closed += 1) }) };
    const file = Buffer.concat([
      oggPage({ sequence: 0, flags: 2, granule: 0, packets: [opusHead(1, 0)] }),
      oggPage({ sequence: 1, granule: 0, packets: [Buffer.from("OpusTags")] }),
      oggPage({
        sequence: 2,
        granule: 1920,
        packets: [Uint8Array.of(0x08, 1, 2), Uint8Array.of(0x08, 1, 2)],
      }),
    ]);
    const { pieces } = await openAudio([file], { opus });
    assert.equal((await pieces.next()).done, false);
    await pieces.return();
    assert.equal(closed, 1);
  });

  for (const name of ["wav", "mono-16k.flac", "stereo-8k.flac", "mono.opus", "stereo-60ms.opus"]) {
    it(`answers damaged ${name} with audio in range or a fault, and nothing else`, async () => {
      const original = name === "wav" ? second : bytesOf(name);
      const random = seeded(name.length * 7919);
      let read = 0;
      let refused = 0;
      for (let round = 0; round < 120; round++) {
        const outcome = await outcomeOf(damagedCopy(original, round, random));
        if (outcome === "in range") read++;
        else refused++;
        assert.match(outcome, /^(in range|unsupported_audio|undecodable_audio|message_too_large)$/);
      }
      assert.ok(read > 5 && refused > 5, `${read} read, ${refused} refused`);
    });
  }
});
