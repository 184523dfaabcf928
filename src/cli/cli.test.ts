import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { plainEnvironment } from "../../test/support/environment.ts";
import { voice } from "../../test/support/voice.ts";
import { wavFile } from "../../test/support/wav-file.ts";

const bin = fileURLToPath(new URL("../../bin/earwitness.js", import.meta.url));

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `earwitness`; with `lines` it stops reading after so many. */
async function earwitness(
  args: readonly string[],
  options: { lines?: number; env?: NodeJS.ProcessEnv } = {},
) {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...plainEnvironment(), EARWITNESS_PROVIDERS: "cpu", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (stdout.split("\n").length > (options.lines ?? Infinity)) child.stdout.destroy();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return await new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}

const parsed = (stdout: string): Record<string, unknown>[] =>
  // What the command says is the subject of the tests.
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("earwitness", { timeout: 120_000 }, () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "earwitness-cli-"));
    const spoken = Int16Array.from(voice(7, 16_000), (x) => x * 20_000);
    writeFileSync(
      join(folder, "voice.wav"),
      wavFile({ tag: 1, bits: 16, data: new Uint8Array(spoken.buffer) }),
    );
    writeFileSync(join(folder, "notes.txt"), "not a sound at all");
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("scores recordings in the order given, those that cannot be read among them", async () => {
    const files = [
      join(folder, "voice.wav"),
      join(folder, "notes.txt"),
      join(folder, "nowhere.wav"),
      join(folder, "voice.wav"),
    ];
    const { status, stdout, stderr } = await earwitness(["detect", "--json", ...files]);
    assert.equal(status, 1, stderr);
    const lines = parsed(stdout);
    assert.deepEqual(
      lines.map(({ file }) => file),
      files,
    );
    const [first, text, missing, last] = lines;
    assert.deepEqual({ ...first }, { ...last });
    assert.deepEqual(Object.keys(text ?? {}), ["file", "error"]);
    assert.match(JSON.stringify(text?.["error"]), /unsupported_audio/);
    assert.match(JSON.stringify(missing?.["error"]), /ENOENT/);
    assert.match(stderr, /2 files of 4 could not be scored/);
  });

  it("prints one object per file with the contract's fields", async () => {
    const { status, stdout } = await earwitness([
      "detect",
      "--json",
      "--hop-ms",
      "2000",
      join(folder, "voice.wav"),
    ]);
    assert.equal(status, 0);
    const [result] = parsed(stdout);
    assert.deepEqual(Object.keys(result ?? {}), ["file", "model", "channels"]);
    assert.equal(result?.["model"], "default");
    // The fields are what the assertions below are about.
    const [channel] = result["channels"] as { windows: Record<string, unknown>[] }[];
    assert.deepEqual(Object.keys(channel ?? {}), [
      "channel",
      "state",
      "reason",
      "llr",
      "p_spoof",
      "speech_ms",
      "windows",
    ]);
    assert.deepEqual(Object.keys(channel?.windows[0] ?? {}), [
      ...["start_ms", "end_ms", "speech_ms", "llr", "p_spoof", "verdict", "reason"],
    ]);
    assert.deepEqual(
      channel?.windows.map(({ end_ms }) => end_ms),
      [2000, 4000, 6000, 7000],
    );
  });

  it("prints a table for people", async () => {
    const { status, stdout } = await earwitness(["detect", join(folder, "voice.wav")]);
    assert.equal(status, 0);
    assert.match(stdout, /voice\.wav {2}\(pcm_s16le, 16000 Hz, 7\.0 s, 1 channel, model default\)/);
    assert.match(stdout, /channel 0: [A-Z]+/);
    assert.match(stdout, /seconds .*speech .*llr .*p\(spoof\) .*verdict/);
  });

  it("is quiet when its reader leaves early", async () => {
    const files = Array.from({ length: 12 }, () => join(folder, "voice.wav"));
    const { status, stdout, stderr } = await earwitness(["detect", "--json", ...files], { lines: 1 });
    assert.equal(stderr, "");
    assert.equal(status, 0);
    assert.ok(stdout.split("\n").length < 12);
  });

  it("refuses what it cannot do in one line, without a stack", async () => {
    for (const [args, env, expected] of [
      [["detect", "--model", "nobody", join(folder, "voice.wav")], {}, /no model pack called nobody/],
      [["detect", "--hop-ms", "1010", join(folder, "voice.wav")], {}, /multiple of 20/],
      [["detect", join(folder, "voice.wav")], { EARWITNESS_PROT: "80" }, /EARWITNESS_PROT: no such setting/],
    ] as const) {
      const { status, stderr, stdout } = await earwitness(args, { env });
      assert.equal(status, 1);
      assert.equal(stdout, "");
      assert.match(stderr, expected);
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
  });

  it("answers a wrong command line with status 2", async () => {
    for (const args of [["detect"], ["listen"], ["detect", "--hop-ms", "fast", "x.wav"]]) {
      const { status, stderr } = await earwitness(args);
      assert.equal(status, 2);
      assert.match(stderr, /error: /);
    }
  });

  it("lists the shipped model", async () => {
    const { status, stdout } = await earwitness(["models", "--json"], { env: { XDG_DATA_HOME: folder } });
    assert.equal(status, 0);
    assert.deepEqual(
      parsed(stdout).map(({ id }) => id),
      ["default"],
    );
    assert.match((await earwitness(["models"])).stdout, /^model +version +family/);
  });

  it("tells its version and its commands", async () => {
    assert.match((await earwitness(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
    assert.match((await earwitness(["--help"])).stdout, /serve[\s\S]*detect[\s\S]*stream[\s\S]*models/);
  });
});
