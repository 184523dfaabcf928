import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runEarwitness, type Outcome } from "../../test/support/earwitness.ts";
import { readFloats } from "../../test/support/npy.ts";
import { writeSafeear } from "../../test/support/safeear-folder.ts";
import { sharedFixture, withoutFixture } from "../../test/support/shared-fixtures.ts";
import { voice } from "../../test/support/voice.ts";
import { floatWav } from "../../test/support/wav-file.ts";

/** A line of a recording, and of a file that could not be scored. What they say is tested. */
interface WholeLine {
  readonly label: readonly number[];
  readonly probs: readonly [readonly [number, number]];
  readonly file: string;
  readonly seed?: number;
}
interface UnreadLine {
  readonly file: string;
  readonly error: { readonly code: string; readonly message: string };
}

const linesOf = ({ stdout }: Outcome): unknown[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

/** What the last line says. */
const lastOf = (outcome: Outcome): unknown => linesOf(outcome).at(-1);

describe("earwitness detect with SafeEar", { timeout: 240_000 }, () => {
  let folder = "";
  const path = (name: string): string => join(folder, name);
  const earwitness = (...args: readonly string[]): Promise<Outcome> => runEarwitness(folder, ...args);
  const detect = (...args: readonly string[]): Promise<Outcome> =>
    earwitness("detect", "--model", "safeear", ...args);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "earwitness-detect-"));
    writeSafeear(path("published"));
    writeSafeear(path("halved"), "tokenizer");
    // Louder than speech is, so that random weights tell one sound from another.
    const sound = voice(7, 16_000).map((value) => 4 * value);
    writeFileSync(path("whole.wav"), floatWav(sound));
    writeFileSync(path("stereo.wav"), floatWav(sound, { channels: 2 }));
    writeFileSync(path("44k1.wav"), floatWav(voice(3, 44_100), { rate: 44_100 }));
    writeFileSync(path("ten-samples.wav"), floatWav(sound.slice(0, 10)));
    writeFileSync(path("21-seconds.wav"), floatWav(voice(21, 16_000)));
    writeFileSync(path("notes.txt"), "not a sound at all");
    for (const published of ["published", "halved"]) {
      const { status, stderr } = await earwitness("import", "safeear", path(published));
      assert.equal(status, 0, stderr);
    }
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("scores files whole, those that cannot be among them, and prints one line for each in order", async () => {
    const names = ["whole", "ten-samples", "21-seconds", "stereo", "44k1", "nowhere", "whole"];
    const files = [...names.map((name) => path(`${name}.wav`)), path("notes.txt")];
    const outcome = await detect("--format", "safeear", ...files);
    assert.equal(outcome.status, 1);
    assert.match(outcome.stderr, /5 files of 8 could not be scored/);
    // Each has a file, and an error or not.
    const lines = linesOf(outcome) as (WholeLine | UnreadLine)[];
    assert.deepEqual(
      lines.map(({ file }) => file),
      files,
    );
    assert.deepEqual(
      lines.map((line) => ("error" in line ? `${line.error.code}: ${line.error.message}` : "scored")),
      [
        "scored",
        "unsupported_audio: shorter than 961 samples at 16000 Hz",
        "message_too_large: the recording is longer than 20 s",
        "unsupported_audio: 2 channels, where SafeEar's script takes one; --json judges each by itself",
        "scored",
        `undecodable_audio: ENOENT: no such file or directory, open '${path("nowhere.wav")}'`,
        "scored",
        "unsupported_audio: neither WAV, FLAC nor Ogg Opus",
      ],
    );
    assert.deepEqual(lines[0], lines[6]);
    assert.notDeepEqual(lines[0], lines[4]);
    assert.deepEqual(Object.keys(lines[0] ?? {}), ["label", "probs", "file", "seed"]);
  });

  it("says in one line what it cannot do", async () => {
    const file = path("whole.wav");
    for (const [args, message] of [
      [["--model", "safeear-tokenizer", "--format", "safeear"], /imported without model\.ckpt/],
      [["--model", "safeear-tokenizer"], /imported without model\.ckpt/],
      [["--model", "safeear-tokenizer", "--shuffle", "1"], /imported without model\.ckpt/],
      [["--format", "safeear"], /default has no graphs for whole recordings.*import safeear/],
      [["--shuffle", "1"], /default hears frames in no order of its own: only SafeEar does/],
      [["--model", "safeear", "--shuffle", "often"], /a shuffle is identity, flip or a seed .*"often"/],
      [["--model", "safeear", "--shuffle", "4294967296"], /a shuffle is identity, flip or a seed/],
      [["--model", "safeear", "--format", "safeear", "--hop-ms", "500"], /--hop-ms is for windows/],
      [["--model", "safeear", "--format", "safeear", "--prior", "0.1"], /--prior is for windows/],
      [["--model", "nobody", "--format", "safeear"], /no model pack called nobody/],
    ] as const) {
      const { status, stdout, stderr } = await earwitness("detect", ...args, file);
      assert.deepEqual([status, stdout], [1, ""], stderr);
      assert.match(stderr, message);
      assert.match(stderr, /^earwitness: [^\n]*\n$/);
    }
    for (const args of [
      ["--format", "xml"],
      ["--json", "--format", "json"],
    ]) {
      assert.equal((await detect(...args, file)).status, 2);
    }
  });

  it("is listed with its family, size and hash as not calibrated, and its tokenizer as what it is", async () => {
    const { stdout, status } = await earwitness("models");
    assert.equal(status, 0);
    assert.match(stdout, /^default .* default-\d+\.\d+ +[0-9a-f]{12}$/m);
    assert.match(
      stdout,
      /^safeear +weights-[0-9a-f]{12} +safeear +\d+\.\d MB +not calibrated +[0-9a-f]{12}$/m,
    );
    assert.match(stdout, /^safeear-tokenizer .* scores nothing without model\.ckpt +[0-9a-f]{12}$/m);
    const listed = (await earwitness("models", "--json")).stdout;
    assert.match(listed, /"id":"safeear-tokenizer".*"lacks":"model\.ckpt"/);
  });
});

