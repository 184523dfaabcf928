import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { from } from "rxjs";
import { fakeDetector, detection } from "../../test/support/fakes.ts";
import { importSmallSafeear, temporaryPacks } from "../../test/support/small-safeear.ts";
import { voice } from "../../test/support/voice.ts";
import { bytesOf, toS16 } from "../../test/support/wire-audio.ts";
import { parseManifest, toSpec } from "../../src/models/manifest.ts";
import { createPool } from "../../src/models/pool.ts";
import { framePermutation, permuteFrames } from "../../src/models/safeear/permutation.ts";
import { openPack } from "../../src/models/store.ts";
import { readCodeWindow, type CodeWindow } from "../../src/stream/code-window.ts";
import { createDecoder } from "../../src/stream/decode.ts";
import type { CodeSpec, Window } from "../../src/stream/ports.ts";
import { createSession } from "../../src/stream/session.ts";
import { hertz } from "../../src/stream/units.ts";
import { createEdge } from "./create-edge.ts";
import type { EdgeOptions } from "./edge.ts";

const codes: CodeSpec = { stages: 3, choices: 12, frameSamples: 320, frames: 202 };
const audio = { encoding: "pcm_s16le", sampleRate: 16_000 } as const;
const speech = bytesOf(toS16(voice(7.3, 16_000)));

