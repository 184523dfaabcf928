import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { codeMessage, codesOf, publishedCodes } from "../../test/support/code-windows.ts";
import { readCodeWindow, writeCodeWindow } from "./code-window.ts";
import type { CodeSpec } from "./ports.ts";

/** A window's message with some of its bytes replaced. */
function altered(at: number, ...bytes: number[]): Uint8Array {
  const message = codeMessage(3);
  message.set(bytes, at);
  return message;
}

const refused = (message: Uint8Array, spec: CodeSpec = publishedCodes) => {
  try {
    readCodeWindow(message, spec);
  } catch (reason) {
    if (reason instanceof Error && "code" in reason && "details" in reason) {
      return [reason.code, (reason.details as { field?: string } | undefined)?.field];
    }
    throw reason;
  }
  return "nothing";
};

describe("a window of codes on the wire", () => {
  it("has the header that is published, and 3.5 kbit/s without overlap", () => {
    const message = codeMessage(0x01020304, { start: 2 ** 40 + 5, speechMs: 3210, value: 1023 });
    assert.deepEqual(
      [...message.subarray(0, 17)],
      [1, 1, 2, 3, 4, 0, 0, 1, 0, 0, 0, 0, 5, 3210 >> 8, 3210 & 255, 0, 202],
    );
    assert.equal(message.length, 17 + 1768);
    assert.ok([...message.subarray(17, 17 + 1767)].every((byte) => byte === 255));
    assert.equal(publishedCodes.stages * 10 * 50, 3500);
  });

  it("comes back as it went, wherever it lies in memory", () => {
    const codes = Int32Array.from({ length: 7 * 202 }, (_, i) => (i * 37) % 1024);
    const window = { index: 4_294_967_295, start: 2 ** 53 - 1, speechMs: 65_535, codes };
    const message = writeCodeWindow(window, publishedCodes);
    const within = Buffer.concat([Buffer.alloc(3), message, Buffer.alloc(1)]).subarray(3, 3 + message.length);
    assert.deepEqual(readCodeWindow(within, publishedCodes), window);
  });

  it("is refused for a header of another version, length, model or range, which is named", () => {
    assert.deepEqual(refused(altered(0, 2)), ["bad_message", "version"]);
    assert.deepEqual(refused(altered(15, 0, 201)), ["bad_message", "frames"]);
    assert.deepEqual(refused(altered(5, 0, 0x20)), ["bad_message", "start_sample"]);
    assert.deepEqual(refused(altered(5, 255, 255, 255, 255)), ["bad_message", "start_sample"]);
    assert.deepEqual(refused(codeMessage(3).subarray(0, 16)), ["bad_message", undefined]);
    assert.deepEqual(refused(codeMessage(3).subarray(0, 1784)), ["bad_message", "codes"]);
    assert.deepEqual(refused(Buffer.concat([codeMessage(3), Buffer.alloc(1)])), ["bad_message", "codes"]);
  });

  it("is refused for codes that the model does not have, and for bits after the last of them", () => {
    const thousand = { ...publishedCodes, choices: 1000 };
    assert.deepEqual(refused(codeMessage(0, { value: 999 }), thousand), "nothing");
    assert.deepEqual(refused(codeMessage(0, { value: 1000 }), thousand), ["undecodable_audio", undefined]);
    assert.deepEqual(refused(altered(1784, 1)), ["undecodable_audio", undefined]);
    assert.throws(() =>
      writeCodeWindow({ index: 0, start: 0, speechMs: 0, codes: codesOf(1024) }, publishedCodes),
    );
  });
});
