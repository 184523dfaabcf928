import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { packsFolder, writeTinyPack } from "../../test/support/tiny-pack.ts";
import { digestOf, parseManifest, toSpec, type Manifest } from "./manifest.ts";

const tokenizer = {
  ...{ tokenizer: "model.onnx", stages: 8, codes: 1024, frame_samples: 320, fewest_samples: 961 },
};
const halves = { front: "model.onnx", back: "model.onnx", before_samples: 243, after_samples: 554 };
const detector = { file: "model.onnx", longest_frames: 10_000, order: "0" };

const codecs: readonly (readonly [string, RegExp, (m: Manifest) => unknown])[] = [
  [
    "a detector without the tokenizer's halves, as packs of old have it",
    /codec: .*import the model again/,
    (m) => ({ ...m, codec: { ...tokenizer, detector } }),
  ],
  ["halves without a detector", /codec/, (m) => ({ ...m, codec: { ...tokenizer, halves } })],
  [
    "a detector that cannot hear a window",
    /codec/,
    (m) => ({ ...m, codec: { ...tokenizer, halves, detector: { ...detector, longest_frames: 4 } } }),
  ],
  [
    "more codes than can be handed over at once",
    /batch_sizes/,
    (m) => ({
      ...m,
      window_samples: 960_000,
      batch_sizes: [1, 2],
      codec: {
        ...{ ...tokenizer, stages: 64, frame_samples: 1 },
        ...{ halves, detector: { ...detector, longest_frames: 1_000_000 } },
      },
    }),
  ],
];

const spoil: readonly (readonly [string, RegExp, (m: Manifest) => unknown])[] = [
  ["an unknown field", /extra/, (m) => ({ ...m, extra: 1 })],
  ["a later format", /format/, (m) => ({ ...m, format: 2 })],
  ["a name with a path in it", /id/, (m) => ({ ...m, id: "../default" })],
  [
    "a file outside the pack",
    /files/,
    (m) => ({ ...m, files: { ...m.files, "../x": m.files["model.onnx"] } }),
  ],
  ["no model.onnx", /files/, (m) => ({ ...m, files: { "other.onnx": m.files["model.onnx"] } })],
  ["a hash that is none", /sha256/, (m) => ({ ...m, files: { "model.onnx": { sha256: "00", bytes: 1 } } })],
  ["a hop longer than the window", /hop_samples/, (m) => ({ ...m, hop_samples: m.window_samples + 1 })],
  ["a rate of 3 GHz", /sample_rate/, (m) => ({ ...m, sample_rate: 3e9 })],
  ["a third logit", /spoof_index/, (m) => ({ ...m, output: { name: "x", form: "logits", spoof_index: 2 } })],
  [
    "a logit with an index",
    /output/,
    (m) => ({ ...m, output: { name: "x", form: "spoof_logit", spoof_index: 1 } }),
  ],
  ["codes without what they lack", /output/, (m) => ({ ...m, output: { name: "x", form: "codes" } })],
  [
    "a graph that is no file of it",
    /codec/,
    (m) => ({
      ...m,
      codec: { tokenizer: "other.onnx", stages: 8, codes: 1024, frame_samples: 320, fewest_samples: 961 },
    }),
  ],
  ...codecs,
  [
    "a batch that is too much to hand over at once",
    /batch_sizes/,
    (m) => ({ ...m, window_samples: 960_000, batch_sizes: [1, 128] }),
  ],
  [
    "a calibration that turns scores round",
    /calibration\.a/,
    (m) => ({ ...m, calibration: { id: "c", a: -1, b: 0, data: "" } }),
  ],
  ["a prior of 1", /prior/, (m) => ({ ...m, detection: { ...m.detection, prior: 1 } })],
  ["batch sizes that fall", /batch_sizes/, (m) => ({ ...m, batch_sizes: [1, 8, 4] })],
  ["batch sizes without 1", /batch_sizes/, (m) => ({ ...m, batch_sizes: [2, 4] })],
  [
    "a bona fide threshold above suspicion",
    /thresholds/,
    (m) => ({
      ...m,
      detection: { ...m.detection, thresholds: { ...m.detection.thresholds, bonafide: 0.9 } },
    }),
  ],
];

describe("a pack's manifest", () => {
  for (const [what, where, change] of spoil) {
    it(`is refused for ${what}, naming the field`, async (t) => {
      const manifest = await writeTinyPack({ folder: await packsFolder(t) });
      assert.deepEqual(parseManifest(manifest), manifest);
      assert.throws(() => parseManifest(change(manifest)), where);
    });
  }

  it("becomes a spec in milliseconds", async (t) => {
    const manifest = await writeTinyPack({ folder: await packsFolder(t) });
    const spec = toSpec({ ...manifest, window_samples: 64_600, hop_samples: 16_001 });
    assert.equal(spec.window, 64_600);
    assert.equal(spec.detection.hopMs, 1000);
    assert.equal(spec.detection.thresholds.suspectExit, 0.5);
    assert.equal(spec.calibrationId, undefined);
    assert.equal(spec.digest, digestOf(manifest.files));
  });

  it("has a digest that follows every file's name and hash but not their order", () => {
    const file = (digit: string) => ({ sha256: digit.repeat(64), bytes: 1 });
    const digest = digestOf({ "model.onnx": file("1"), "weights.bin": file("2") });
    assert.equal(digest, digestOf({ "weights.bin": file("2"), "model.onnx": file("1") }));
    assert.notEqual(digest, digestOf({ "model.onnx": file("2"), "weights.bin": file("1") }));
    assert.notEqual(digest, digestOf({ "model.onnx": file("1"), "weights2.bin": file("2") }));
  });
});