describe("the edge of a client in private mode", { timeout: 120_000 }, () => {
  let pack = "";
  let packs: Awaited<ReturnType<typeof temporaryPacks>> | undefined;
  before(async () => {
    packs = await temporaryPacks();
    pack = await importSmallSafeear(packs.folder, "5");
  });
  after(() => packs?.remove());

  const open = async (t: TestContext, options: Partial<EdgeOptions> = {}) => {
    const edge = await createEdge({ pack, audio, ...options });
    t.after(() => edge.close());
    return edge;
  };

  /** All windows of a stream that is pushed in pieces. */
  const windowsOf = async (
    t: TestContext,
    options: Partial<EdgeOptions> = {},
    bytes = speech,
    step = bytes.length,
  ): Promise<CodeWindow[]> => {
    const edge = await open(t, options);
    const messages: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += step)
      messages.push(...(await edge.push(bytes.subarray(at, at + step))));
    messages.push(...(await edge.flush()));
    return messages.map((message) => readCodeWindow(message, codes));
  };

  it("cuts the windows that a session of the same audio hears, but for those before the first whole one", async (t) => {
    const sent = await windowsOf(t);
    const heard = (await heardBySession(pack, speech)).filter(
      ({ provisional, end }) => !provisional || end > 64_600,
    );
    assert.ok(sent.length >= 5);
    assert.deepEqual(
      sent.map(({ start, speechMs }) => [start, speechMs]),
      heard.map(({ start, speech: spoken }) => [start, Math.floor(spoken / 16)]),
    );
    const indexes = sent.map(({ index }) => index);
    assert.deepEqual(
      indexes,
      indexes.map((_, i) => i),
    );
  });

  it("makes the same of any split of the bytes", async (t) => {
    const whole = await windowsOf(t, { order: "7" });
    for (const step of [6401, 333]) assert.deepEqual(await windowsOf(t, { order: "7" }, speech, step), whole);
  });

  for (const order of ["5", "flip", "identity"]) {
    it(`sends codes that the detector hears as the server's own model hears the audio (${order})`, async (t) => {
      const packs = await temporaryPacks();
      t.after(() => packs.remove());
      const ordered = order === "5" ? pack : await importSmallSafeear(packs.folder, order);
      const pool = await createPool({
        pack: await openPack("safeear", [join(ordered, "..")]),
        ...{ workers: 1, providers: ["cpu"], maxWindowMs: Infinity },
      });
      t.after(() => pool.close());
      const llrOf = async (window: Window): Promise<number> =>
        (await pool.score(window, new AbortController().signal)).llr;
      const sent = await windowsOf(t, { order });
      const heard = await heardBySession(pack, speech);
      assert.ok(sent.length > 1);
      for (const { codes, start } of sent) {
        const window = heard.find((one) => one.start === start && !one.provisional);
        assert.ok(window !== undefined);
        const fromCodes = await llrOf({ ...window, samples: new Float32Array(0), codes });
        assert.ok(Math.abs(fromCodes - (await llrOf(window))) < 1e-4, `${start}`);
      }
    });
  }

  it("shuffles each window by a seed of its own where no order is given, within each second", async (t) => {
    const [plain, first, second] = [
      await windowsOf(t, { order: "identity" }),
      await windowsOf(t),
      await windowsOf(t),
    ];
    for (const [i, window] of plain.entries()) {
      const [a, b] = [first[i]?.codes, second[i]?.codes];
      assert.ok(a !== undefined && b !== undefined);
      assert.notDeepEqual(a, window.codes);
      assert.notDeepEqual(a, b);
      assert.deepEqual(secondsOf(a), secondsOf(window.codes));
    }
  });

  it("shuffles by the seed that is given, in the published way", async (t) => {
    const [plain, shuffled] = [await windowsOf(t, { order: "identity" }), await windowsOf(t, { order: "9" })];
    const permutation = framePermutation(202, { kind: "seed", seed: 9 });
    for (const [i, window] of plain.entries())
      assert.deepEqual(shuffled[i]?.codes, permuteFrames(window.codes, permutation));
  });

  it("sends nothing of a window in which nobody speaks", async (t) => {
    const [window, ...others] = await windowsOf(t, {}, new Uint8Array(2 * 64_600));
    assert.equal(others.length, 0);
    assert.deepEqual([window?.speechMs, window?.codes.every((code) => code === 0)], [0, true]);
  });

  it("pads what is shorter than a window, once there is no more", async (t) => {
    const edge = await open(t, { order: "5" });
    assert.deepEqual(await edge.push(speech.subarray(0, 96_000)), []);
    const [message, ...others] = await edge.flush();
    assert.ok(message !== undefined && others.length === 0);
    const { start, speechMs } = readCodeWindow(message, codes);
    assert.ok(start === 0 && speechMs > 1500 && speechMs <= 3000);
  });

  it("keeps pauses, gaps and speakers apart, as a session does", async (t) => {
    const edge = await open(t, { hopMs: 2000 });
    const second = (n: number) => speech.subarray(0, 32_000 * n);
    const starts = async (messages: Promise<Uint8Array[]>) =>
      (await messages).map((message) => readCodeWindow(message, codes).start);
    assert.deepEqual(await starts(edge.push(second(5))), [0]);
    assert.deepEqual(await starts(edge.pause()), [80_000 - 64_600]);
    assert.deepEqual(await starts(edge.push(second(1))), []);
    assert.deepEqual(await starts(edge.resume(500)), []);
    assert.deepEqual(await starts(edge.push(second(7))), [104_000, 136_000]);
    assert.deepEqual(await starts(edge.annotate({ kind: "transfer" })), [216_000 - 64_600]);
    assert.deepEqual(await starts(edge.push(second(1))), []);
    assert.deepEqual(await starts(edge.finalize()), [216_000]);
    assert.deepEqual(await starts(edge.flush()), []);
  });

  it("resamples what is not at the model's rate", async (t) => {
    const narrow = new Uint8Array(8000 * 6).fill(0xff);
    const sent = await windowsOf(t, { audio: { encoding: "pcm_mulaw", sampleRate: 8000 } }, narrow);
    assert.deepEqual(
      sent.map(({ start }) => start),
      [0, 16_000, 31_400],
    );
  });

  it("says how its session begins, and of which pack its codes are", async (t) => {
    const edge = await open(t, { hopMs: 500 });
    assert.deepEqual(edge.start, {
      audio: { encoding: "safeear_codes", channels: 1 },
      detection: { hopMs: 500 },
    });
    assert.equal(edge.modelDigest, (await specOf(pack)).digest);
  });

  it("needs no more of a pack than its tokenizer, and that unchanged", async (t) => {
    const packs = await temporaryPacks();
    t.after(() => packs.remove());
    const part = await importSmallSafeear(packs.folder, "5");
    for (const file of ["front.onnx", "back.onnx", "detector.onnx"])
      await rm(join(part, file), { force: true });
    assert.deepEqual(await windowsOf(t, { pack: part, order: "1" }), await windowsOf(t, { order: "1" }));
    await appendFile(join(part, "tokenizer.onnx"), "x");
    await assert.rejects(createEdge({ pack: part, audio }), /tokenizer\.onnx has \d+ bytes/);
    await rm(join(part, "tokenizer.onnx"));
    await assert.rejects(createEdge({ pack: part, audio }), /tokenizer\.onnx is missing/);
    const manifest = parseManifest(JSON.parse(await readFile(join(part, "model.json"), "utf8")));
    const files = { ...manifest.files, "model.onnx": manifest.files["tokenizer.onnx"] };
    await writeFile(join(part, "model.json"), JSON.stringify({ ...manifest, codec: undefined, files }));
    await assert.rejects(createEdge({ pack: part, audio }), /has no tokenizer/);
  });

  it("leaves the thread free while it encodes, and answers in the order of the calls", async (t) => {
    const edge = await open(t, { order: "5" });
    const calls = [edge.push(speech.subarray(0, 160_000)), edge.push(speech.subarray(160_000)), edge.flush()];
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const order: number[] = [];
    const all = await Promise.all(
      calls.map(async (call, i) => {
        const messages = await call;
        order.push(i);
        return messages;
      }),
    );
    clearInterval(timer);
    assert.deepEqual(order, [0, 1, 2]);
    assert.ok(turns > 0);
    assert.deepEqual(
      all.flat().map((message) => readCodeWindow(message, codes)),
      await windowsOf(t, { order: "5" }),
    );
  });

  it("says what is wrong with a tokenizer that is none, and ends its process", async (t) => {
    const packs = await temporaryPacks();
    t.after(() => packs.remove());
    const broken = await importSmallSafeear(packs.folder, "5");
    const manifest = parseManifest(JSON.parse(await readFile(join(broken, "model.json"), "utf8")));
    const rewrite = (changed: object) =>
      writeFile(join(broken, "model.json"), JSON.stringify({ ...manifest, ...changed }));
    await rewrite({ codec: { ...manifest.codec, tokenizer: "detector.onnx" } });
    const edge = await open(t, { pack: broken });
    await assert.rejects(edge.push(speech), /the tokenizer failed: /);
    await edge.close();
    await edge.close();
    await assert.rejects(edge.push(speech), /has ended/);
    const none = Buffer.from("no model");
    const sha256 = createHash("sha256").update(none).digest("hex");
    await writeFile(join(broken, "tokenizer.onnx"), none);
    await rewrite({ files: { ...manifest.files, "tokenizer.onnx": { sha256, bytes: none.length } } });
    await assert.rejects(createEdge({ pack: broken, audio }), /the tokenizer failed: /);
  });

  it("refuses options that no session has", async () => {
    for (const [options, message] of [
      [{ hopMs: 240 }, /hopMs must be 250 to 5000/],
      [{ hopMs: 1001 }, /multiple of 20/],
      [{ order: "sorted" }, /identity, flip or a seed/],
      [{ audio: { encoding: "pcm_s16le", sampleRate: 16_001 } }, /sampleRate must be one of 8000/],
    ] as const) {
      await assert.rejects(createEdge({ pack, audio, ...options }), { name: "RangeError", message });
    }
  });
});

