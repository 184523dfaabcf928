import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { after, before, beforeEach, describe, it } from "node:test";
import { fakeDetector, fakeSpec } from "../../test/support/fakes.ts";
import { importSmallSafeear, temporaryPacks } from "../../test/support/small-safeear.ts";
import { writeTinyPack } from "../../test/support/tiny-pack.ts";
import { openPack } from "../models/store.ts";
import { WindowLost } from "../stream/ports.ts";
import { samples } from "../stream/units.ts";
import { calibrate } from "./calibrate.ts";
import { detect } from "./detect.ts";
import { addEvaluation } from "./evaluate-command.ts";
import { toConditions } from "./evaluate-conditions.ts";
import { scoreFirstWindow } from "./evaluate-first-window.ts";
import { readAsvScores, readProtocol } from "./evaluate-protocol.ts";
import { ScoreFile } from "./evaluate-scores.ts";
import { createTrialScorer } from "./evaluate-trial.ts";
import { evaluate, progressLine } from "./evaluate.ts";

const clips = join(import.meta.dirname, "..", "..", "test", "fixtures", "clips");

let folder = "";
let list = "";
/** As the cases name it: 6 humans and 5 machines. */
let names: readonly string[] = [];
const said: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "earwitness-evaluate-"));
  process.env["EARWITNESS_PROVIDERS"] = "cpu";
  process.env["EARWITNESS_WORKERS"] = "1";
  process.env["EARWITNESS_MODELS_DIR"] = join(folder, "models");
  names = (await readdir(clips)).filter((name) => name.endsWith(".flac")).sort();
  const lines = names.map((name) => {
    const [kind = "", system = ""] = name.split("_");
    return `${name.replace(".flac", "")},${kind},${kind === "machine" ? system : ""}`;
  });
  list = join(folder, "clips.csv");
  await writeFile(list, `file,label,system\n${lines.join("\n")}\n`);
});
after(() => rm(folder, { recursive: true }));

beforeEach((t) => {
  said.length = 0;
  assert.ok("mock" in t);
  t.mock.method(console, "log", (line: string) => said.push(line));
  t.mock.method(console, "error", (line: string) => said.push(line));
});

const written = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

interface Report {
  readonly model: { readonly id: string; readonly seed?: number };
  readonly conditions: readonly {
    readonly condition: string;
    readonly spoof: number;
    readonly bonafide: number;
    readonly eer: number;
    readonly min_cllr: number;
    readonly cllr: number;
    readonly min_tdcf: { readonly min: number } | null;
    readonly unscored: readonly { readonly trial: string; readonly problem: string }[];
    readonly attacks: readonly { readonly attack: string; readonly trials: number; readonly eer: number }[];
  }[];
}

const reportIn = async (out: string): Promise<Report> =>
  // Written by the code under test; the assertions say what is in it.
  JSON.parse(await readFile(join(out, "report.json"), "utf8")) as Report;

const scoresIn = async (path: string): Promise<Map<string, number>> =>
  new Map(
    (await readFile(path, "utf8"))
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split("\t"))
      .map(([trial = "", llr]) => [trial, Number(llr)]),
  );

