import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scoreOf } from "../../test/support/scripted-session.ts";
import { millis } from "../stream/units.ts";
import { toJson, toSnakeCase } from "./wire-json.ts";

describe("events as JSON", () => {
  it("have snake_case names all the way down", () => {
    const event = { ...scoreOf(3), seq: 1, sessionId: "s", tMediaMs: millis(7) };
    assert.deepEqual(JSON.parse(toJson(event)), {
      ...{ type: "score", seq: 1, session_id: "s", t_media_ms: 7, channel: 0, index: 3 },
      window: { start_ms: 3000, end_ms: 7000, start_sample: 48_000, end_sample: 112_000 },
      ...{ speech_ms: 4000, llr: 1, p_spoof: 0.7, verdict: "spoof", reason: null, provisional: false },
      rolling: { llr: 1, p_spoof: 0.7, speech_ms: 4000, windows: 1 },
      quality: { bandwidth_hz: 8000, clipping: 0, loss_ratio: 0, codec: "pcm_s16le" },
      latency_ms: { queue: 0, infer: 1, total: 2 },
    });
  });

  it("leave what is the client's own, and a fault's details, as they are", () => {
    const own = { camelCase: { deepKey: [{ anotherKey: 1 }] } };
    assert.deepEqual(toSnakeCase({ callId: 1, metadata: own, details: own, limits: own }), {
      ...{ call_id: 1, metadata: own, details: own, limits: own },
    });
    const hostile: unknown = JSON.parse('{"metadata":{"__proto__":{"a":1}}}');
    assert.equal(JSON.stringify(toSnakeCase(hostile)), '{"metadata":{"__proto__":{"a":1}}}');
  });
});