/** What is in each second of each stage, whatever its order. */
function secondsOf(found: Int32Array): string[] {
  const seconds: string[] = [];
  for (let stage = 0; stage < found.length; stage += 202) {
    const frames = found.subarray(stage, stage + 202);
    for (let at = 0; at < 202; at += 50) seconds.push([...frames.slice(at, at + 50)].sort().join());
  }
  return seconds;
}

const specOf = async (pack: string) =>
  toSpec(parseManifest(JSON.parse(await readFile(join(pack, "model.json"), "utf8"))));

/** The windows of a session of that audio, with their sound. */
async function heardBySession(pack: string, bytes: Uint8Array): Promise<readonly Window[]> {
  const format = { encoding: "pcm_s16le", framing: "raw", rate: hertz(16_000), channels: 1 } as const;
  const windows: Window[] = [];
  const keep = (window: Window) => windows.push({ ...window, samples: window.samples.slice() });
  const session = createSession(
    {
      ...{ format, pace: "file", decoder: createDecoder(format, undefined), detection, now: () => 0 },
      detector: fakeDetector(keep, await specOf(pack)),
      valve: { pause: () => undefined, resume: () => undefined },
    },
    from([{ type: "audio", chunk: bytes } as const]),
  );
  await new Promise<void>((resolve, reject) => {
    session.events.subscribe({ error: reject, complete: resolve });
  });
  return windows;
}
