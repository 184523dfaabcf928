import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { makeCheckpoints } from "../bench/models/checkpoints.ts";
import { detectorFile, hubertFile, tokenizerFile, trained, type Shapes } from "../bench/models/published.ts";
import { openCheckpoint } from "../src/models/checkpoint/checkpoint.ts";
import { importAasist } from "../src/models/import/aasist.ts";
import { packsFolder } from "./support/tiny-pack.ts";

const elements = (shapes: Shapes): number =>
  [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((product, size) => product * size, 1), 0);

describe("the bench's checkpoints", () => {
  it("have as many tensors and elements as the published ones", () => {
    assert.deepEqual([tokenizerFile().size, elements(tokenizerFile())], [166, 120_461_002]);
    assert.deepEqual([hubertFile().size, elements(hubertFile())], [214, 94_697_600]);
    // Without the counter of batches, which is no float.
    assert.equal(detectorFile().size, 35);
    assert.equal(elements(new Map(trained(detectorFile()))), 19_945_475);
  });

  it("are read as PyTorch's are, and imported", async (t) => {
    const [folder, packs] = [await packsFolder(t), await packsFolder(t)];
    for (const [path, bytes] of await makeCheckpoints(folder, ["aasist"])) {
      const checkpoint = await openCheckpoint(path);
      const values = await checkpoint.stateDict().float32("out_layer.weight");
      assert.ok(values.length === 320 && values.some((value) => value !== 0));
      assert.ok(checkpoint.bytesRead < bytes / 4, "tensors that nobody asked for stay in the file");
      await checkpoint.close();
      const { what } = await importAasist(path, { folder: packs });
      assert.equal(what, "AASIST, weights that are not the published ones");
    }
  });
});