describe("readProtocol", () => {
  it("reads ASVspoof 2019", async () => {
    const path = await written(
      "2019.txt",
      "LA_0039 LA_E_2834763 - A11 spoof\nLA_0014 LA_E_8877452 - - bonafide\r\n\n",
    );
    assert.deepEqual(await readProtocol(path), [
      { id: "LA_E_2834763", isSpoof: true, attack: "A11" },
      { id: "LA_E_8877452", isSpoof: false, attack: undefined },
    ]);
  });

  it("reads the trial metadata of 2021, the evaluation's subset or all of it", async () => {
    const path = await written(
      "2021.txt",
      [
        "LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval",
        "LA_0020 LA_E_6866159 alaw sin_tx bonafide bonafide notrim eval",
        "LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -",
        "PA_0010 PA_E_1000001 R3 M3 d4 r1 m1 s4 c4 spoof notrim eval",
        "PA_0010 PA_E_1000002 R3 M3 D4 - - - - bonafide notrim eval",
      ].join("\n"),
    );
    assert.deepEqual(await readProtocol(path), [
      { id: "LA_E_9332881", isSpoof: true, attack: "A07" },
      { id: "LA_E_6866159", isSpoof: false, attack: undefined },
      { id: "PA_E_1000001", isSpoof: true, attack: "s4-c4" },
      { id: "PA_E_1000002", isSpoof: false, attack: undefined },
    ]);
    assert.equal((await readProtocol(path, "all")).length, 5);
    assert.deepEqual(
      (await readProtocol(path, "progress")).map(({ id }) => id),
      ["DF_E_2000011"],
    );
  });

  it("reads CSV with named columns in any order, without names, and with quoted cells", async () => {
    const named = await written(
      "named.csv",
      'label,system,file\nFAKE,"a ""b"", c",x.wav\nreal,,"y, z.wav"\n',
    );
    assert.deepEqual(await readProtocol(named), [
      { id: "x.wav", isSpoof: true, attack: 'a "b", c' },
      { id: "y, z.wav", isSpoof: false, attack: undefined },
    ]);
    const bare = await written("bare.csv", "x.wav,spoof\ny.wav,bonafide\n");
    assert.deepEqual(
      (await readProtocol(bare)).map(({ isSpoof }) => isSpoof),
      [true, false],
    );
  });

  it("names the line that it cannot read, or that repeats another", async () => {
    for (const [text, expected] of [
      ["a,spoof\nb,perhaps\n", /:2: not a trial: "b,perhaps"$/],
      ["S a - A01 spoof\n\nS a - A02 spoof\n", /:3: "a" stands there twice/],
      ["just words\n", /:1: not a trial: "just words"$/],
      ["LA_E_9332881\n", /:1: not a trial: .* a name without a key; .* trial_metadata\.txt/],
      ["\u001b[2Jno,trial\n", /:1: not a trial: [^\u001b]*$/],
      ["", /is empty/],
      ["S a c t A07 spoof notrim hidden\n", /lists no trial of eval/],
    ] as const) {
      await assert.rejects(readProtocol(await written("bad.txt", text)), expected);
    }
  });
});

describe("readAsvScores", () => {
  it("reads the scores of ASVspoof 2019 by their keys and refuses others", async () => {
    const good = await written("asv.txt", "- target 3.5\n- nontarget -1\nA07 spoof 2e0\nA08 spoof 1\n");
    const { target, nontarget, spoof } = await readAsvScores(good);
    assert.deepEqual([[...target], [...nontarget], [...spoof]], [[3.5], [-1], [2, 1]]);
    const bad = await written("asv-bad.txt", "- target 3.5\nA07 toString 2\n");
    await assert.rejects(readAsvScores(bad), /:2: not a score/);
    const half = await written("asv-half.txt", "- target 3.5\n");
    await assert.rejects(readAsvScores(half), /needs scores of target, nontarget and spoof/);
  });
});

describe("ScoreFile", () => {
  it("goes on after a run that was broken off in the middle of a line, and refuses another run's", async () => {
    const path = join(folder, "broken-off.txt");
    const first = new ScoreFile(path, { digest: "a" });
    first.add("x", 1.25);
    first.add("silent", null);
    first.close();
    await writeFile(path, `${await readFile(path, "utf8")}y\t0.7`);
    const second = new ScoreFile(path, { digest: "a" });
    assert.deepEqual([second.get("x"), second.get("silent"), second.get("y")], [1.25, null, undefined]);
    second.add("y", -2);
    second.close();
    assert.match(await readFile(path, "utf8"), /\nx\t1\.250000\nsilent\t-\ny\t-2\.000000\n$/);
    assert.throws(() => new ScoreFile(path, { digest: "b" }), /scores of something else .*digest: b/);
  });

  it("says in its head which way the scores point", async () => {
    const path = join(folder, "head.txt");
    new ScoreFile(path, {}).close();
    assert.match(await readFile(path, "utf8"), /HIGHER MEANS SPOOF[^]*give them the negative/);
  });
});

describe("createTrialScorer", () => {
  it("gives no score to a recording of which a window was lost", async () => {
    const [clean] = toConditions(undefined);
    assert.ok(clean !== undefined);
    const judged = async (llrOf: (index: number) => number) => {
      const detector = fakeDetector(({ index }) => llrOf(index));
      return await createTrialScorer(clips, detector, detector.spec.detection)("human_lj", clean);
    };
    assert.ok("result" in (await judged(() => 1)));
    const torn = await judged((index) => {
      if (index === 1) throw new WindowLost("worker_lost", "it died");
      return 1;
    });
    assert.deepEqual(torn, { problem: "a window was lost: it died" });
    const bug = (): number => {
      throw new Error("a bug");
    };
    await assert.rejects(judged(bug), /a bug/);
  });
});

