import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { describe, it } from "node:test";
import { connect, fakeServer } from "../../../test/support/fake-server.ts";

type Json = Record<string, unknown>;
// What the server answers is the subject of the tests.
const json = async (response: Response): Promise<Json> => (await response.json()) as Json;

describe("the HTTP doors", () => {
  it("list sessions, by call too, and give one", async (t) => {
    const { url, ws } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ session_id: "a:1", call_id: "c", metadata: { keepThis: true } });
    await client.event("ready");
    const session = await json(await fetch(`${url}/v1/sessions/a:1`));
    assert.equal(session["session_id"], "a:1");
    assert.equal(session["transport"], "websocket");
    assert.equal(session["ended"], false);
    assert.deepEqual(session["metadata"], { keepThis: true });
    assert.equal((session["audio"] as Json)["sample_rate"], 16_000);
    assert.deepEqual(await json(await fetch(`${url}/v1/sessions/a%3A1`)), session);
    assert.deepEqual(await json(await fetch(`${url}/v1/sessions?call_id=c`)), { sessions: [session] });
    assert.deepEqual(await json(await fetch(`${url}/v1/sessions?call_id=d`)), { sessions: [] });
    client.say({ type: "close" });
    await client.closed;
    const ended = await json(await fetch(`${url}/v1/sessions/a:1`));
    assert.deepEqual([ended["ended"], ended["ended_by"]], [true, "close"]);
  });

  it("list the models", async (t) => {
    const { url } = await fakeServer(t);
    const { models } = (await json(await fetch(`${url}/v1/models`))) as { models: Json[] };
    assert.equal(models.length, 1);
    assert.equal(models[0]?.["id"], "fake");
    assert.equal(models[0]["provider"], "cpu");
    assert.equal(models[0]["default"], true);
  });

  it("are ready until the server drains, and healthy still", async (t) => {
    const { url, host } = await fakeServer(t);
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    await host.drain();
    const response = await fetch(`${url}/readyz`);
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal((await json(response))["code"], "draining");
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  });

  it("name what is not there and what cannot be done", async (t) => {
    const { url } = await fakeServer(t);
    const unknown = await fetch(`${url}/v1/sessions/none`);
    assert.equal(unknown.status, 404);
    const { code, message, retryable } = await json(unknown);
    assert.deepEqual([code, retryable, typeof message], ["unknown_session", false, "string"]);
    assert.equal((await fetch(`${url}/package.json`)).status, 404);
    assert.equal((await fetch(`${url}/%2e%2e/package.json`)).status, 404);
    assert.equal((await fetch(`${url}/v1/sessions/%E0%A4%A`)).status, 400);
    const method = await fetch(`${url}/v1/models`, { method: "DELETE" });
    assert.equal(method.status, 405);
    assert.equal(method.headers.get("allow"), "GET");
    assert.equal((await fetch(`${url}/healthz`, { method: "HEAD" })).status, 200);
  });

  it("answer who offers another protocol as if it had not, again on the same connection", async (t) => {
    const { url } = await fakeServer(t);
    const { hostname, port } = new URL(url);
    const socket = connectTcp(Number(port), hostname);
    t.after(() => socket.destroy());
    const upgrade = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    const asked = [
      `POST /v1/detect?encoding=pcm_mulaw&sample_rate=8000 HTTP/1.1\r\nhost: a\r\n${upgrade}content-length: 800\r\n\r\n`,
      `GET /healthz HTTP/1.1\r\nhost: a\r\n${upgrade}\r\n`,
    ] as const;
    socket.write(asked[0]);
    socket.write(Buffer.alloc(800, 0xff));
    let answer = "";
    socket.on("data", (bytes: Buffer) => (answer += bytes.toString()));
    while (!answer.includes('"channels"')) await once(socket, "data");
    assert.match(answer, /^HTTP\/1.1 200 /);
    socket.write(asked[1]);
    while (!answer.includes('"status":"ok"')) await once(socket, "data");
  });

  it("serve the page under a policy that loads nothing from elsewhere", async (t) => {
    const { url } = await fakeServer(t);
    const response = await fetch(url);
    assert.match(await response.text(), /^<!doctype html>/);
    assert.match(
      response.headers.get("content-security-policy") ?? "",
      /^default-src 'none'; script-src 'self';/,
    );
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  });

  it("count what happened", async (t) => {
    const { url, ws } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ pace: "file", detection: { min_speech_ms: 0 } });
    for (let s = 0; s < 6; s++) client.socket.send(new Uint8Array(32_000));
    client.say({ type: "close" });
    await client.closed;
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(metrics, /earwitness_sessions_opened_total\{transport="websocket"\} 1/);
    assert.match(metrics, /earwitness_sessions_ended_total\{transport="websocket",ended_by="close"\} 1/);
    assert.match(metrics, /earwitness_windows_total\{outcome="undecided"\} [1-9]/);
    assert.match(metrics, /earwitness_event_loop_delay_seconds\{quantile="0.99"\}/);
    assert.match(metrics, /earwitness_limit\{name="max_ahead_ms"\} 5000/);
  });
});

