import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { checkpointOf, lightSizes, randomAasist } from "../../../test/support/aasist-weights.ts";
import { fileOf } from "../../../test/support/checkpoint-bytes.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { packsFolder } from "../../../test/support/tiny-pack.ts";
import { toLlr } from "../llr.ts";
import { listPacks, openPack } from "../store.ts";
import { importAasist } from "./aasist.ts";

const checkpoint = (t: TestContext, seed = 5): string =>
  fileOf(t, checkpointOf(randomAasist(lightSizes, seed)), "mine.pth");

describe("an imported AASIST", () => {
  it("is a pack that opens, is listed as not calibrated, and says what its weights are not", async (t) => {
    const folder = await packsFolder(t);
    const imported = await importAasist(checkpoint(t), { folder });
    assert.deepEqual(imported, {
      name: "aasist-l",
      folder: join(folder, "aasist-l"),
      what: "AASIST-L, weights that are not the published ones",
    });
    const { manifest, spec } = await openPack("aasist-l", [folder]);
    assert.equal(manifest.family, "aasist");
    assert.equal(manifest.licence, "as of the checkpoint it was imported from");
    assert.deepEqual(Object.keys(manifest.files), ["model.onnx"]);
    assert.deepEqual(
      [spec.rate, spec.window, spec.pad, spec.detection.hopMs],
      [16_000, 64_600, "tile", 1000],
    );
    const [listed] = await listPacks([folder]);
    assert.ok(listed !== undefined && !("error" in listed));
    assert.equal(listed.calibrationId, undefined);
    assert.match(listed.version, /^weights-[0-9a-f]{12}$/);
  });

  it("counts its first logit as evidence of a spoof and its second against one", async (t) => {
    const folder = await packsFolder(t);
    await importAasist(checkpoint(t), { folder });
    const { manifest } = await openPack("aasist-l", [folder]);
    assert.equal(toLlr(manifest, [2, -1]), 3);
    assert.equal(toLlr(manifest, [-1, 2]), -3);
  });

  it("is the same bytes from the same weights, and another version from others", async (t) => {
    const folder = await packsFolder(t);
    const digests = [];
    for (const [name, seed] of [
      ["one", 5],
      ["two", 5],
      ["three", 6],
    ] as const) {
      await importAasist(checkpoint(t, seed), { folder, name });
      const { manifest } = await openPack(name, [folder]);
      digests.push(`${manifest.version} ${manifest.files["model.onnx"]?.sha256 ?? ""}`);
    }
    assert.equal(digests[0], digests[1]);
    assert.notEqual(digests[0], digests[2]);
  });

  it("takes another pack's place only where it is told to", async (t) => {
    const folder = await packsFolder(t);
    mkdirSync(join(folder, "mine"));
    writeFileSync(join(folder, "mine", "precious.txt"), "do not lose");
    const path = checkpoint(t);
    await assert.rejects(importAasist(path, { folder, name: "mine" }), {
      name: "PackTargetError",
      message: `there is a model pack called mine in ${folder} already`,
    });
    assert.deepEqual(readdirSync(join(folder, "mine")), ["precious.txt"]);
    await importAasist(path, { folder, name: "mine", replace: true });
    assert.deepEqual(readdirSync(join(folder, "mine")).sort(), ["model.json", "model.onnx"]);
    await importAasist(path, { folder, name: "new", replace: true });
    assert.deepEqual(readdirSync(folder).sort(), ["mine", "new"]);
  });

  it("leaves nothing behind where the file or the name is no good", async (t) => {
    const folder = await packsFolder(t);
    const tensors = new Map(randomAasist(lightSizes, 5));
    tensors.delete("GAT_layer_T.att_weight");
    const path = fileOf(t, checkpointOf(tensors), "torn.pth");
    await assert.rejects(importAasist(path, { folder }), {
      name: "CheckpointError",
      message: `${path}: the checkpoint has no tensor GAT_layer_T.att_weight`,
    });
    for (const name of ["../up", "Mine", ".hidden", ""]) {
      await assert.rejects(importAasist(checkpoint(t), { folder, name }), { name: "PackTargetError" });
    }
    assert.deepEqual(readdirSync(folder), []);
    assert.ok(!readdirSync(join(folder, "..")).includes("up"));
  });

  it("carries the published weights' licence", { skip: withoutFixture("aasist") }, async (t) => {
    const folder = await packsFolder(t);
    for (const name of ["AASIST", "AASIST-L"]) {
      const { what } = await importAasist(join(sharedFixture("aasist"), `${name}.pth`), { folder });
      assert.equal(what, `${name}, the published weights`);
      const { folder: pack, manifest } = await openPack(name.toLowerCase(), [folder]);
      assert.equal(manifest.licence, "MIT, Copyright (c) 2021-present NAVER Corp.");
      const words = (text: string): string => text.replace(/\s+/g, " ").trim();
      assert.equal(
        words(readFileSync(join(pack, "LICENSE"), "utf8")),
        words(readFileSync(join(sharedFixture("aasist"), "LICENSE"), "utf8")),
      );
      assert.deepEqual(Object.keys(manifest.files).sort(), ["LICENSE", "model.onnx"]);
    }
  });
});
