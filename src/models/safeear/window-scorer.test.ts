import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  importFixtureSafeear,
  importSmallSafeear,
  temporaryPacks,
} from "../../../test/support/small-safeear.ts";
import { withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { voice } from "../../../test/support/voice.ts";
import { openGraph } from "../inference.ts";
import type { OpenModel } from "../messages.ts";
import { modelOf } from "../pack-model.ts";
import type { Place } from "../scorer.ts";
import { openPack } from "../store.ts";
import { WindowScorer, type OpenGraphs, type SafeearGraphs } from "./window-scorer.ts";

const window = 64_600;
const perMs = 16;

/** Several voices, one after the other, louder than speech is: random weights then tell them apart. */
const tape = Float32Array.from(
  [700, 1900, 1100, 2600, 400].flatMap((pitch) => [...voice(4, 16_000, pitch)]),
  (value) => 4 * value,
);

function at(start: number): Float32Array {
  assert.ok(start + window <= tape.length);
  return tape.slice(start, start + window);
}

const models = [
  ["a model of random weights", importSmallSafeear, false],
  ["the published layout", importFixtureSafeear, withoutFixture("safeear-small/model.ckpt")],
] as const;

for (const [what, importModel, skip] of models) {
  describe(`SafeEar over windows, of ${what}`, { skip }, () => {
    let packs: Awaited<ReturnType<typeof temporaryPacks>>;
    let model: OpenModel;
    let graphs: SafeearGraphs;
    let open: OpenGraphs;
    /** Samples that the front heard. */
    let heard = 0;

    before(async () => {
      packs = await temporaryPacks();
      await importModel(packs.folder, "7");
      const { graphs: found, ...rest } = modelOf(await openPack("safeear", [packs.folder]), 1000);
      assert.ok(found.kind === "safeear");
      graphs = found;
      model = { type: "open", provider: "cpu", timedRuns: 0, graphs, ...rest };
      const front = await openGraph(graphs.front, "cpu");
      open = {
        front: {
          ...front,
          run: (feeds, output) => {
            heard += feeds["audio"]?.data.length ?? 0;
            return front.run(feeds, output);
          },
        },
        back: await openGraph(graphs.back, "cpu"),
        detector: await openGraph(graphs.detector, "cpu"),
      };
    });
    after(async () => {
      for (const graph of [open.front, open.back, open.detector]) await graph.release();
      await packs.remove();
    });

    const scorer = (): WindowScorer => new WindowScorer(open, graphs, model);

    async function logits(by: WindowScorer, samples: Float32Array, place?: Place): Promise<number[]> {
      heard = 0;
      return [...(await by.score({ kind: "audio", samples, places: [place] }, 1))];
    }

    /** Scores windows that follow each other by `hop`, and each again by a scorer that knows of no other. */
    async function follow(hop: number, windows: number, expected: "shared" | "whole"): Promise<void> {
      const sharing = scorer();
      const seen = new Set<number>();
      for (let i = 0; i < windows; i++) {
        const start = i * hop;
        const shared = await logits(sharing, at(start), { track: 1, start });
        const didShare = heard < window;
        assert.equal(didShare, i > 0 && expected === "shared", `window ${i} heard ${heard} samples`);
        assert.deepEqual(shared, await logits(scorer(), at(start)), `window ${i} of a hop of ${hop}`);
        seen.add(Math.round((shared[0] ?? 0) * 1e4));
      }
      assert.ok(seen.size > 1, "scores differ between windows");
    }

    for (const hopMs of [60, 260, 500, 1000, 2000, 3000]) {
      it(`gives the same bits with work shared as without, every ${hopMs} ms`, async () => {
        await follow(hopMs * perMs, 4, "shared");
      });
    }

    it("hears a second and a few frames of a window that continues another by a second", async () => {
      const by = scorer();
      await logits(by, at(0), { track: 1, start: 0 });
      await logits(by, at(16_000), { track: 1, start: 16_000 });
      assert.ok(heard > 16_000 && heard < 16_000 + 9 * 320, `${heard} samples`);
    });

    it("shares nothing where frames do not coincide, or nothing overlaps", async () => {
      await follow(16_001, 3, "whole");
      await follow(window, 3, "whole");
    });

    it("shares nothing where the samples are not the same, whatever the place says", async () => {
      const by = scorer();
      const place = (start: number): Place => ({ track: 1, start });
      await logits(by, at(0), place(0));
      const other = at(16_000);
      other[40_000] = (other[40_000] ?? 0) + 1e-3;
      assert.deepEqual(await logits(by, other, place(16_000)), await logits(scorer(), other));
      await logits(by, at(0), place(0));
      await logits(by, at(4000), place(16_000));
      assert.equal(heard, window);
    });

    it("keeps tracks apart, and batches windows of several", async () => {
      const by = scorer();
      const batch = async (starts: readonly number[]): Promise<number[][]> => {
        const samples = new Float32Array(starts.length * window);
        for (const [row, start] of starts.entries()) samples.set(at(start), row * window);
        const places = starts.map((start, track) => ({ track, start }));
        heard = 0;
        const values = await by.score({ kind: "audio", samples, places }, starts.length);
        return starts.map((_, row) => [...values.slice(2 * row, 2 * row + 2)]);
      };
      await batch([0, 64_000]);
      const both = await batch([16_000, 96_000]);
      assert.ok(heard < window);
      for (const [row, start] of [16_000, 96_000].entries()) {
        for (const [i, value] of (await logits(scorer(), at(start))).entries())
          assert.ok(Math.abs(value - (both[row]?.[i] ?? NaN)) < 1e-5);
      }
    });

    it("follows a hop that changes on the way, and starts anew after a gap", async () => {
      const by = scorer();
      const heards: boolean[] = [];
      for (const start of [0, 16_000, 20_000, 20_160, 100_000]) {
        const got = await logits(by, at(start), { track: 3, start });
        heards.push(heard < window);
        assert.deepEqual(got, await logits(scorer(), at(start)));
      }
      // 4,000 samples are no whole number of frames; 160 are half of one.
      assert.deepEqual(heards, [false, true, false, false, false]);
    });

    it("knows of nothing any more once it is told to forget", async () => {
      const by = scorer();
      await logits(by, at(0), { track: 1, start: 0 });
      by.forget();
      await logits(by, at(16_000), { track: 1, start: 16_000 });
      assert.equal(heard, window);
    });
  });
}
