import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ProtoClient } from "./support/grpc-client.ts";
import { startServer, type RealServer } from "./support/server.ts";
import { bytesOf, llrsOf, loopedClip, ofType, sendAll, toS16 } from "./support/wire-audio.ts";
import { openLine, openWatcher, wires, type Event, type Line } from "./support/wire-line.ts";

type Watcher = Awaited<ReturnType<typeof openWatcher>>;

describe("a watcher", { timeout: 60_000 }, () => {
  let server: RealServer;
  let voice: Uint8Array;
  before(async () => {
    server = await startServer();
    voice = bytesOf(toS16(await loopedClip("machine_flite_slt.flac", 8)));
  });
  after(() => server.close());

  const begin = async (wire: Line["wire"], names: Event): Promise<Line> => {
    const line = await openLine(wire, server);
    line.start({ pace: "file", metadata: { desk: "seven" }, detection: { min_speech_ms: 1000 }, ...names });
    await line.event("ready");
    return line;
  };
  const speak = async (line: Line): Promise<void> => {
    sendAll(line, voice);
    line.close();
    assert.equal((await line.ended).reason, "");
  };
  /** Everything but the numbering, which is each reader's own. */
  const told = (events: readonly Event[]): unknown[] =>
    events
      .filter(({ type }) => type === "score" || type === "alert" || type === "gap" || type === "summary")
      .map(({ channel, index, t_media_ms, type }) => [type, t_media_ms, channel, index]);
  const watchAll = (target: { session_id: string } | { call_id: string }): Promise<Watcher[]> =>
    Promise.all(wires.map((wire) => openWatcher(wire, server, target)));

  for (const wire of wires) {
    it(`sees a session over ${wire} from either wire, from its ready to its summary`, async () => {
      const id = `seen-${wire}`;
      const line = await begin(wire, { session_id: id });
      const watchers = await watchAll({ session_id: id });
      await Promise.all(watchers.map((watcher) => watcher.event("state")));
      await speak(line);
      for (const watcher of watchers) {
        assert.equal((await watcher.ended).reason, "");
        assert.deepEqual([watcher.events[0]?.["type"], watcher.events[1]?.["type"]], ["ready", "state"]);
        assert.equal(watcher.events[0]?.["session_id"], id);
        assert.deepEqual(llrsOf(watcher.events), llrsOf(line.events));
        assert.ok(llrsOf(watcher.events).length >= 5);
        if (watcher.wire === wire) assert.deepEqual(told(watcher.events), told(line.events));
        assert.deepEqual(
          watcher.events.map(({ seq }) => Number(seq)),
          watcher.events.map((_, i) => i),
        );
      }
    });
  }

  it("sees every session of a call, also one that starts later", async (t) => {
    const first = await begin("websocket", { session_id: "leg-1", call_id: "call-9" });
    const watchers = await watchAll({ call_id: "call-9" });
    t.after(() => {
      for (const watcher of watchers) watcher.destroy();
    });
    await Promise.all(watchers.map((watcher) => watcher.event("ready")));
    const second = await begin("grpc", { session_id: "leg-2", call_id: "call-9" });
    const other = await begin("grpc", { session_id: "leg-3", call_id: "call-10" });
    await Promise.all([first, second, other].map(speak));
    for (const watcher of watchers) {
      for (const [leg, line] of Object.entries({ "leg-1": first, "leg-2": second })) {
        await watcher.event("summary", ({ session_id }) => session_id === leg);
        const own = watcher.events.filter(({ session_id }) => session_id === leg);
        assert.equal(own[0]?.["type"], "ready");
        assert.deepEqual(llrsOf(own), llrsOf(line.events));
        assert.deepEqual(
          own.map(({ seq }) => Number(seq)),
          own.map((_, i) => i),
        );
      }
      assert.ok(watcher.events.every(({ session_id }) => session_id !== "leg-3"));
    }
  });

  it("can still read a session that has ended, on every wire and at every door", async () => {
    const line = await begin("grpc", { session_id: "over", call_id: "call-over" });
    await speak(line);
    for (const target of [{ session_id: "over" }, { call_id: "call-over" }]) {
      for (const watcher of await watchAll(target)) {
        const summary = await watcher.event("summary");
        assert.equal(summary["ended_by"], "close");
        assert.deepEqual(
          watcher.events.map(({ type }) => type),
          ["ready", "state", "summary"],
        );
        // A call may have more sessions yet; of one session everything has been said.
        if ("session_id" in target) assert.equal((await watcher.ended).reason, "");
        else watcher.destroy();
      }
    }
    // Its shape is the subject of other tests.
    const seen = (await (await fetch(`${server.http}/v1/sessions/over`)).json()) as Event;
    assert.deepEqual([seen["ended"], seen["ended_by"], seen["transport"]], [true, "close", "grpc"]);
    assert.deepEqual(seen["metadata"], { desk: "seven" });
    const client = new ProtoClient(server.grpc);
    const session = await client.call("GetSession", { session_id: "over" });
    assert.deepEqual([session["ended"], session["ended_by"]], [true, "ENDED_BY_CLOSE"]);
    const { sessions } = await client.call("ListSessions", { call_id: "call-over" });
    assert.equal(Array.isArray(sessions) ? sessions.length : 0, 1);
    client.close();
  });

  it("that leaves, or does not read, costs the session nothing", async () => {
    const line = await begin("websocket", { session_id: "calm" });
    const [one, two] = await watchAll({ session_id: "calm" });
    assert.ok(one && two);
    await Promise.all([one.event("ready"), two.event("ready")]);
    sendAll(line, voice.subarray(0, voice.length / 2));
    await line.event("score");
    one.destroy();
    two.destroy();
    sendAll(line, voice.subarray(voice.length / 2));
    line.close();
    assert.equal((await line.ended).code, 1000);
    assert.ok(ofType(line.events, "score").length >= 5);
  });
});
