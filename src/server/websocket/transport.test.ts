import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import type { TestClient } from "../../../test/support/fake-server.ts";
import { connect, fakeServer, pcm16k, refusal } from "../../../test/support/fake-server.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { scoreOf, scripted, stateOf } from "../../../test/support/scripted-session.ts";

describe("a WebSocket session", () => {
  it("answers start with ready, audio with events in snake_case, close with a summary and 1000", async (t) => {
    const { ws } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ pace: "file", call_id: "c", metadata: { camelCase: 1 } });
    for (let s = 0; s < 6; s++) client.socket.send(new Uint8Array(32_000));
    client.say({ type: "close" });
    assert.deepEqual(await client.closed, { code: 1000, reason: "" });
    const [ready] = client.events;
    assert.deepEqual(client.types.slice(0, 1), ["ready"]);
    assert.equal(client.types.at(-1), "summary");
    assert.deepEqual(
      client.events.map(({ seq }) => seq),
      client.events.map((_, i) => i),
    );
    assert.ok(client.events.every((event) => event["session_id"] === ready?.["session_id"]));
    assert.deepEqual(ready?.["metadata"], { camelCase: 1 });
    assert.deepEqual(ready["audio"], { ...pcm16k, framing: "raw", channel_labels: ["channel 0"] });
    const score = await client.event("score");
    assert.deepEqual(Object.keys(score).sort(), [
      ...["channel", "index", "latency_ms", "llr", "p_spoof", "provisional", "quality", "reason", "rolling"],
      ...["seq", "session_id", "speech_ms", "t_media_ms", "type", "verdict", "window"],
    ]);
    assert.deepEqual(Object.keys(ready["detection"] ?? {}).sort(), [
      ...["half_life_s", "hop_ms", "llr_bound", "min_speech_ms", "prior", "thresholds", "window_ms"],
    ]);
  });

  it("takes other services' words for its own", async (t) => {
    const { ws } = await fakeServer(t);
    for (const last of ["CloseStream", "Terminate"]) {
      const client = await connect(t, `${ws}/v1/stream`);
      client.start();
      client.say({ type: "KeepAlive" });
      client.say({ type: "Finalize" });
      client.say({ type: last });
      assert.equal((await client.closed).code, 1000);
    }
  });

  const wrong: readonly (readonly [string, unknown, number, string])[] = [
    ["text that is not JSON", "{", 4400, "BAD_MESSAGE"],
    ["JSON that is not an object", "7", 4400, "BAD_MESSAGE"],
    ["a type that does not exist", { type: "hello" }, 4400, "BAD_MESSAGE"],
    ["a type of an object's prototype", { type: "constructor" }, 4400, "BAD_MESSAGE"],
    ["another first message", { type: "finalize" }, 4400, "BAD_MESSAGE"],
    ["a start without audio", { type: "start" }, 4400, "BAD_MESSAGE"],
    ["an unknown version", { type: "start", version: 2, audio: pcm16k }, 4400, "BAD_MESSAGE"],
    ["deep nesting", `{"type":"start","metadata":${"[".repeat(60_000)}`, 4400, "BAD_MESSAGE"],
    [
      "an encoding to come",
      { type: "start", audio: { ...pcm16k, encoding: "webm_opus" } },
      4415,
      "UNSUPPORTED_AUDIO",
    ],
    ["3 GHz", { type: "start", audio: { ...pcm16k, sample_rate: 3e9 } }, 4415, "UNSUPPORTED_AUDIO"],
    ["three channels", { type: "start", audio: { ...pcm16k, channels: 3 } }, 4415, "UNSUPPORTED_AUDIO"],
    ["resumption", { type: "start", audio: pcm16k, resume: { token: "t" } }, 4415, "UNIMPLEMENTED"],
    [
      "a model that is not served",
      { type: "start", audio: pcm16k, detection: { model: "x" } },
      4404,
      "UNKNOWN_MODEL",
    ],
  ];
  for (const [what, message, code, reason] of wrong) {
    it(`refuses ${what}`, async (t) => {
      const { ws } = await fakeServer(t);
      const client = await connect(t, `${ws}/v1/stream`);
      client.say(message);
      assert.deepEqual(await client.closed, { code, reason });
      assert.deepEqual(client.types, ["error"]);
      assert.equal(client.events[0]?.["code"], reason.toLowerCase());
    });
  }

  it("refuses audio before start", async (t) => {
    const { ws } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`);
    client.socket.send(new Uint8Array(2));
    assert.deepEqual(await client.closed, { code: 4412, reason: "AUDIO_BEFORE_START" });
  });

  it("closes with 1009 above 64 KiB, and keeps the summary for others", async (t) => {
    const { ws, host } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ session_id: "big" });
    await client.event("ready");
    client.socket.send(new Uint8Array(65_537));
    assert.equal((await client.closed).code, 1009);
    assert.equal(host.session("big").summary?.endedBy, "fault");
  });

  it("takes 64 KiB, and audio in pieces of one byte", async (t) => {
    const { ws } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`);
    client.start();
    client.socket.send(new Uint8Array(65_536));
    for (let i = 0; i < 64; i++) client.socket.send(new Uint8Array(1));
    client.socket.send(new Uint8Array(0));
    client.say({ type: "close" });
    assert.equal((await client.closed).code, 1000);
    const [channel] = (await client.event("summary"))["channels"] as { audio_ms: number }[];
    assert.equal(channel?.audio_ms, 2050);
  });

  it("counts a socket that breaks as a lost peer, and one that closes as a close", async (t) => {
    const { ws, host } = await fakeServer(t);
    const endings = [
      ["lost", (client: TestClient) => client.socket.terminate(), "peer_lost"],
      ["left", (client: TestClient) => client.socket.close(1000), "close"],
      ["away", (client: TestClient) => client.socket.close(1001), "peer_lost"],
    ] as const;
    for (const [id, leave, endedBy] of endings) {
      const client = await connect(t, `${ws}/v1/stream`);
      client.start({ session_id: id });
      await client.event("ready");
      const watcher = await connect(t, `${ws}/v1/sessions/${id}/events`);
      await watcher.event("state");
      leave(client);
      assert.equal((await watcher.event("summary"))["ended_by"], endedBy);
      assert.equal((await watcher.closed).code, 1000);
      assert.equal(host.session(id).summary?.endedBy, endedBy);
    }
  });

  it("ends with 1012 when the server stops, after the summary", async (t) => {
    const { ws, host } = await fakeServer(t, { limits: { drainMs: 0 } });
    const client = await connect(t, `${ws}/v1/stream`);
    client.start();
    await client.event("ready");
    await host.drain();
    assert.deepEqual(await client.closed, { code: 1012, reason: "DRAINING" });
    assert.deepEqual(client.types, ["ready", "warning", "summary", "error"]);
  });

  it("is refused with 1013 when there is no room", async (t) => {
    const { ws } = await fakeServer(t, { limits: { sessions: 1 } });
    const first = await connect(t, `${ws}/v1/stream`);
    first.start();
    await first.event("ready");
    const second = await connect(t, `${ws}/v1/stream`);
    second.start();
    assert.deepEqual(await second.closed, { code: 1013, reason: "AT_CAPACITY" });
    assert.equal(second.events[0]?.["retry_after_ms"], 1000);
  });
});

