import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { checkpointOf, lightSizes, randomAasist } from "../../test/support/aasist-weights.ts";
import { plainEnvironment } from "../../test/support/environment.ts";
import { sharedFixture, withoutFixture } from "../../test/support/shared-fixtures.ts";
import { voice } from "../../test/support/voice.ts";
import { wavFile } from "../../test/support/wav-file.ts";

const bin = fileURLToPath(new URL("../../bin/earwitness.js", import.meta.url));

describe("earwitness import", { timeout: 120_000 }, () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "earwitness-import-"));
    writeFileSync(join(folder, "mine.pth"), checkpointOf(randomAasist(lightSizes, 5)));
    const spoken = Int16Array.from(voice(5, 16_000), (x) => x * 20_000);
    writeFileSync(
      join(folder, "voice.wav"),
      wavFile({ tag: 1, bits: 16, data: new Uint8Array(spoken.buffer) }),
    );
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  /** Runs `earwitness` with a data folder of its own. */
  const earwitness = (
    ...args: readonly string[]
  ): Promise<{ status: unknown; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const env = {
        ...plainEnvironment(),
        EARWITNESS_PROVIDERS: "cpu",
        EARWITNESS_WORKERS: "1",
        XDG_DATA_HOME: folder,
      };
      execFile(process.execPath, [bin, ...args], { env }, (error, stdout, stderr) => {
        // A checkout that was edited builds first, and says so.
        const said = stderr.replace(/^earwitness: building .*\n/, "");
        resolve({ status: error === null ? 0 : error.code, stdout, stderr: said });
      });
    });

  it("makes a pack of SafeEar's files, in the order it is told, and scores a recording", async (t) => {
    const missing = withoutFixture("safeear-small/model.ckpt");
    if (missing !== false) {
      t.skip(missing);
      return;
    }
    const made = await earwitness("import", "safeear", sharedFixture("safeear-small"), "--shuffle", "7");
    assert.equal(made.stderr, "");
    assert.match(made.stdout, /^safeear: SafeEar/);
    const scored = await earwitness("detect", "--json", "--model", "safeear", join(folder, "voice.wav"));
    assert.match(scored.stdout, /"llr":-?[0-9.]+/);
  });

  it("says what is wrong with a folder that is not SafeEar's, and with an order that is none", async () => {
    const empty = await earwitness("import", "safeear", folder);
    assert.deepEqual([empty.status, empty.stdout], [1, ""]);
    assert.match(empty.stderr, /SpeechTokenizer\.pt: is not there/);
    const file = await earwitness("import", "safeear", join(folder, "mine.pth"));
    assert.match(file.stderr, /mine\.pth: is not a folder/);
    const order = await earwitness("import", "safeear", folder, "--shuffle", "often");
    assert.equal(order.status, 1);
    assert.match(order.stderr, /^earwitness: a shuffle is identity, flip or a seed/);
  });

  it("makes a pack that is listed as not calibrated and scores a recording", async () => {
    const made = await earwitness("import", "aasist", join(folder, "mine.pth"), "--name", "mine");
    assert.equal(made.stderr, "");
    assert.match(made.stdout, /^mine: AASIST-L, weights that are not the published ones\n/);
    assert.ok(made.stdout.includes(join(folder, "earwitness", "models", "mine")), made.stdout);

    const listed = await earwitness("models");
    assert.match(listed.stdout, /^mine +weights-[0-9a-f]{12} +aasist +0\.4 MB +not calibrated /m);

    const scored = await earwitness("detect", "--json", "--model", "mine", join(folder, "voice.wav"));
    assert.equal(scored.stderr, "");
    const llrs = [...scored.stdout.matchAll(/"llr":(-?[0-9.e-]+)/g)].map(([, llr]) => Number(llr));
    assert.ok(llrs.length >= 2 && llrs.every(Number.isFinite), scored.stdout);
  });

  it("says in one line what is wrong with a file, or with a name", async () => {
    writeFileSync(join(folder, "notes.pth"), "not a checkpoint");
    const refused = await earwitness("import", "aasist", join(folder, "notes.pth"));
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^earwitness: .*notes\.pth: is not a PyTorch checkpoint[^\n]*\n$/);
    const misnamed = await earwitness("import", "aasist", join(folder, "mine.pth"), "--name", "My Model");
    assert.equal(misnamed.status, 1);
    assert.equal(misnamed.stderr, 'earwitness: not a name for a model pack: "My Model"\n');
    const hidden = await earwitness("import", "aasist", join(folder, "mine.pth"), "--name", "default");
    assert.equal(hidden.status, 1);
    assert.match(hidden.stderr, /^earwitness: default is a model pack that ships with the package/);
  });
});
