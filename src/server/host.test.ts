import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Observable, Subject } from "rxjs";
import type { FakeSink } from "../../test/support/fake-connection.ts";
import { FakeConnection } from "../../test/support/fake-connection.ts";
import { fakeHost } from "../../test/support/fake-host.ts";
import { fakeDetector, fakeSpec } from "../../test/support/fakes.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { scripted } from "../../test/support/scripted-session.ts";
import { Fault } from "../stream/errors.ts";
import type { Decoder } from "../stream/ports.ts";
import type { Session } from "../stream/session.ts";
import type { EventBody } from "../stream/events.ts";
import { hertz, millis } from "../stream/units.ts";
import { PeerLost } from "./connection.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A connection that has said `start`. */
function started(said: Record<string, unknown> = {}, options: Partial<Parameters<typeof fakeHost>[0]> = {}) {
  const clock = new ManualClock();
  const made = fakeHost({ clock, ...options });
  const connection = new FakeConnection();
  made.host.accept(connection);
  connection.start(said);
  return { clock, connection, ...made };
}

const faultOf = (connection: FakeSink): string | undefined => connection.closes[0]?.code;

describe("a connection's order of messages", () => {
  it("says ready first, with the model, the limits and the detection in force", () => {
    const { connection } = started({ call_id: "call", metadata: { leg: "b" }, detection: { hop_ms: 500 } });
    const [ready] = connection.of("ready");
    assert.equal(connection.events[0], ready);
    assert.equal(ready?.seq, 0);
    assert.equal(ready.callId, "call");
    assert.deepEqual(ready.metadata, { leg: "b" });
    assert.equal(ready.model.id, "fake");
    assert.equal(ready.detection.hopMs, 500);
    assert.equal(ready.detection.minSpeechMs, 2000);
    assert.equal(ready.detection.windowMs, 4000);
    assert.equal(ready.limits["max_ahead_ms"], 5000);
    assert.match(ready.sessionId, /^[0-9a-f-]{36}$/);
    assert.match(ready.startedAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it("warns of a model without calibration, and says so at the end again", async () => {
    for (const calibrationId of [undefined, "calls-1"]) {
      const detector = fakeDetector(() => 0, fakeSpec({ calibrationId }));
      const { connection } = started({}, { detector });
      assert.deepEqual(connection.types.slice(1), calibrationId ? [] : ["warning uncalibrated_model"]);
      connection.client.next({ type: "close" });
      await turn();
      assert.equal(connection.of("summary")[0]?.calibrationId, calibrationId ?? null);
    }
  });

  it("refuses audio before start", () => {
    const { host } = fakeHost({ clock: new ManualClock() });
    const connection = new FakeConnection();
    host.accept(connection);
    connection.audio(1);
    assert.deepEqual(connection.types, ["error audio_before_start"]);
    assert.equal(faultOf(connection), "audio_before_start");
    assert.equal(connection.listening, false);
  });

  it("refuses another message before start", () => {
    const { host } = fakeHost({ clock: new ManualClock() });
    const connection = new FakeConnection();
    host.accept(connection);
    connection.client.next({ type: "keep_alive" });
    assert.equal(faultOf(connection), "bad_message");
    assert.equal(connection.of("error")[0]?.inReplyTo, "keep_alive");
  });

  it("refuses a second start, after the summary", () => {
    const { connection } = started();
    connection.start();
    assert.deepEqual(connection.types, ["ready", "summary", "error bad_message"]);
    assert.equal(connection.of("summary")[0]?.endedBy, "fault");
    assert.equal(faultOf(connection), "bad_message");
  });

  it("waits for start no longer than the limit", () => {
    const clock = new ManualClock();
    const { host } = fakeHost({ clock });
    const connection = new FakeConnection();
    host.accept(connection);
    clock.advance(4999);
    assert.equal(connection.closes.length, 0);
    clock.advance(1);
    assert.equal(faultOf(connection), "start_timeout");
  });

  it("ends with a summary and a clean close when the client closes", async () => {
    const { connection } = started();
    connection.audio(16_000);
    connection.client.next({ type: "close" });
    await turn();
    const [summary] = connection.of("summary");
    assert.equal(summary?.endedBy, "close");
    assert.equal(summary.channels[0]?.audioMs, 1000);
    assert.equal(connection.events.at(-1), summary);
    assert.deepEqual(connection.closes, [undefined]);
    assert.equal(connection.listening, false);
  });

  it("ends likewise when the messages complete", async () => {
    const { connection } = started();
    connection.client.complete();
    await turn();
    assert.equal(connection.of("summary")[0]?.endedBy, "close");
  });

  it("names the channel that an annotation may not mean", () => {
    const { connection } = started();
    connection.client.next({ type: "annotate", kind: "hold", channel: 1 });
    assert.equal(faultOf(connection), "bad_message");
    assert.deepEqual(connection.of("error")[0]?.details, { field: "channel" });
  });

  it("takes an audio message of no bytes for a sign of life, and for nothing else", () => {
    const { createSession, sessions } = scripted();
    const { connection, clock } = started({}, { parts: { createSession } });
    clock.advance(29_000);
    connection.audio(0);
    clock.advance(29_000);
    assert.equal(connection.closes.length, 0);
    assert.deepEqual(sessions[0]?.heard, []);
  });
});

describe("admission", () => {
  it("refuses a session above the limit and says when to try again", () => {
    const { host } = started({}, { limits: { sessions: 1 } });
    const second = new FakeConnection();
    host.accept(second);
    second.start();
    assert.equal(faultOf(second), "at_capacity");
    assert.equal(second.of("error")[0]?.retryAfterMs, 1000);
  });

  it("bounds connections that have not started", () => {
    const { host } = fakeHost({ clock: new ManualClock(), limits: { sessions: 2 } });
    const waiting = Array.from({ length: 5 }, () => new FakeConnection());
    for (const connection of waiting) host.accept(connection);
    assert.deepEqual(waiting.map(faultOf), [undefined, undefined, undefined, undefined, "at_capacity"]);
  });

  it("refuses the id of a running session, and takes that of a finished one", async () => {
    const { connection, host } = started({ session_id: "s" });
    const second = new FakeConnection();
    host.accept(second);
    second.start({ session_id: "s" });
    assert.equal(faultOf(second), "duplicate_session");
    assert.equal(second.of("error")[0]?.sessionId, "s");
    connection.client.next({ type: "close" });
    await turn();
    const third = new FakeConnection();
    host.accept(third);
    third.start({ session_id: "s" });
    assert.deepEqual(third.types, ["ready"]);
    assert.equal(host.session("s").summary, undefined);
  });

  it("refuses a model that is not served", () => {
    const { connection } = started({ detection: { model: "other" } });
    assert.equal(faultOf(connection), "unknown_model");
  });

  it("refuses thresholds that do not rise once the pack's are under them", () => {
    const { connection } = started({ detection: { thresholds: { suspect: 0.1 } } });
    assert.equal(faultOf(connection), "bad_message");
  });

  it("hides what broke, and logs it", () => {
    const { connection, logged } = started(
      {},
      {
        parts: {
          createDecoder: () => {
            throw new Error("the cause");
          },
        },
      },
    );
    assert.equal(connection.of("error")[0]?.message, "internal error");
    assert.equal(faultOf(connection), "internal");
    assert.match(logged.join(""), /the cause/);
  });
});

describe("a session's clocks", () => {
  it("ends an idle session after the idle time, counted from the last message", () => {
    const { connection, clock } = started();
    clock.advance(20_000);
    connection.client.next({ type: "keep_alive" });
    clock.advance(29_999);
    assert.equal(connection.closes.length, 0);
    clock.advance(1);
    assert.deepEqual(connection.types, ["ready", "summary", "error idle"]);
    assert.equal(connection.of("summary")[0]?.endedBy, "idle");
  });

  it("does not take a client for idle while it holds it back itself", () => {
    const { createSession, sessions } = scripted();
    const { connection, clock } = started({ pace: "file" }, { parts: { createSession } });
    sessions[0]?.parts.valve.pause();
    clock.advance(3_600_000);
    assert.deepEqual(connection.valveCalls, ["pause"]);
    assert.equal(connection.closes.length, 0);
    sessions[0]?.parts.valve.resume();
    clock.advance(29_999);
    assert.equal(connection.closes.length, 0);
    clock.advance(1);
    assert.equal(faultOf(connection), "idle");
  });

  it("warns a minute before the longest session and ends it then", () => {
    const { connection, clock } = started();
    const alive = () => {
      connection.client.next({ type: "keep_alive" });
    };
    for (let s = 0; s < 14_330; s += 10) {
      clock.advance(10_000);
      alive();
    }
    assert.deepEqual(connection.types, ["ready"]);
    clock.advance(10_000);
    alive();
    assert.deepEqual(connection.types, ["ready", "warning near_max_session"]);
    for (let s = 0; s < 60; s += 10) {
      alive();
      clock.advance(10_000);
    }
    assert.equal(connection.of("summary")[0]?.endedBy, "limit");
    assert.equal(faultOf(connection), "session_too_long");
  });

  it("refuses live audio that runs ahead of the clock, and says how far", () => {
    const { connection, clock } = started();
    connection.audio(5 * 16_000);
    assert.equal(connection.closes.length, 0);
    clock.advance(1000);
    connection.audio(16_000);
    assert.equal(connection.closes.length, 0);
    connection.audio(160);
    assert.equal(faultOf(connection), "too_fast");
    assert.deepEqual(connection.of("error")[0]?.details, { ahead_ms: 5010, limit_ms: 5000 });
    assert.equal(connection.of("summary")[0]?.channels[0]?.audioMs, 6010);
  });

  it("refuses a live gap that cannot have passed, before it is believed", () => {
    for (const message of [
      { type: "resume", gapMs: 5001 },
      { type: "annotate", kind: "gap", gapMs: 5001 },
    ] as const) {
      const { connection } = started();
      connection.client.next(message);
      assert.deepEqual(connection.types, ["ready", "summary", "error too_fast"]);
      assert.equal(connection.of("summary")[0]?.channels[0]?.gapMs, 0);
    }
  });

  it("lets a file run ahead", async () => {
    const { connection } = started({ pace: "file" });
    for (let s = 0; s < 60; s++) {
      connection.audio(16_000);
      await turn();
    }
    connection.client.next({ type: "close" });
    await turn();
    assert.equal(connection.of("summary")[0]?.channels[0]?.audioMs, 60_000);
  });

  it("leaves no timer behind", async () => {
    const { connection, clock } = started();
    connection.client.next({ type: "close" });
    await turn();
    clock.advance(60_000);
    assert.equal(clock.pending, 0);
  });
});

describe("a peer that is lost", () => {
  it("leaves its summary to be read for a minute, and no session", () => {
    const { connection, host, clock } = started({ session_id: "s" });
    connection.audio(16_000);
    connection.client.error(new PeerLost("gone"));
    assert.equal(host.session("s").summary?.endedBy, "peer_lost");
    assert.equal(connection.closes.length, 1);
    clock.advance(59_999);
    assert.equal(host.sessions().length, 1);
    clock.advance(1);
    assert.equal(host.sessions().length, 0);
    assert.throws(
      () => host.session("s"),
      new Fault("unknown_session", "no such session runs or has ended within the last minute"),
    );
  });

  it("frees the decoder exactly once, whatever else happens", () => {
    let closed = 0;
    const decoder: Decoder = {
      rate: hertz(16_000),
      push: () => {
        throw new Fault("undecodable_audio", "broken");
      },
      flush: () => [],
      close: () => {
        closed++;
      },
    };
    const { connection } = started({}, { parts: { createDecoder: () => decoder } });
    connection.audio(160);
    connection.client.error(new PeerLost("gone"));
    assert.equal(faultOf(connection), "undecodable_audio");
    assert.equal(closed, 1);
    assert.equal(connection.listening, false);
  });

  it("cancels what its session was doing", () => {
    const { createSession, sessions } = scripted();
    const { connection } = started({}, { parts: { createSession } });
    assert.equal(sessions[0]?.running, true);
    connection.client.error(new PeerLost("gone"));
    assert.equal(sessions[0].running, false);
  });

  it("does not cut short what it asked for with its close", () => {
    const said = new Subject<EventBody>();
    const session: Session = {
      events: said,
      tMediaMs: () => millis(0),
      paceMs: () => millis(0),
      channels: () => [],
    };
    const { connection, host } = started({ session_id: "s" }, { parts: { createSession: () => session } });
    connection.client.next({ type: "close" });
    connection.client.error(new PeerLost("gone"));
    assert.equal(host.session("s").summary, undefined);
    said.complete();
    assert.equal(host.session("s").summary?.endedBy, "close");
  });
});

describe("one session's fault", () => {
  it("does not touch the others", () => {
    const { connection, host } = started();
    const other = new FakeConnection();
    host.accept(other);
    other.start();
    connection.client.error(new Error("a bug in a transport"));
    assert.equal(faultOf(connection), "internal");
    other.audio(160);
    assert.deepEqual(other.types, ["ready"]);
  });

  it("is named when its events end by themselves", () => {
    const session: Session = {
      events: new Observable((s) => s.complete()),
      tMediaMs: () => millis(0),
      paceMs: () => millis(0),
      channels: () => [],
    };
    const { connection } = started({}, { parts: { createSession: () => session } });
    assert.deepEqual(connection.types, ["ready", "summary", "error internal"]);
  });
});

describe("draining", () => {
  it("refuses newcomers at once, warns the others, and ends who is left after the drain time", async () => {
    const { connection, host, clock } = started();
    const waiting = new FakeConnection();
    host.accept(waiting);
    const done = host.drain();
    assert.equal(host.accepting, false);
    assert.equal(faultOf(waiting), "draining");
    const late = new FakeConnection();
    host.accept(late);
    assert.equal(faultOf(late), "draining");
    assert.deepEqual(connection.types, ["ready", "warning draining"]);
    for (let s = 0; s < 29; s++) {
      clock.advance(1000);
      connection.client.next({ type: "keep_alive" });
    }
    assert.equal(connection.closes.length, 0);
    clock.advance(1000);
    await done;
    assert.deepEqual(connection.types.slice(2), ["summary", "error draining"]);
    assert.equal(connection.of("summary")[0]?.endedBy, "drain");
  });

  it("is over as soon as the last session is", async () => {
    const { connection, host } = started();
    const done = host.drain();
    connection.client.next({ type: "close" });
    await done;
    assert.deepEqual(connection.closes, [undefined]);
  });
});