describe("scoreFirstWindow", () => {
  const sound = (length: number) => Float32Array.from({ length }, (_, i) => i + 1);

  it("scores the beginning alone, as long as a window, and padded by the pack's rule", async () => {
    for (const [pad, length, expected] of [
      ["tile", 3, [1, 2, 3, 1, 2, 3, 1, 2]],
      ["zeros", 3, [1, 2, 3, 0, 0, 0, 0, 0]],
      ["tile", 20, [1, 2, 3, 4, 5, 6, 7, 8]],
    ] as const) {
      const detector = fakeDetector(() => 9, fakeSpec({ pad, window: samples(8) }));
      assert.equal(await scoreFirstWindow({ rate: 16_000, samples: sound(length) }, detector), 9);
      assert.deepEqual(
        detector.seen.map((window) => [...window.samples]),
        [expected],
      );
    }
  });

  it("brings it to the detector's rate, and has nothing to say of nothing", async () => {
    const detector = fakeDetector(() => 9, fakeSpec({ window: samples(16_000) }));
    await scoreFirstWindow({ rate: 8000, samples: new Float32Array(4000).fill(0.5) }, detector);
    const [window] = detector.seen;
    assert.equal(window?.end, 8000);
    assert.ok(Math.abs((window.samples[4000] ?? 0) - 0.5) < 1e-3 && window.samples[8001] === 0);
    assert.equal(await scoreFirstWindow({ rate: 8000, samples: new Float32Array(0) }, detector), null);
  });
});

describe("addEvaluation", () => {
  it("asks for what each command cannot do without", async () => {
    for (const [args, missing] of [
      [["evaluate", "--audio", "x"], /--protocol/],
      [["evaluate", "--protocol", "x"], /--audio/],
      [["calibrate", "--list", "x", "--audio", "y"], /--model/],
      [["calibrate", "--model", "m", "--list", "x", "--audio", "y", "--prior", "1"], /between 0 and 1/],
    ] as const) {
      const program = new Command().exitOverride();
      addEvaluation(program, () => undefined);
      for (const command of program.commands)
        command.exitOverride().configureOutput({ writeErr: () => undefined });
      await assert.rejects(program.parseAsync(args, { from: "user" }), missing);
    }
  });
});

describe("progressLine", () => {
  it("shows how far a condition is, as a bar and in numbers", () => {
    const full = "█".repeat(12);
    assert.equal(
      progressLine("opus16", 30, 60),
      `opus16  ▕${full}${" ".repeat(12)}▏  50.00 %, 30 of 60 trials`,
    );
    assert.equal(progressLine("clean", 1, 1), `clean  ▕${full}${full}▏  100.00 %, 1 of 1 trial`);
    assert.match(progressLine("clean", 1, 96), /▕▎ {23}▏ {2}1\.04 %/);
  });
});

