import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { plainEnvironment } from "../../test/support/environment.ts";
import { sharedFixture, withoutFixture } from "../../test/support/shared-fixtures.ts";
import { writeTaughtModels } from "../../test/support/taught-models.ts";
import { packsFolder } from "../../test/support/tiny-pack.ts";
import { voice } from "../../test/support/voice.ts";
import { wavFile } from "../../test/support/wav-file.ts";

const bin = fileURLToPath(new URL("../../bin/earwitness.js", import.meta.url));

/** A folder with `scratch`, where the command's temporary files go, and recordings of so many seconds. */
async function place(t: TestContext, recordings: Readonly<Record<string, number>>): Promise<string> {
  const folder = await packsFolder(t);
  await mkdir(join(folder, "scratch"));
  for (const [name, seconds] of Object.entries(recordings)) {
    const spoken = Int16Array.from(voice(seconds, 16_000, 120 + 10 * seconds), (x) => x * 20_000);
    const wav = wavFile({ tag: 1, bits: 16, data: new Uint8Array(spoken.buffer) });
    await writeFile(join(folder, name), wav);
  }
  return folder;
}

function inspect(folder: string, ...args: readonly string[]) {
  return new Promise<{ status: unknown; stdout: string; stderr: string }>((resolve) => {
    const env = { ...plainEnvironment(), TMPDIR: join(folder, "scratch") };
    execFile(
      process.execPath,
      [bin, "inspect", "safeear", ...args],
      { env, cwd: folder },
      (error, stdout, stderr) => {
        // A checkout that was edited builds first, and says so.
        const said = stderr.replace(/^earwitness: building .*\n/, "");
        resolve({ status: error === null ? 0 : error.code, stdout, stderr: said });
      },
    );
  });
}

/** What a process that was killed might leave, but for what tsx keeps there. */
const leftIn = async (folder: string): Promise<readonly string[]> =>
  (await readdir(join(folder, "scratch"))).filter((name) => name.startsWith("earwitness"));

describe("earwitness inspect safeear", { timeout: 120_000 }, () => {
  it("prints each recording's measures and all of them, and leaves nothing behind", async (t) => {
    const folder = await place(t, { "short.wav": 1.5, "long.wav": 31 });
    await writeTaughtModels(folder);
    const { status, stdout, stderr } = await inspect(folder, ".", "short.wav", "long.wav");
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /3 quantizers of 7 codes, beside the mean of layers 0 to 3 of HuBERT/);
    assert.match(stdout, /^short\.wav {2}\(1\.5 s, 1 piece, 74 frames\)\n {2}first quantizer {2}/m);
    assert.match(stdout, /^long\.wav {2}\(31\.0 s, 8 pieces, 1544 frames\)$/m);
    assert.match(stdout, /^all: 9 pieces, 1618 frames$/m);
    assert.match(stdout, /^quantizer 3 alone +−?0\.\d{3} /m);
    assert.match(stdout, /^learned anew, 1618 frames +recovered +95 % +chance$/m);
    assert.match(stdout, /^acoustic, 2 to 3 +−?\d+\.\d % +−?\d+\.\d % to −?\d+\.\d % +−?\d+\.\d %$/m);
    assert.deepEqual(await leftIn(folder), []);
  });

  it("prints one JSON object, in which a file that cannot be measured says why", async (t) => {
    const folder = await place(t, { "voice.wav": 2, "blip.wav": 0.9 });
    await writeTaughtModels(folder);
    const files = ["blip.wav", "voice.wav", "absent.wav"];
    const { status, stdout, stderr } = await inspect(folder, "--json", "--layer", "2", ".", ...files);
    assert.equal(status, 1);
    assert.equal(stderr, "earwitness: 2 files of 3 could not be measured\n");
    const report: unknown = JSON.parse(stdout, (key, value: unknown) => {
      if (key === "digest") return /^[0-9a-f]{64}$/.test(String(value)) ? "SHA-256" : value;
      if (key !== "value" && key !== "chance") return value;
      return typeof value === "number" && Math.abs(value) <= 1 ? "cosine" : value;
    });
    const measured = { value: "cosine", chance: "cosine", above: null };
    const of = (source: string, quantizers: readonly unknown[]) => ({
      source,
      quantizers,
      per_frame: measured,
      along_time: measured,
    });
    const agreement = [
      of("first", [1]),
      of("acoustic", [2, 3]),
      of("quantizer 2", [2]),
      of("quantizer 3", [3]),
    ];
    assert.deepEqual(report, {
      teacher: { file: "hubert_base_ls960.pt", first_layer: 2, last_layer: 2 },
      tokenizer: { digest: "SHA-256", quantizers: 3, codes: 7 },
      longest_piece_seconds: 4.0375,
      files: [
        { file: "blip.wav", problem: "shorter than a second: too little to measure" },
        { file: "voice.wav", seconds: 2, pieces: 1, frames: 99, agreement },
        { file: "absent.wav", problem: "ENOENT: no such file or directory, open 'absent.wav'" },
      ],
      all: { pieces: 1, frames: 99, agreement, recovered: null },
    });
    assert.deepEqual(await leftIn(folder), []);
  });

  it("says in one line which file is missing", async (t) => {
    const folder = await place(t, { "voice.wav": 1 });
    const without = await inspect(folder, ".", "voice.wav");
    assert.deepEqual([without.status, without.stdout], [1, ""]);
    assert.match(without.stderr, /^earwitness: hubert_base_ls960\.pt: is not there[^\n]*\n$/);
    await writeTaughtModels(folder);
    const unnamed = await inspect(folder, "--hubert", "other.pt", ".", "voice.wav");
    assert.match(unnamed.stderr, /^earwitness: other\.pt: is not there[^\n]*\n$/);
    const nothing = await inspect(folder, ".");
    assert.equal(nothing.status, 2);
  });

  it("reads the published layouts", async (t) => {
    const missing = withoutFixture("hubert-tiny") || withoutFixture("safeear-small/model.ckpt");
    if (missing !== false) {
      t.skip(missing);
      return;
    }
    const folder = await place(t, { "voice.wav": 6 });
    for (const name of ["SpeechTokenizer.pt", "model.ckpt", "config.json", "detect_config.json"])
      await symlink(sharedFixture(join("safeear-small", name)), join(folder, name));
    const hubert = sharedFixture(join("hubert-tiny", "hubert_tiny.pt"));
    const { stdout, stderr } = await inspect(folder, "--hubert", hubert, ".", "voice.wav");
    assert.equal(stderr, "");
    assert.match(stdout, /8 quantizers of 32 codes, beside the mean of layers 0 to 4/);
    assert.match(stdout, /^all: 2 pieces, 298 frames$/m);
  });
});

describe("a scratch folder", () => {
  it("goes when the process is told to stop", async (t) => {
    const folder = await place(t, {});
    const source = new URL("./inspect-scratch.ts", import.meta.url).href;
    const program = `
      const { withScratchFolder } = await import(${JSON.stringify(source)});
      await withScratchFolder((folder) => {
        console.log(folder);
        return new Promise((resolve) => setTimeout(resolve, 60_000));
      });`;
    const args = ["--import", import.meta.resolve("tsx"), "--input-type=module", "--eval", program];
    const env = { ...plainEnvironment(), TMPDIR: join(folder, "scratch") };
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    const said: unknown = (await once(child.stdout, "data")).at(0);
    const made = String(said).trim();
    assert.ok(existsSync(made), made);
    child.kill("SIGTERM");
    const status: unknown = (await once(child, "exit")).at(0);
    assert.equal(status, 130);
    assert.deepEqual(await leftIn(folder), []);
  });
});
