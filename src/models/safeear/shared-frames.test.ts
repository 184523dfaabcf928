import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KeptWindows, sharing } from "./shared-frames.ts";

const published = { window: 64_600, frameSamples: 320, before: 243, after: 554, fewest: 961 };

describe("what overlapping windows share", () => {
  it("is all but the first frame and the last, and what is new, of the published sizes", () => {
    const shared = sharing(published, 16_000);
    // Frames 1 … 150 are the earlier window's 51 … 200; of 202 frames the last hears what is mirrored.
    assert.deepEqual(shared, {
      shift: 50,
      head: { frames: 1, samples: 961 },
      tail: { frame: 151, firstFrame: 150, firstSample: 48_000 },
    });
  });

  it("is nothing where frames do not coincide, where nothing overlaps, and for a window that goes back", () => {
    for (const distance of [0, 1, 319, 16_001, -320, 64_600, 64_640, 62_000]) {
      assert.equal(sharing(published, distance), undefined, String(distance));
    }
  });
});

describe("windows that are kept", () => {
  const samples = Float32Array.from({ length: 8 }, (_, i) => i);
  const next = Float32Array.from({ length: 8 }, (_, i) => i + 2);
  const frames = Float32Array.of(1, 2, 3);

  it("are found by the window that continues them, and by no other", () => {
    const kept = new KeptWindows(1000);
    kept.keep({ track: 1, start: 100 }, samples, frames);
    assert.deepEqual(kept.before({ track: 1, start: 102 }, next), { frames, distance: 2 });
    assert.equal(kept.before({ track: 2, start: 102 }, next), undefined);
    assert.equal(kept.before({ track: 1, start: 103 }, next), undefined);
    assert.equal(kept.before({ track: 1, start: 100 }, samples), undefined);
    assert.equal(kept.before({ track: 1, start: 98 }, next), undefined);
    assert.equal(kept.before({ track: 1, start: 108 }, next), undefined);
    kept.clear();
    assert.equal(kept.before({ track: 1, start: 102 }, next), undefined);
  });

  it("hold a copy of the samples, whose buffer is used again", () => {
    const kept = new KeptWindows(1000);
    const reused = samples.slice();
    kept.keep({ track: 1, start: 0 }, reused, frames);
    reused.fill(0);
    assert.ok(kept.before({ track: 1, start: 2 }, next));
    kept.clear();
  });

  it("make room for newer ones, the tracks without a window for longest first", () => {
    const each = samples.byteLength + frames.byteLength;
    const kept = new KeptWindows(2 * each);
    const keep = (track: number): void => kept.keep({ track, start: 0 }, samples, frames);
    for (const track of [1, 2, 1, 3]) keep(track);
    const known = [1, 2, 3].filter((track) => kept.before({ track, start: 2 }, next) !== undefined);
    assert.deepEqual(known, [1, 3]);
    kept.clear();
  });

  it("are let go of some seconds after the last of their track", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const begun = performance.now();
    const now = t.mock.method(performance, "now", () => begun);
    const kept = new KeptWindows(1000);
    kept.keep({ track: 1, start: 0 }, samples, frames);
    now.mock.mockImplementation(() => begun + 14_000);
    t.mock.timers.tick(14_000);
    assert.ok(kept.before({ track: 1, start: 2 }, next));
    now.mock.mockImplementation(() => begun + 21_000);
    t.mock.timers.tick(7000);
    assert.equal(kept.before({ track: 1, start: 2 }, next), undefined);
  });
});