describe("POST /v1/detect", () => {
  const post = (url: string, query: string, body: Uint8Array) =>
    fetch(`${url}/v1/detect${query}`, { method: "POST", body });

  it("scores a container and bare samples alike", async (t) => {
    const { url } = await fakeServer(t);
    const container = await json(await post(url, "", new Uint8Array(5 * 16_000)));
    assert.equal(container["model"], "fake");
    const bare = await json(
      await post(url, "?encoding=pcm_s16le&sample_rate=16000", new Uint8Array(10 * 16_000)),
    );
    assert.deepEqual(bare, container);
    const [channel] = container["channels"] as (Json & { windows: Json[] })[];
    assert.deepEqual(Object.keys(channel ?? {}).sort(), [
      ...["channel", "llr", "p_spoof", "reason", "speech_ms", "state", "windows"],
    ]);
    assert.deepEqual(Object.keys(channel?.windows[0] ?? {}).sort(), [
      ...["end_ms", "llr", "p_spoof", "reason", "speech_ms", "start_ms", "verdict"],
    ]);
  });

  it("keeps what is not a number in its place, in either channel", async (t) => {
    const { url } = await fakeServer(t);
    for (const channel of [0, 1]) {
      const interleaved = new Float32Array(2 * 5 * 16_000).fill(0.1);
      interleaved.fill(NaN, 32_000 + channel, 32_001 + channel);
      const query = "?encoding=pcm_f32le&sample_rate=16000&channels=2";
      const response = await post(url, query, new Uint8Array(interleaved.buffer));
      assert.equal(response.status, 200);
      const { channels } = (await json(response)) as { channels: { windows: Json[] }[] };
      assert.deepEqual(
        channels.map(({ windows }) => windows.at(-1)?.["end_ms"]),
        [5000, 5000],
      );
    }
  });

  it("refuses what it cannot take, by name", async (t) => {
    const { url } = await fakeServer(t, { limits: { recordingMs: 1000, recordingBytes: 200_000 } });
    const bytes = new Uint8Array(1600);
    const cases = [
      ["", new Uint8Array(0), 400, "bad_message"],
      ["?hop_ms=1", bytes, 400, "bad_message"],
      ["?hop_ms=fast", bytes, 400, "bad_message"],
      ["?encoding=pcm_s16le", bytes, 400, "bad_message"],
      ["?encoding=pcm_s16le&sample_rate=3e9", bytes, 415, "unsupported_audio"],
      ["?encoding=opus&sample_rate=48000", bytes, 415, "unsupported_audio"],
      ["?model=other", bytes, 404, "unknown_model"],
      ["?encoding=pcm_mulaw&sample_rate=8000", new Uint8Array(100_000), 413, "message_too_large"],
      ["", new Uint8Array(200_001), 413, "message_too_large"],
    ] as const;
    for (const [query, body, status, code] of cases) {
      const response = await post(url, query, body);
      assert.equal(response.status, status, query);
      assert.equal((await json(response))["code"], code, query);
    }
  });

  it("refuses a body that is too large before it has come", async (t) => {
    const { url } = await fakeServer(t);
    const { hostname, port } = new URL(url);
    const declared = "content-length: 16777217\r\n\r\n";
    const chunked = `transfer-encoding: chunked\r\n\r\n${(17 << 20).toString(16)}\r\n`;
    for (const [headers, sends] of [
      [declared, 0],
      [chunked, 17 << 20],
    ] as const) {
      const socket = connectTcp(Number(port), hostname);
      t.after(() => socket.destroy());
      socket.on("error", () => undefined);
      socket.write(`POST /v1/detect HTTP/1.1\r\nhost: a\r\n${headers}`);
      if (sends > 0) socket.write(Buffer.alloc(sends));
      const [first] = (await once(socket, "data")) as [Buffer];
      assert.match(first.toString(), /^HTTP\/1.1 413 /);
      assert.match(first.toString(), /connection: close/i);
    }
  });

  it("takes nobody who leaves for a bug", async (t) => {
    const { url, logged } = await fakeServer(t);
    const { hostname, port } = new URL(url);
    for (let i = 0; i < 5; i++) {
      const socket = connectTcp(Number(port), hostname);
      socket.write("POST /v1/detect HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nsome");
      await once(socket, "connect");
      await fetch(`${url}/healthz`);
      socket.destroy();
    }
    for (let i = 0; i < 5; i++) await fetch(`${url}/healthz`);
    assert.deepEqual(logged, []);
  });

  it("bounds bodies that are still coming", async (t) => {
    const { url } = await fakeServer(t);
    const { hostname, port } = new URL(url);
    for (let i = 0; i < 16; i++) {
      const socket = connectTcp(Number(port), hostname);
      t.after(() => socket.destroy());
      socket.on("error", () => undefined);
      socket.write(
        "POST /v1/detect HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n",
      );
      // Node says so just before the request is served.
      await once(socket, "data");
    }
    const refused = await post(url, "", new Uint8Array(160));
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  });

  it("takes a few at a time", async (t) => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { url, host } = await fakeServer(t, { detectRecording: () => gate.then(() => []) });
    const results = Array.from({ length: 5 }, () => post(url, "", new Uint8Array(160)));
    const refused = await Promise.race(results);
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "1");
    release();
    const statuses = (await Promise.all(results)).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [200, 200, 200, 200, 503]);
    await host.drain();
    assert.equal((await post(url, "", new Uint8Array(160))).status, 503);
  });
});
