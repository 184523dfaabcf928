import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionError } from "./error.ts";
import { EventStream } from "./event-stream.ts";
import type { WarningEvent } from "./events.ts";

const warning = (seq: number): WarningEvent => ({
  ...{ type: "warning", code: "draining", seq, session_id: "s", t_media_ms: 0 },
});

function held() {
  const calls: string[] = [];
  const stream = new EventStream();
  stream.attach({
    hold: () => void calls.push("hold"),
    release: () => void calls.push("release"),
    abort: () => void calls.push("abort"),
  });
  return { stream, calls };
}

describe("a client's events", () => {
  it("can be iterated from the first one, also when they came before", async () => {
    const { stream } = held();
    for (let seq = 0; seq < 3; seq += 1) stream.onEvent(warning(seq));
    stream.onEnd();
    const seqs: number[] = [];
    for await (const { seq } of stream) seqs.push(seq);
    assert.deepEqual(seqs, [0, 1, 2]);
  });

  it("come to who waits for them", async () => {
    const { stream } = held();
    const reader = stream[Symbol.asyncIterator]();
    const first = reader.next();
    stream.onEvent(warning(0));
    assert.equal((await first).value?.seq, 0);
    const last = reader.next();
    stream.onEnd();
    assert.equal((await last).done, true);
  });

  it("are kept to the newest while nobody iterates, and nobody is held back for it", async () => {
    const { stream, calls } = held();
    for (let seq = 0; seq < 5000; seq += 1) stream.onEvent(warning(seq));
    stream.onEnd();
    const seqs: number[] = [];
    for await (const { seq } of stream) seqs.push(seq);
    assert.equal(seqs.length, 1024);
    assert.equal(seqs.at(-1), 4999);
    assert.deepEqual(calls, []);
  });

  it("hold the connection when a reader is behind, lose nothing, and let it go on when it has caught up", async () => {
    const { stream, calls } = held();
    const reader = stream[Symbol.asyncIterator]();
    const first = reader.next();
    for (let seq = 0; seq < 3000; seq += 1) stream.onEvent(warning(seq));
    assert.deepEqual(calls, ["hold"]);
    await first;
    for (let seq = 1; seq < 3000; seq += 1) assert.equal((await reader.next()).value?.seq, seq);
    assert.deepEqual(calls, ["hold", "release"]);
  });

  it("let a held connection go when the reader leaves", async () => {
    const { stream, calls } = held();
    for await (const { seq } of (() => {
      queueMicrotask(() => {
        for (let i = 0; i < 3000; i += 1) stream.onEvent(warning(i));
      });
      return stream;
    })())
      if (seq === 0) break;
    assert.deepEqual(calls, ["hold", "release"]);
  });

  it("throw the connection's error after the last event, and once", async () => {
    const { stream } = held();
    const error = connectionError("connection_lost", "gone");
    stream.onEvent(warning(0));
    stream.onEnd(error);
    stream.onEnd();
    const seqs: number[] = [];
    await assert.rejects(async () => {
      for await (const { seq } of stream) seqs.push(seq);
    }, error);
    assert.deepEqual(seqs, [0]);
    await assert.rejects(stream.ended, error);
  });

  it("go to listeners of their kind and of every kind until they are removed", () => {
    const { stream } = held();
    const heard: string[] = [];
    const off = stream.on("warning", ({ code }) => heard.push(code));
    stream.on("event", ({ type }) => heard.push(type));
    stream.on("score", () => heard.push("never"));
    stream.onEvent(warning(0));
    off();
    stream.onEvent(warning(1));
    assert.deepEqual(heard, ["draining", "warning", "warning"]);
  });
});