describe("the WebSocket upgrade", () => {
  it("answers with its own subprotocol and never with a token", async (t) => {
    const { ws } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`, ["earwitness.bearer.c2VjcmV0", "earwitness.v1"]);
    assert.equal(client.socket.protocol, "earwitness.v1");
    const bare = await connect(t, `${ws}/v1/stream`, []);
    assert.equal(bare.socket.protocol, "");
  });

  it("refuses clients that offer only other subprotocols, unknown paths and foreign pages", async (t) => {
    const { ws } = await fakeServer(t, { allowedOrigins: ["https://phone.example"] });
    const { status, body } = await refusal(`${ws}/v1/stream`, ["earwitness.bearer.c2VjcmV0"]);
    assert.equal(status, 400);
    assert.doesNotMatch(body, /c2VjcmV0/);
    assert.equal((await refusal(`${ws}/v2/stream`)).status, 404);
    assert.equal((await refusal(`${ws}/v1/sessions/%E0%A4%A/events`)).status, 400);
    const foreign = await refusal(`${ws}/v1/stream`, [], { origin: "https://evil.example" });
    assert.equal(foreign.status, 403);
    await connect(t, `${ws}/v1/stream`, [], { origin: "https://phone.example" });
    await connect(t, `${ws}/v1/stream`, [], { origin: ws.replace("ws", "http") });
  });

  it("does not compress", async (t) => {
    const { ws } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`, [], { perMessageDeflate: true });
    assert.equal(client.socket.extensions, "");
  });
});

describe("pings", () => {
  it("end a peer that misses two, and nobody else", async (t) => {
    const clock = new ManualClock();
    const { ws } = await fakeServer(t, { clock, limits: { idleMs: 3_600_000 } });
    const silent = await connect(t, `${ws}/v1/stream`, [], { autoPong: false });
    const alive = await connect(t, `${ws}/v1/stream`);
    for (const client of [silent, alive]) {
      client.start();
      await client.event("ready");
    }
    for (let i = 0; i < 2; i++) {
      const pings = [once(silent.socket, "ping"), once(alive.socket, "ping")];
      clock.advance(20_000);
      await Promise.all(pings);
      await turnOf(alive);
    }
    clock.advance(20_000);
    assert.equal((await silent.closed).code, 1006);
    assert.equal(alive.socket.readyState, alive.socket.OPEN);
  });
});

describe("watching", () => {
  it("gives ready and the states first, then what happens, then closes after the summary", async (t) => {
    const { createSession, sessions } = scripted();
    const { ws } = await fakeServer(t, { parts: { createSession } });
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ session_id: "s" });
    await client.event("ready");
    sessions[0]?.said.next(stateOf("suspect"));
    const watcher = await connect(t, `${ws}/v1/sessions/s/events`);
    await watcher.event("ready");
    sessions[0]?.said.next(scoreOf(1));
    client.say({ type: "close" });
    assert.equal((await watcher.closed).code, 1000);
    assert.deepEqual(
      watcher.events.map(({ type, seq }) => [type, seq]),
      [
        ["ready", 0],
        ["state", 1],
        ["score", 2],
        ["summary", 3],
      ],
    );
    const late = await connect(t, `${ws}/v1/sessions/s/events`);
    assert.equal((await late.closed).code, 1000);
    assert.deepEqual(late.types, ["ready", "state", "summary"]);
    assert.deepEqual([late.events[1]?.["from"], late.events[1]?.["to"]], ["undecided", "suspect"]);
  });

  it("of an unknown session or call ends with 4404", async (t) => {
    const { ws } = await fakeServer(t);
    for (const path of ["sessions/none/events", "calls/none/events"]) {
      const watcher = await connect(t, `${ws}/v1/${path}`);
      assert.deepEqual(await watcher.closed, { code: 4404, reason: "UNKNOWN_SESSION" });
    }
  });
});

/** Until the server has read what this client said before. */
async function turnOf(client: TestClient): Promise<void> {
  const pong = once(client.socket, "pong");
  client.socket.ping();
  await pong;
}
