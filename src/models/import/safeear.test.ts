import assert from "node:assert/strict";
import { readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { readFloats, readIntegers } from "../../../test/support/npy.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { packsFolder } from "../../../test/support/tiny-pack.ts";
import { windowOf } from "../../../test/support/windows.ts";
import { createPool } from "../pool.ts";
import { openPack } from "../store.ts";
import { importSafeear } from "./safeear.ts";

const skip = withoutFixture("safeear-small/model.ckpt");
const published = sharedFixture("safeear-small");
const read = async (name: string): Promise<Float32Array> => (await readFloats(join(published, name))).data;
const everything = ["SpeechTokenizer.pt", "model.ckpt", "config.json", "detect_config.json"] as const;

/** A folder with some of the published files, and others with the text given. */
async function folderOf(
  t: TestContext,
  names: readonly string[],
  texts: Readonly<Record<string, string>> = {},
) {
  const folder = await packsFolder(t);
  for (const name of names) await symlink(join(published, name), join(folder, name));
  for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
  return folder;
}

async function run(t: TestContext, path: string, feeds: Record<string, Tensor>) {
  const session = await InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  t.after(() => session.release());
  return session.run(feeds);
}

describe("importing SafeEar", { skip }, () => {
  it("makes a pack that the server scores windows with, spoof over bona fide", async (t) => {
    const packs = await packsFolder(t);
    const { name, what } = await importSafeear(published, { folder: packs, order: { kind: "flip" } });
    assert.equal(name, "safeear");
    assert.equal(what, "SafeEar, its tokenizer and detector");
    const pack = await openPack(name, [packs]);
    assert.equal(pack.manifest.codec?.detector?.order, "flip");
    assert.match(pack.spec.version, /^weights-[0-9a-f]{12}-flip$/);
    const pool = await createPool({ pack, workers: 1, providers: ["cpu"], maxWindowMs: 60_000 });
    t.after(() => pool.close());
    const samples = await read("input.npy");
    const { llr } = await pool.score(windowOf(samples), new AbortController().signal);
    const [bonafide = NaN, spoof = NaN] = await read("expected_logits_flip.npy");
    assert.ok(Math.abs(llr - (spoof - bonafide)) < 2e-4, `${llr} is not ${spoof - bonafide}`);
    assert.ok(Math.abs(llr) > 1e-3, "a sign can be told");
  });

  it("makes graphs for any length, with one file of weights", async (t) => {
    const packs = await packsFolder(t);
    const { folder } = await importSafeear(published, { folder: packs, name: "ear" });
    const { manifest } = await openPack("ear", [packs]);
    assert.deepEqual(manifest.codec, {
      tokenizer: "tokenizer.onnx",
      stages: 8,
      codes: 32,
      frame_samples: 320,
      fewest_samples: 961,
      halves: { front: "front.onnx", back: "back.onnx", before_samples: 243, after_samples: 554 },
      detector: { file: "detector.onnx", longest_frames: 10_000, order: "0" },
    });
    const samples = (await read("input.npy")).subarray(0, 16_001);
    const audio = new Tensor("float32", samples, [1, samples.length]);
    const { codes } = await run(t, join(folder, "tokenizer.onnx"), { audio });
    const { data } = await readIntegers(join(published, "expected_codes_16001.npy"));
    assert.deepEqual([...(codes?.data ?? [])], Array.from(data, Number));
    const all = (await readIntegers(join(published, "expected_codes.npy"))).data;
    const acoustic = new Tensor("int32", Int32Array.from(all.subarray(202), Number), [1, 7, 202]);
    const { logits } = await run(t, join(folder, "detector.onnx"), { codes: acoustic });
    const expected = await read("expected_logits_identity.npy");
    for (const [i, value] of expected.entries()) assert.ok(Math.abs(Number(logits?.data[i]) - value) < 1e-4);
  });

  it("makes a pack of the tokenizer alone where there is no detector, and says what is missing", async (t) => {
    const packs = await packsFolder(t);
    const { name, what } = await importSafeear(await folderOf(t, ["SpeechTokenizer.pt"]), { folder: packs });
    assert.equal(name, "safeear-tokenizer");
    assert.match(what, /there is no model\.ckpt/);
    const pack = await openPack(name, [packs]);
    assert.equal(pack.manifest.codec?.detector, undefined);
    await assert.rejects(
      createPool({ pack, workers: 1, providers: ["cpu"] }),
      /imported without model\.ckpt/,
    );
    await assert.rejects(openPack("safeear", [packs]), /safeear-tokenizer is there, .* without model\.ckpt/);
    await assert.rejects(openPack("other", [packs]), /no model pack called other in [^;]*$/);
  });

  it("needs no more than the detector's checkpoint, which brings a tokenizer", async (t) => {
    const [small, whole] = [await packsFolder(t), await packsFolder(t)];
    await importSafeear(await folderOf(t, ["model.ckpt"]), { folder: small });
    await importSafeear(published, { folder: whole });
    const [a, b] = await Promise.all([small, whole].map((folder) => openPack("safeear", [folder])));
    assert.equal(a?.spec.digest, b?.spec.digest);
  });

  it("says of a folder with neither model that both are missing, and leaves nothing behind", async (t) => {
    const packs = await packsFolder(t);
    const empty = await folderOf(t, ["config.json"]);
    await assert.rejects(
      importSafeear(empty, { folder: packs }),
      /SpeechTokenizer\.pt: is not there, and neither is model\.ckpt/,
    );
    assert.deepEqual(await readdir(packs), []);
  });

  const refused: readonly (readonly [string, string, string, RegExp])[] = [
    [
      "strides that the tensors have not",
      "config.json",
      '{"strides": [8, 5, 2, 4]}',
      /strides 4, 2, 5, 8.* 2, 4, 5, 8/,
    ],
    ["another sample rate", "config.json", '{"sample_rate": 24000}', /config\.json: .*sample_rate/],
    [
      "heads that do not divide the features",
      "detect_config.json",
      '{"detect_model": {"num_heads": 7}}',
      /7 heads/,
    ],
    ["a class that is unknown", "detect_config.json", '{"class": "model.SafeEar2s"}', /SafeEar2s/],
    [
      "a configuration that is not JSON",
      "detect_config.json",
      "class: SafeEar",
      /detect_config\.json: is not JSON/,
    ],
  ];
  for (const [what, file, text, message] of refused) {
    it(`refuses ${what}, naming the file`, async (t) => {
      const others = everything.filter((name) => name !== file);
      const folder = await folderOf(t, others, { [file]: text });
      await assert.rejects(importSafeear(folder, { folder: await packsFolder(t) }), message);
    });
  }

  it("hears frames as the class does where nothing else is asked for", async (t) => {
    const packs = await packsFolder(t);
    const folder = await folderOf(t, ["model.ckpt"], { "detect_config.json": '{"class": "model.SafeEar"}' });
    await importSafeear(folder, { folder: packs });
    assert.equal((await openPack("safeear", [packs])).manifest.codec?.detector?.order, "flip");
  });
});
