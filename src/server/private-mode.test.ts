import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { codeMessage, codesSpec, codesStart } from "../../test/support/code-windows.ts";
import { FakeConnection, FakeSink } from "../../test/support/fake-connection.ts";
import { fakeHost } from "../../test/support/fake-host.ts";
import { fakeDetector, fakeSpec } from "../../test/support/fakes.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A connection that has said `start` with codes, at a server whose sessions fail if they decode. */
function started(said: Record<string, unknown> = {}, spec = codesSpec({ seed: 7 })) {
  const clock = new ManualClock();
  const detector = fakeDetector(({ codes }) => codes?.[0] ?? NaN, spec);
  const made = fakeHost({
    ...{ clock, detector },
    parts: { createDecoder: () => assert.fail("a decoder was made") },
  });
  const connection = new FakeConnection();
  made.host.accept(connection);
  connection.start({ ...codesStart, ...said });
  return { clock, connection, detector, ...made };
}

const send = (connection: FakeConnection, chunk: Uint8Array) =>
  connection.client.next({ type: "audio", chunk });

describe("a session in private mode", () => {
  it("scores windows without a decoder, and says first that it did not measure speech itself", async () => {
    const { connection, detector } = started({ pace: "file" });
    for (let index = 0; index < 3; index++) send(connection, codeMessage(index));
    connection.client.next({ type: "close" });
    await turn();
    assert.deepEqual(connection.types, [
      ...["ready", "warning client_speech_measure", "score", "score", "score", "summary"],
    ]);
    assert.deepEqual(
      connection.of("score").map(({ llr }) => llr),
      [0, 1, 2],
    );
    assert.ok(detector.seen.every(({ samples }) => samples.length === 0));
    assert.equal(connection.of("ready")[0]?.audio.encoding, "safeear_codes");
  });

  it("warns of a model without calibration as well", () => {
    const { connection } = started({}, codesSpec({ calibrationId: undefined }));
    assert.deepEqual(connection.types.slice(1), [
      "warning client_speech_measure",
      "warning uncalibrated_model",
    ]);
  });

  it("can be watched, and names no seed: the client shuffled", async () => {
    const { connection, host } = started({ session_id: "p" });
    const sink = new FakeSink();
    host.watch({ kind: "session", sessionId: "p" }, sink);
    send(connection, codeMessage(0));
    await turn();
    connection.client.next({ type: "close" });
    await turn();
    assert.deepEqual(sink.types, ["ready", "state", "score", "summary"]);
    for (const event of [...connection.events, ...sink.events]) assert.ok(!("seed" in event), event.type);
  });

  it("is refused by a model that takes no codes", () => {
    const { connection } = started({}, fakeSpec());
    assert.deepEqual(connection.types, ["error unsupported_audio"]);
    const [error] = connection.of("error");
    assert.deepEqual([error?.details?.["field"], error?.inReplyTo], ["audio.encoding", "start"]);
  });

  it("ends by a fault of its own for a broken window, and another session goes on", async () => {
    const { connection, host } = started({ pace: "file" });
    const other = new FakeConnection();
    host.accept(other);
    other.start(codesStart);
    send(connection, codeMessage(1));
    send(connection, codeMessage(1));
    send(other, codeMessage(0));
    await turn();
    assert.deepEqual(connection.types.slice(-2), ["summary", "error bad_message"]);
    assert.deepEqual(connection.of("error")[0]?.details, { field: "index", value: 1 });
    assert.equal(other.types.at(-1), "score");
  });

  it("is too fast where windows begin too far ahead, or come faster than the shortest hop", () => {
    const ahead = started().connection;
    send(ahead, codeMessage(0, { start: 80_000 }));
    assert.equal(ahead.closes.length, 0);
    send(ahead, codeMessage(1, { start: 80_016 }));
    assert.equal(ahead.types.at(-1), "error too_fast");
    const { clock, connection } = started();
    clock.advance(1000);
    for (let index = 0; index < 24; index++) send(connection, codeMessage(index, { start: index }));
    assert.equal(connection.closes.length, 0);
    send(connection, codeMessage(24, { start: 24 }));
    assert.equal(connection.types.at(-1), "error too_fast");
  });

  it("ends when nothing comes any more, and takes keep_alive for a sign of life", async () => {
    const { clock, connection } = started();
    clock.advance(29_999);
    connection.client.next({ type: "keep_alive" });
    clock.advance(29_999);
    assert.equal(connection.closes.length, 0);
    clock.advance(1);
    await turn();
    assert.deepEqual(connection.types.slice(-2), ["summary", "error idle"]);
  });
});

describe("a model that shuffles by a seed", () => {
  it("names it in ready, in the summary and with a recording", async () => {
    const clock = new ManualClock();
    const { host } = fakeHost({ clock, detector: fakeDetector(() => 1, codesSpec({ seed: 0 })) });
    const connection = new FakeConnection();
    host.accept(connection);
    connection.start();
    connection.client.next({ type: "close" });
    await turn();
    assert.deepEqual(
      connection.events.map((event) => [event.type, "seed" in event ? event.seed : undefined]),
      [
        ["ready", 0],
        ["summary", 0],
      ],
    );
    const recording = { content: new Uint8Array(32) };
    const { seed } = await host.detect(recording, {}, new AbortController().signal);
    assert.equal(seed, 0);
  });

  it("and no other, names one", async () => {
    const clock = new ManualClock();
    const { host } = fakeHost({ clock, detector: fakeDetector(() => 1, codesSpec()) });
    const connection = new FakeConnection();
    host.accept(connection);
    connection.start();
    connection.client.next({ type: "close" });
    await turn();
    for (const event of connection.events) assert.ok(!("seed" in event), event.type);
    const recording = { content: new Uint8Array(32) };
    assert.ok(!("seed" in (await host.detect(recording, {}, new AbortController().signal))));
  });
});
