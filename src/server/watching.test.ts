import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeConnection, FakeSink } from "../../test/support/fake-connection.ts";
import { fakeHost } from "../../test/support/fake-host.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { scoreOf, scripted, stateOf } from "../../test/support/scripted-session.ts";
import type { Limits } from "./limits.ts";

function serving(limits: Partial<Limits> = {}) {
  const clock = new ManualClock();
  const { createSession, sessions } = scripted();
  const made = fakeHost({ clock, limits, parts: { createSession } });
  const start = (said: Record<string, unknown>) => {
    const connection = new FakeConnection();
    made.host.accept(connection);
    connection.start(said);
    const session = sessions.at(-1);
    assert.ok(session);
    return { connection, session };
  };
  const watch = (target: { sessionId: string } | { callId: string }) => {
    const sink = new FakeSink();
    const stop = made.host.watch(
      "callId" in target ? { kind: "call", ...target } : { kind: "session", ...target },
      sink,
    );
    return { sink, stop };
  };
  return { ...made, clock, start, watch };
}

const told = (sink: FakeSink) => sink.events.map(({ type, sessionId, seq }) => `${sessionId} ${seq} ${type}`);

describe("a session's watcher", () => {
  it("gets what its owner filtered out", () => {
    const { start, watch } = serving();
    const { connection, session } = start({ session_id: "s", results: { kinds: ["alert"] } });
    const { sink } = watch({ sessionId: "s" });
    session.said.next(scoreOf(0));
    assert.deepEqual(connection.types, ["ready"]);
    assert.deepEqual(sink.types, ["ready", "state", "score"]);
  });

  it("hears the summary and the error of a session that fails, and is closed cleanly", () => {
    const { start, watch } = serving();
    const { session } = start({ session_id: "s" });
    const { sink } = watch({ sessionId: "s" });
    session.said.error(new Error("a bug"));
    assert.deepEqual(sink.types, ["ready", "state", "summary", "error internal"]);
    assert.deepEqual(sink.closes, [undefined]);
  });

  it("is told of the detection as an update left it", () => {
    const { start, watch } = serving();
    const { connection } = start({ session_id: "s", detection: { prior: 0.3 } });
    const detection = { hopMs: 500, thresholds: { spoof: 0.99 } };
    connection.client.next({ type: "update", detection });
    const [ready] = watch({ sessionId: "s" }).sink.of("ready");
    assert.equal(ready?.detection.hopMs, 500);
    assert.deepEqual([ready.detection.prior, ready.detection.windowMs], [0.3, 4000]);
    assert.deepEqual([ready.detection.thresholds.spoof, ready.detection.thresholds.suspect], [0.99, 0.8]);
  });

  it("hears nothing after it stopped, and the session goes on", () => {
    const { start, watch } = serving();
    const { connection, session } = start({ session_id: "s" });
    const { sink, stop } = watch({ sessionId: "s" });
    stop();
    stop();
    session.said.next(scoreOf(0));
    assert.deepEqual(sink.types, ["ready", "state"]);
    assert.deepEqual(connection.types, ["ready", "score"]);
  });

  it("that does not read is cut off alone", () => {
    const { start, watch } = serving();
    const { connection, session } = start({ session_id: "s" });
    const { sink } = watch({ sessionId: "s" });
    sink.backlog = 2 ** 20 + 1;
    session.said.next(stateOf("suspect"));
    session.said.next(stateOf("spoof"));
    assert.deepEqual(sink.types.slice(2), ["state", "error slow_reader"]);
    assert.equal(sink.closes[0]?.code, "slow_reader");
    assert.deepEqual(connection.types, ["ready", "state", "state"]);
  });

  it("finds a finished session for a minute", () => {
    const { clock, start, watch } = serving();
    start({ session_id: "s" }).connection.client.next({ type: "close" });
    assert.deepEqual(watch({ sessionId: "s" }).sink.types, ["ready", "state", "summary"]);
    assert.deepEqual(watch({ sessionId: "s" }).sink.closes, [undefined]);
    clock.advance(60_000);
    assert.throws(() => watch({ sessionId: "s" }), { code: "unknown_session" });
  });

  it("has room beside only so many others", () => {
    const { start, watch } = serving({ sessions: 1 });
    start({ session_id: "s" });
    const { stop } = watch({ sessionId: "s" });
    watch({ sessionId: "s" });
    assert.throws(() => watch({ sessionId: "s" }), { code: "at_capacity" });
    stop();
    watch({ sessionId: "s" });
  });
});

describe("a call's watcher", () => {
  it("sees sessions that run, that have ended and that join later, each numbered from 0", () => {
    const { start, watch } = serving();
    start({ session_id: "old", call_id: "c" }).connection.client.next({ type: "close" });
    const { session } = start({ session_id: "a", call_id: "c" });
    start({ session_id: "other", call_id: "d" });
    const { sink } = watch({ callId: "c" });
    session.said.next(scoreOf(0));
    const later = start({ session_id: "b", call_id: "c" });
    later.session.said.next(scoreOf(0));
    later.connection.client.next({ type: "close" });
    assert.deepEqual(told(sink), [
      ...["old 0 ready", "old 1 state", "old 2 summary", "a 0 ready", "a 1 state", "a 2 score"],
      ...["b 0 ready", "b 1 state", "b 2 score", "b 3 summary"],
    ]);
    assert.deepEqual(sink.closes, []);
  });

  it("is closed once nothing is known of the call", () => {
    const { clock, start, watch } = serving();
    const { connection } = start({ session_id: "a", call_id: "c" });
    const { sink } = watch({ callId: "c" });
    connection.client.next({ type: "close" });
    clock.advance(59_999);
    assert.deepEqual(sink.closes, []);
    clock.advance(1);
    assert.deepEqual(sink.closes, [undefined]);
    assert.throws(() => watch({ callId: "c" }), { code: "unknown_session" });
  });
});

describe("sessions that have ended", () => {
  it("are kept no more in number than may run", () => {
    const { host, start } = serving({ sessions: 3 });
    for (const id of ["a", "b", "c", "d", "e"]) {
      start({ session_id: id, call_id: "call" }).connection.client.next({ type: "close" });
    }
    assert.deepEqual(
      host.sessions("call").map(({ sessionId }) => sessionId),
      ["c", "d", "e"],
    );
    assert.deepEqual(host.sessions("other"), []);
  });
});