describe("evaluate", { timeout: 120_000 }, () => {
  it("scores a list clean and through a codec, and measures it", async () => {
    const out = join(folder, "out");
    const asvScores = await written(
      "asv-clips.txt",
      "- target 4\n- target 5\n- nontarget 0\n- nontarget 1\nA07 spoof 6\n",
    );
    const options = { protocol: list, audio: clips, out, through: "mulaw8k", asvScores };
    assert.equal(await evaluate(options), 0, said.join("\n"));
    assert.match(said.join("\n"), /^condition +machines +humans/);

    const report = await reportIn(out);
    assert.equal(report.model.id, "default");
    assert.deepEqual(
      report.conditions.map(({ condition }) => condition),
      ["clean", "mulaw8k"],
    );
    for (const { spoof, bonafide, eer, cllr, min_cllr, min_tdcf, attacks } of report.conditions) {
      assert.deepEqual([spoof, bonafide], [5, 6]);
      assert.ok(eer >= 0 && eer < 0.5 && min_cllr <= cllr);
      assert.ok(min_tdcf !== null && min_tdcf.min <= 1);
      assert.deepEqual(
        attacks.map(({ attack, trials }) => [attack, trials]),
        [
          ["espeak", 2],
          ["flite", 3],
        ],
      );
    }
    assert.match(await readFile(join(out, "det.svg"), "utf8"), /clean, EER .* %[^]*mulaw8k, EER/);

    const clean = await scoresIn(join(out, "scores.txt"));
    assert.equal(clean.size, 11);
    said.length = 0;
    await detect([join(clips, "human_lj.flac"), join(clips, "machine_flite_awb.flac")], { json: true });
    for (const [i, trial] of ["human_lj", "machine_flite_awb"].entries()) {
      const found = Number(/"llr":([-\d.]+)/.exec(said[i] ?? "")?.[1]);
      assert.ok(Math.abs((clean.get(trial) ?? NaN) - found) < 1e-4, `${trial}: detect says ${found}`);
    }
    assert.notDeepEqual(clean, await scoresIn(join(out, "scores-mulaw8k.txt")));
  });

  it("skips what is done when run again, and nothing else", async () => {
    const out = join(folder, "resumed");
    const options = { protocol: list, audio: clips, out };
    assert.equal(await evaluate(options), 0);
    const clean = await scoresIn(join(out, "scores.txt"));
    // A score that no model gives shows that the second run took it from the file; the one that is gone is made anew.
    const [first = "", second = ""] = clean.keys();
    const text = await readFile(join(out, "scores.txt"), "utf8");
    const doctored = text.replace(new RegExp(`^${first}\t.*$`, "m"), `${first}\t77.000000`);
    await writeFile(join(out, "scores.txt"), doctored.replace(new RegExp(`^${second}\t.*\n`, "m"), ""));
    assert.equal(await evaluate(options), 0);
    const again = await scoresIn(join(out, "scores.txt"));
    assert.equal(again.get(first), 77);
    assert.ok(Math.abs((again.get(second) ?? NaN) - (clean.get(second) ?? NaN)) < 1e-4);
    assert.equal(again.size, 11);
  });

  it("takes no scores from a file that were made with another minimum of speech, or another order of frames", async (t) => {
    const packs = await temporaryPacks();
    t.after(() => packs.remove());
    const before = process.env["EARWITNESS_MODELS_DIR"];
    process.env["EARWITNESS_MODELS_DIR"] = packs.folder;
    t.after(() => (process.env["EARWITNESS_MODELS_DIR"] = before));
    const protocol = await written("two.csv", "human_lj,human\nmachine_flite_rms,machine\n");
    const options = { protocol, audio: clips, out: join(folder, "two"), model: "safeear" };
    await importSmallSafeear(packs.folder, "5");
    assert.equal(await evaluate(options), 0);
    assert.equal((await reportIn(options.out)).model.seed, 5);
    process.env["EARWITNESS_MIN_SPEECH_MS"] = "1000";
    t.after(() => delete process.env["EARWITNESS_MIN_SPEECH_MS"]);
    await assert.rejects(evaluate(options), /scores of something else .*min_speech_ms: 1000/);
    delete process.env["EARWITNESS_MIN_SPEECH_MS"];
    assert.equal(await evaluate(options), 0);
    for (const [order, told] of [
      ["6", /seed: 6/],
      ["flip", /model: safeear .*-flip/],
    ] as const) {
      await rm(join(packs.folder, "safeear"), { recursive: true });
      await importSmallSafeear(packs.folder, order);
      await assert.rejects(evaluate(options), told);
    }
  });

  it("counts a missing and a broken file, scores the others and answers 1", async () => {
    const audio = join(folder, "audio");
    await mkdir(join(audio, "flac"), { recursive: true });
    const [first = "", ...rest] = names.filter(
      (name) => name.startsWith("machine_flite") || name.includes("kerstin"),
    );
    await cp(join(clips, first), join(audio, first));
    for (const name of rest) await cp(join(clips, name), join(audio, "flac", name));
    await writeFile(join(audio, "torn.wav"), "RIFF....WAVE and no more");
    const protocol = await written(
      "torn.csv",
      [...[first, ...rest].map((name) => `${name},${name.split("_")[0]}`), "torn,human", "gone,machine"].join(
        "\n",
      ),
    );
    const out = join(folder, "torn");
    assert.equal(await evaluate({ protocol, audio, out, json: true }), 1);
    const [json = "", complaint] = said;
    assert.deepEqual(JSON.parse(json), await reportIn(out));
    assert.match(complaint ?? "", /2 trials could not be scored/);
    const [clean] = (await reportIn(out)).conditions;
    assert.deepEqual([clean?.spoof, clean?.bonafide], [3, 2]);
    assert.deepEqual(
      clean?.unscored.map(({ trial }) => trial),
      ["torn", "gone"],
    );
    assert.equal(clean.unscored[1]?.problem, "no such file");
  });

  it("scores first windows alone when asked to, and keeps those scores apart", async () => {
    const protocol = await written("two.csv", "human_lj,human\nmachine_flite_awb,machine\n");
    const options = { protocol, audio: clips, out: join(folder, "first") };
    assert.equal(await evaluate({ ...options, score: "first-window" }), 0);
    await assert.rejects(evaluate(options), /scored: recording/);
    const golden = JSON.parse(await readFile(join(clips, "golden.json"), "utf8")) as {
      readonly clips: Readonly<
        Record<
          string,
          {
            readonly channels: readonly {
              readonly windows: readonly { readonly start: number; readonly llr: number }[];
            }[];
          }
        >
      >;
    };
    for (const [trial, llr] of await scoresIn(join(options.out, "scores.txt"))) {
      const windows = golden.clips[`${trial}.flac`]?.channels[0]?.windows ?? [];
      // The last that begins with the clip is the whole one; those before it are provisional.
      const expected = windows.findLast(({ start }) => start === 0)?.llr ?? NaN;
      assert.ok(Math.abs(llr - expected) < 1e-3, `${trial}: ${llr} is not ${expected}`);
    }
  });

  it("measures nothing where a class is missing", async () => {
    const protocol = await written("human.csv", "human_lj,human\n");
    const out = join(folder, "human");
    assert.equal(await evaluate({ protocol, audio: clips, out }), 0);
    assert.equal((await reportIn(out)).conditions[0]?.eer, null);
  });
});