const skip = withoutFixture("safeear-small/model.ckpt");

describe("earwitness detect with SafeEar, against the published code", { skip, timeout: 240_000 }, () => {
  it("prints its softmax for every deterministic order, P(spoof) first", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "earwitness-detect-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const fixture = (name: string) => readFloats(sharedFixture(join("safeear-small", name)));
    writeFileSync(join(folder, "input.wav"), floatWav((await fixture("input.npy")).data));
    writeFileSync(join(folder, "201-seconds.wav"), floatWav(new Float32Array(201 * 16_000)));
    await runEarwitness(folder, "import", "safeear", sharedFixture("safeear-small"));
    const files = ["201-seconds.wav", "input.wav"].map((name) => join(folder, name));
    for (const order of ["identity", "flip"]) {
      const args = ["--model", "safeear", "--format", "safeear", "--shuffle", order];
      const outcome = await runEarwitness(folder, "detect", ...args, ...files);
      assert.match(outcome.stdout, /201-seconds\.wav","error":.*longer than 200 s/);
      const { probs, label } = lastOf(outcome) as WholeLine;
      const [bonafide = NaN, spoof = NaN] = (await fixture(`expected_logits_${order}.npy`)).data;
      const human = Math.exp(bonafide) / (Math.exp(bonafide) + Math.exp(spoof));
      const [[first, second]] = probs;
      assert.ok(Math.abs(second - human) < 1e-4 && Math.abs(first - (1 - human)) < 1e-4);
      assert.ok(Math.abs(human - 0.5) > 0.1, "the two can be told apart");
      assert.deepEqual(label, [human > 0.5 ? 1 : 0]);
    }
  });
});
