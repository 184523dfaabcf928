import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { from } from "rxjs";
import { codeMessage, codesOf, codesSpec, publishedCodes } from "../../test/support/code-windows.ts";
import { detection, fakeDetector } from "../../test/support/fakes.ts";
import { CodeFrontEnd } from "./code-front-end.ts";
import type { Command } from "./commands.ts";
import type { EventBody } from "./events.ts";
import type { Item } from "./front-end.ts";
import type { CodesFormat } from "./ports.ts";
import { createSession } from "./session.ts";
import { hertz } from "./units.ts";

const format: CodesFormat = {
  ...{ encoding: "safeear_codes", framing: "packet", rate: hertz(16_000), channels: 1 },
};
const frontEnd = () => new CodeFrontEnd(codesSpec(), publishedCodes);
const window = (...said: Parameters<typeof codeMessage>): Command => ({
  type: "audio",
  chunk: codeMessage(...said),
});

/** What it makes of commands, in a few words: windows as start–end and their fresh part, gaps as start–end and cause. */
function told(commands: readonly Command[], end = frontEnd()): string[] {
  return [...commands.flatMap((command) => end.apply(command)), ...end.flush()].map(inWords);
}

function inWords(item: Item): string {
  switch (item.kind) {
    case "window":
      return `window ${item.window.index} ${item.window.start}–${item.window.end} fresh ${item.window.fresh}`;
    case "gap":
      return `${item.gap.cause} ${item.gap.start}–${item.gap.end}`;
    case "reset":
      return `reset ${item.start}`;
  }
}

describe("windows that come as codes", () => {
  it("lie where the client says, and are fresh where no earlier one was", () => {
    assert.deepEqual(told([window(0), window(1), window(7, { start: 64_600 })]), [
      "window 0 0–64600 fresh 64600",
      "window 1 16000–80600 fresh 16000",
      "window 7 64600–129200 fresh 48600",
    ]);
  });

  it("carry the client's codes and its measure of speech, and no sound", () => {
    const [item] = frontEnd().apply(window(5, { start: 0, speechMs: 2000, value: 77 }));
    assert.ok(item?.kind === "window");
    const { codes, samples, speech, freshSpeech, quality, provisional } = item.window;
    assert.deepEqual(codes, codesOf(77));
    assert.deepEqual([samples.length, speech, freshSpeech, provisional], [0, 32_000, 32_000, false]);
    assert.deepEqual(quality, { bandwidthHz: 0, clipping: 0, lossRatio: 0 });
  });

  it("count new speech in proportion to what is new of a window", () => {
    const end = frontEnd();
    end.apply(window(0));
    const [item] = end.apply(window(1, { start: 32_300, speechMs: 2000 }));
    assert.ok(item?.kind === "window");
    assert.deepEqual([item.window.fresh, item.window.freshSpeech], [32_300, 16_000]);
  });

  it("leave a gap where one begins later than all before it has ended", () => {
    const end = frontEnd();
    assert.deepEqual(told([window(0, { start: 8000 }), window(1, { start: 80_600 })], end), [
      "client_declared 0–8000",
      "window 0 8000–72600 fresh 64600",
      "client_declared 72600–80600",
      "window 1 80600–145200 fresh 64600",
    ]);
    assert.deepEqual(end.audioOf(), { clock: 145_200, gaps: 16_000 });
    assert.equal(end.tMediaMs, 9075);
  });

  it("are time and not evidence during a pause, and the hole after it is the pause's", () => {
    const paused = [window(0), { type: "pause" }, window(1), { type: "resume" }] as const;
    const after = [window(2, { start: 96_600 }), window(3, { start: 161_300 })];
    assert.deepEqual(told([...paused, ...after]), [
      "window 0 0–64600 fresh 64600",
      "paused 64600–96600",
      "window 2 96600–161200 fresh 64600",
      "client_declared 161200–161300",
      "window 3 161300–225900 fresh 64600",
    ]);
    const declared = [window(0), { type: "pause" }, { type: "resume", gapMs: 1000 }] as const;
    assert.deepEqual(told([...declared, window(1, { start: 80_600 })]), [
      "window 0 0–64600 fresh 64600",
      "paused 64600–80600",
      "window 1 80600–145200 fresh 64600",
    ]);
  });

  it("let gaps be declared and speakers change", () => {
    const gap = { type: "annotate", kind: "gap", gapMs: 500 } as const;
    assert.deepEqual(told([window(0), gap, { type: "annotate", kind: "transfer" }, gap]), [
      "window 0 0–64600 fresh 64600",
      "client_declared 64600–72600",
      "reset 72600",
      "client_declared 72600–80600",
    ]);
  });

  it("are not asked for by finalize, and a new hop cuts none", () => {
    const commands: Command[] = [{ type: "finalize" }, { type: "update", detection: { hopMs: 250 } }];
    assert.deepEqual(told([window(0), ...commands]), ["window 0 0–64600 fresh 64600"]);
  });

  const wrong: readonly (readonly [string, Command, string])[] = [
    ["an index that does not rise", window(4, { start: 80_000 }), "index"],
    ["a start before the last one's", window(6, { start: 63_999 }), "start_sample"],
    ["a start an hour after all that is known", window(6, { start: 57_600_001 + 128_600 }), "start_sample"],
    ["more speech than a window holds", window(6, { speechMs: 4038 }), "speech_ms"],
  ];
  for (const [what, command, field] of wrong) {
    it(`are refused for ${what}`, () => {
      const end = frontEnd();
      end.apply(window(4));
      assert.throws(() => end.apply(command), {
        code: "bad_message",
        details: { field, ...valueOf(command) },
      });
    });
  }

  it("may follow an hour's silence, and share a start", () => {
    const end = frontEnd();
    end.apply(window(0));
    assert.equal(end.apply(window(1, { start: 0 })).length, 1);
    assert.equal(end.apply(window(2, { start: 57_600_000 + 64_600 })).at(-1)?.kind, "window");
  });

  it("count as a quarter of a second each for admission, however little time they move on", () => {
    const end = frontEnd();
    assert.equal(end.paceMs, 0);
    for (let index = 0; index < 8; index++) end.apply(window(index, { start: index }));
    assert.equal(end.paceMs, 2000);
    end.apply(window(8, { start: 160_000 }));
    assert.equal(end.paceMs, 10_000);
  });

  it("begin after the gaps that are declared, which admission counts as well", () => {
    const end = frontEnd();
    end.apply(window(0));
    end.apply({ type: "resume", gapMs: 3000 });
    end.apply({ type: "annotate", kind: "gap", gapMs: 2000 });
    assert.equal(end.paceMs, 5000);
  });

  it("ignore a message of no bytes", () => {
    assert.deepEqual(told([{ type: "audio", chunk: new Uint8Array(0) }]), []);
  });
});

