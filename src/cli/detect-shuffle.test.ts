import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runEarwitness, type Outcome } from "../../test/support/earwitness.ts";
import { writeSafeear } from "../../test/support/safeear-folder.ts";
import { voice } from "../../test/support/voice.ts";
import { floatWav } from "../../test/support/wav-file.ts";

/** A line of `--format safeear`, and one of `--format json`. What they say is tested. */
interface WholeLine {
  readonly label: readonly number[];
  readonly probs: readonly [readonly [number, number]];
  readonly seed?: number;
}
interface WindowsLine {
  readonly seed?: number;
  readonly channels: readonly [{ readonly windows: readonly { readonly llr: number }[] }];
}

const lineOf = ({ stdout }: Outcome): unknown => JSON.parse(stdout);

describe("earwitness detect --shuffle", { timeout: 240_000 }, () => {
  let folder = "";
  const path = (name: string): string => join(folder, name);
  const earwitness = (...args: readonly string[]): Promise<Outcome> => runEarwitness(folder, ...args);
  const detect = (...args: readonly string[]): Promise<Outcome> =>
    earwitness("detect", "--model", "safeear", ...args);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "earwitness-shuffle-"));
    writeSafeear(path("published"));
    // Louder than speech is, so that random weights tell one sound from another.
    const sound = voice(7, 16_000).map((value) => 4 * value);
    writeFileSync(path("window.wav"), floatWav(sound.slice(0, 64_600)));
    writeFileSync(path("whole.wav"), floatWav(sound));
    const { status, stderr } = await earwitness("import", "safeear", path("published"));
    assert.equal(status, 0, stderr);
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("scores one window's worth as the windows' format does, with the sign turned round", async () => {
    for (const order of ["identity", "flip", "9"]) {
      const setting = ["--shuffle", order, path("window.wav")];
      const whole = lineOf(await detect("--format", "safeear", ...setting)) as WholeLine;
      const windows = lineOf(await detect("--format", "json", ...setting)) as WindowsLine;
      const [[spoof, bonafide]] = whole.probs;
      const llr = windows.channels[0].windows.at(-1)?.llr ?? NaN;
      assert.ok(Math.abs(Math.log(spoof / bonafide) - llr) < 1e-4, `${order}: ${spoof}, ${bonafide}, ${llr}`);
      assert.deepEqual(whole.label, [llr < 0 ? 1 : 0]);
      assert.deepEqual([whole.seed, windows.seed], order === "9" ? [9, 9] : [undefined, undefined]);
    }
  });

  it("gives the same for a seed every time, in either format, and something else for another", async () => {
    for (const format of ["safeear", "json"]) {
      const runs = ["4", "4", "5"].map((seed) =>
        detect("--format", format, "--shuffle", seed, path("whole.wav")),
      );
      const [a, b, c] = (await Promise.all(runs)).map(({ stdout }) => stdout.replace(/"seed":\d+/, ""));
      assert.equal(a, b);
      assert.notEqual(a, c);
    }
  });

  it("takes a pack's own order where none is asked for", async () => {
    const made = await earwitness("import", "safeear", path("published"), "--name", "six", "--shuffle", "6");
    assert.equal(made.status, 0, made.stderr);
    for (const format of ["safeear", "json"]) {
      const own = await earwitness("detect", "--model", "six", "--format", format, path("whole.wav"));
      const asked = await detect("--shuffle", "6", "--format", format, path("whole.wav"));
      assert.equal(own.stdout.replace('"six"', '"safeear"'), asked.stdout);
      assert.equal((lineOf(own) as WholeLine | WindowsLine).seed, 6);
    }
  });

  it("says above the tables of a pack that it is not calibrated, and which seed it hears by", async () => {
    const own = await detect(path("window.wav"));
    assert.match(own.stdout, /^model safeear is not calibrated: .*earwitness calibrate/);
    assert.match(own.stdout, /model safeear, seed 0\)/);
    const shipped = await earwitness("detect", path("window.wav"));
    assert.doesNotMatch(shipped.stdout, /calibrat|seed/);
  });
});
