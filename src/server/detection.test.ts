import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { detection, fakeSpec } from "../../test/support/fakes.ts";
import { Fault } from "../stream/errors.ts";
import { detectionInForce } from "./detection.ts";

const refused = (field: string) => (reason: unknown) =>
  reason instanceof Fault && reason.code === "bad_message" && reason.details?.["field"] === field;

describe("detectionInForce", () => {
  it("takes the client's wish over the operator's, and the operator's over the pack's", () => {
    const inForce = detectionInForce(fakeSpec(), { hopMs: 500, prior: 0.1, thresholds: {} }, { prior: 0.2 });
    assert.deepEqual(inForce, { ...detection, hopMs: 500, prior: 0.2 });
  });

  it("refuses more speech than a window can hold", () => {
    const ask = (minSpeechMs: number) => () =>
      detectionInForce(fakeSpec(), { thresholds: {} }, { minSpeechMs });
    assert.doesNotThrow(ask(4000));
    assert.throws(ask(4001), refused("detection.min_speech_ms"));
  });

  it("refuses thresholds that do not rise", () => {
    const ask = () => detectionInForce(fakeSpec(), { thresholds: {} }, { thresholds: { suspect: 0.1 } });
    assert.throws(ask, refused("detection.thresholds"));
  });
});
