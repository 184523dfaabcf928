import assert from "node:assert/strict";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packsFolder, writeTinyPack } from "../../test/support/tiny-pack.ts";
import { listPacks, openPack } from "./store.ts";

describe("the store of packs", () => {
  it("opens a pack whose files are what the manifest says", async (t) => {
    const folder = await packsFolder(t);
    const manifest = await writeTinyPack({ folder });
    const pack = await openPack("tiny", [folder]);
    assert.deepEqual(pack.manifest, manifest);
    assert.equal(pack.modelPath, join(folder, "tiny", "model.onnx"));
  });

  it("takes the first folder that has the name", async (t) => {
    const [shipped, users] = [await packsFolder(t), await packsFolder(t)];
    await writeTinyPack({ folder: users });
    assert.equal((await openPack("tiny", [shipped, users])).folder, join(users, "tiny"));
    await writeTinyPack({ folder: shipped });
    assert.equal((await openPack("tiny", [shipped, users])).folder, join(shipped, "tiny"));
  });

  it("refuses a file with one byte changed, naming it", async (t) => {
    const folder = await packsFolder(t);
    await writeTinyPack({ folder });
    const path = join(folder, "tiny", "model.onnx");
    const model = await readFile(path);
    model[model.length - 1] = (model.at(-1) ?? 0) ^ 1;
    await writeFile(path, model);
    await assert.rejects(openPack("tiny", [folder]), /model\.onnx of model pack tiny has SHA-256/);
  });

  it("refuses a file that is longer or missing, naming it", async (t) => {
    const folder = await packsFolder(t);
    await writeTinyPack({ folder });
    const path = join(folder, "tiny", "model.onnx");
    await appendFile(path, "x");
    await assert.rejects(openPack("tiny", [folder]), /model\.onnx of model pack tiny has \d+ bytes/);
    await rm(path);
    await assert.rejects(openPack("tiny", [folder]), /model\.onnx of model pack tiny is missing/);
  });

  it("refuses names that are paths, unknown names and packs under another's name", async (t) => {
    const folder = await packsFolder(t);
    await writeTinyPack({ folder, manifest: { id: "other" } });
    await assert.rejects(openPack("../tiny", [folder]), /not the name/);
    await assert.rejects(openPack("nobody", [folder]), /no model pack called nobody/);
    await assert.rejects(openPack("tiny", [folder]), /calls itself other/);
  });

  it("lists the broken with their error beside the sound", async (t) => {
    const folder = await packsFolder(t);
    const manifest = await writeTinyPack({ folder, id: "sound" });
    await writeTinyPack({ folder, id: "broken" });
    await writeFile(join(folder, "broken", "model.json"), "{");
    const [broken, sound, ...others] = await listPacks([join(folder, "absent"), folder]);
    assert.deepEqual(others, []);
    assert.ok(broken && "error" in broken);
    assert.match(broken.error, /not JSON/);
    assert.ok(sound && "digest" in sound);
    assert.equal(sound.id, "sound");
    assert.equal(sound.bytes, manifest.files["model.onnx"]?.bytes);
  });
});