/** The number that a fault must name. */
function valueOf(command: Command) {
  assert.ok(command.type === "audio");
  const header = new DataView(command.chunk.buffer);
  const [index, start, speechMs] = [header.getUint32(1), header.getBigUint64(5), header.getUint16(13)];
  if (speechMs > 4037) return { value: speechMs };
  return { value: index === 4 ? index : Number(start) };
}

describe("a session of codes", () => {
  const valve = { pause: () => undefined, resume: () => undefined };
  const run = (commands: readonly Command[], detector = fakeDetector(llrOf, codesSpec())) => {
    const session = createSession(
      { format, pace: "file", detector, detection, valve, now: () => 0 },
      from(commands),
    );
    return new Promise<{ events: EventBody[]; session: typeof session }>((resolve, reject) => {
      const events: EventBody[] = [];
      session.events.subscribe({
        next: (event) => events.push(event),
        error: reject,
        complete: () => {
          resolve({ events, session });
        },
      });
    });
  };
  const llrOf = ({ codes }: { codes?: Int32Array }): number => (codes?.[0] ?? NaN) - 5;

  it("scores each window by its codes, and follows them to a state", async () => {
    const commands = Array.from({ length: 12 }, (_, index) => window(index, { value: 10 }));
    const { events, session } = await run(commands);
    const scores = events.filter((event) => event.type === "score");
    assert.deepEqual(
      scores.map(({ index, llr, verdict, provisional }) => [index, llr, verdict, provisional]),
      commands.map((_, index) => [index, 5, "spoof", false]),
    );
    assert.deepEqual(scores[3]?.window, {
      ...{ startMs: 3000, endMs: 7037, startSample: 48_000, endSample: 112_600 },
    });
    assert.deepEqual(scores[3].quality, {
      ...{ bandwidthHz: 0, clipping: 0, lossRatio: 0, codec: "safeear_codes" },
    });
    assert.ok(events.some((event) => event.type === "alert" && event.status === "raised"));
    const [channel] = session.channels();
    assert.deepEqual([channel?.state, channel?.windows, channel?.audioMs], ["spoof", 12, 15_037]);
    // All of it but for the half millisecond that 4037 leaves out of a window.
    assert.equal(channel?.speechMs, 15_035);
  });

  it("asks nobody about a window without speech, and has no verdict on one with little", async () => {
    const detector = fakeDetector(llrOf, codesSpec());
    const commands = [window(0, { speechMs: 0 }), window(1, { speechMs: 1999 })];
    const { events } = await run(commands, detector);
    assert.equal(detector.seen.length, 1);
    assert.deepEqual(
      events.flatMap((event) => (event.type === "score" ? [[event.llr, event.reason]] : [])),
      [
        [null, "no_speech"],
        [-4, "too_little_speech"],
      ],
    );
  });

  it("is refused where the model takes no codes", () => {
    assert.throws(
      () =>
        run(
          [],
          fakeDetector(() => 0),
        ),
      { code: "unsupported_audio", message: /fake takes no safeear_codes/ },
    );
  });
});