describe("calibrate", { timeout: 120_000 }, () => {
  const manifestOf = async (name: string) => (await openPack(name, [join(folder, "models")])).manifest;

  it("refuses the shipped pack, and makes a calibrated copy with the same digest and a lower cost", async () => {
    await assert.rejects(calibrate({ model: "default", list, audio: clips }), /ships with the package/);
    const hidden = join(folder, "models", "default");
    await assert.rejects(
      calibrate({ model: "default", list, audio: clips, out: hidden }),
      /a copy needs another name/,
    );
    assert.equal(
      await calibrate({ model: "default", list, audio: clips, out: join(folder, "models", "mine") }),
      0,
    );
    const copy = await openPack("mine", [join(folder, "models")]);
    const shipped = await openPack("default", [join(import.meta.dirname, "..", "..", "models")]);
    assert.equal(copy.spec.digest, shipped.spec.digest);
    assert.notDeepEqual(copy.manifest.calibration, shipped.manifest.calibration);
    assert.match(
      copy.manifest.calibration?.data ?? "",
      /5 machine recordings and 6 human recordings of clips\.csv/,
    );
    const [, cost = "", before = "", now = ""] =
      /(Cllr before ([\d.]+), after ([\d.]+))/.exec(said.join("\n")) ?? [];
    assert.ok(Number(now) < Number(before), cost);
    assert.ok(said.some((line) => line.includes("is few to calibrate on")));
    await assert.rejects(
      calibrate({ model: "default", list, audio: clips, out: join(folder, "models", "mine") }),
      /there is a model pack called mine/,
    );
  });

  it("writes into an imported pack, fits the raw scores whatever calibration was there, and settles at once", async () => {
    await cp(join(folder, "models", "mine"), join(folder, "models", "again"), { recursive: true });
    const path = join(folder, "models", "again", "model.json");
    const { calibration } = await manifestOf("mine");
    const off = { id: "off", a: 3, b: -5, data: "" };
    await writeFile(path, JSON.stringify({ ...(await manifestOf("mine")), id: "again", calibration: off }));
    assert.equal(await calibrate({ model: "again", list, audio: clips }), 0);
    const refitted = (await manifestOf("again")).calibration;
    assert.ok(calibration !== null && refitted !== null);
    assert.ok(Math.abs(refitted.a / calibration.a - 1) < 1e-3, `${refitted.a} ${calibration.a}`);
    assert.ok(Math.abs(refitted.b - calibration.b) < 1e-3, `${refitted.b} ${calibration.b}`);
    assert.notEqual(refitted.id, "off");
  });

  it("refuses a list of one kind", async () => {
    await writeTinyPack({ folder: join(folder, "models") });
    const humans = await written("only.csv", "human_lj,human\nhuman_chitwan,human\n");
    await assert.rejects(calibrate({ model: "tiny", list: humans, audio: clips }), /both classes are needed/);
  });
});
