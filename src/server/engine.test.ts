import assert from "node:assert/strict";
import { it } from "node:test";
import { from } from "rxjs";
import { detection, fakeDetector } from "../../test/support/fakes.ts";
import { voice } from "../../test/support/voice.ts";
import { createDecoder } from "../stream/decode.ts";
import type { AudioFormat } from "../stream/ports.ts";
import { createSession } from "../stream/session.ts";
import { hertz } from "../stream/units.ts";
import { queueLimit } from "./engine.ts";

it("the pool has room for all that its file sessions ask at once", () => {
  const sessions = 50;
  const detector = fakeDetector(() => new Promise<number>(() => undefined));
  const format: AudioFormat = { encoding: "pcm_f32le", framing: "raw", rate: hertz(16_000), channels: 2 };
  const valve = { pause: () => undefined, resume: () => undefined };
  const mono = voice(16, 16_000);
  const chunk = new Uint8Array(
    Float32Array.from({ length: 2 * mono.length }, (_, i) => mono[i >> 1] ?? 0).buffer,
  );
  const decoder = createDecoder(format, undefined);
  createSession(
    { format, pace: "file", decoder, detector, detection, valve, now: () => 0 },
    from([{ type: "audio" as const, chunk }]),
  ).events.subscribe();
  assert.equal(detector.seen.length, 16);
  assert.ok(queueLimit(sessions) >= sessions * detector.seen.length);
});
