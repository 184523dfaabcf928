import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { encodeAlaw, encodeMulaw } from "../clients/node/g711-encode.ts";
import { createOpusEncoder } from "../clients/node/opus-encoder.ts";
import { readAudio } from "../src/codec/read-audio.ts";
import { readConfig } from "../src/server/config.ts";
import { createLog } from "../src/server/log.ts";
import { type RunningServer, serve } from "../src/server/serve.ts";
import { connect, type TestClient } from "./support/fake-server.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const clip = (name: string) => readFile(new URL(`fixtures/clips/${name}`, import.meta.url));

interface ChannelView {
  readonly state: string;
  readonly llr: number;
  readonly windows: readonly { readonly llr: number | null }[];
}

const logged: string[] = [];

function start(variables: Record<string, string> = {}): Promise<RunningServer> {
  const config = readConfig({
    ...{ EARWITNESS_PORT: "0", EARWITNESS_GRPC_PORT: "0", EARWITNESS_PROVIDERS: "cpu" },
    ...variables,
  });
  return serve(config, root, createLog("info", { write: (line: string) => void logged.push(line) }));
}

/** Samples in [-1, 1] as PCM s16le. */
const toS16 = (samples: Float32Array): Int16Array =>
  Int16Array.from(samples, (x) => Math.max(-32_768, Math.min(32_767, Math.round(x * 32_768))));

const bytesOf = (samples: Int16Array | Float32Array): Uint8Array =>
  new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);

/** The llr and state of a channel that must be there. */
function assertSame(actual: ChannelView | undefined, expected: ChannelView | undefined): void {
  assert.ok(actual && expected);
  assert.ok(Math.abs(actual.llr - expected.llr) < 1e-4);
  assert.equal(actual.state, expected.state);
}

/** Sends a chunk's worth at a time, cut at odd places. */
function sendRaw(client: TestClient, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 3333) client.socket.send(bytes.subarray(at, at + 3333));
}

const llrsIn = (channel: ChannelView | undefined) => channel?.windows.map(({ llr }) => llr) ?? [];

const llrsOf = (client: TestClient): unknown[] =>
  client.events.filter(({ type }) => type === "score").map(({ llr }) => llr);

function assertNear(actual: readonly unknown[], expected: readonly unknown[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  assert.ok(expected.length >= 3, "too few windows to compare");
  for (const [i, llr] of actual.entries()) {
    assert.ok(
      Math.abs(Number(llr) - Number(expected[i])) <= tolerance,
      `${String(llr)} ${String(expected[i])}`,
    );
  }
}

describe("the server with the default detector", () => {
  let server: RunningServer;
  let ws: string;
  before(async () => {
    server = await start();
    ws = `${server.httpUrl.replace("http", "ws")}/v1/stream`;
  });
  after(() => server.close());

  const detect = async (body: Uint8Array, query = ""): Promise<readonly ChannelView[]> => {
    const response = await fetch(`${server.httpUrl}/v1/detect${query}`, { method: "POST", body });
    assert.equal(response.status, 200);
    // The shape is what is being tested.
    return ((await response.json()) as { channels: readonly ChannelView[] }).channels;
  };

  it("gives one recording the same scores as raw s16, raw f32 and over HTTP", async (t) => {
    const file = await clip("machine_flite_slt.flac");
    const [reference] = await detect(file);
    const expected = llrsIn(reference);
    const [samples] = (await readAudio(file)).channels;
    assert.ok(samples);
    for (const [encoding, bytes] of [
      ["pcm_s16le", bytesOf(toS16(samples))],
      ["pcm_f32le", bytesOf(samples)],
    ] as const) {
      const client = await connect(t, ws);
      client.start({ pace: "file", audio: { encoding, sample_rate: 16_000, channels: 1 } });
      sendRaw(client, bytes);
      client.say({ type: "close" });
      assert.equal((await client.closed).code, 1000);
      assertNear(llrsOf(client), expected, 1e-4);
      const [channel] = (await client.event("summary"))["channels"] as ChannelView[];
      assertSame(channel, reference);
    }
    const [bare] = await detect(bytesOf(toS16(samples)), "?encoding=pcm_s16le&sample_rate=16000");
    assertNear(llrsIn(bare), expected, 1e-4);
  });

  it("scores mu-law, A-law and Opus", async (t) => {
    const [samples] = (await readAudio(await clip("human_lj.flac"))).channels;
    assert.ok(samples);
    const g711 = [
      ["pcm_mulaw", encodeMulaw(samples)],
      ["pcm_alaw", encodeAlaw(samples)],
    ] as const;
    for (const [encoding, bytes] of g711) {
      const client = await connect(t, ws);
      client.start({ pace: "file", audio: { encoding, sample_rate: 16_000, channels: 1 } });
      sendRaw(client, bytes);
      client.say({ type: "close" });
      assert.equal((await client.closed).code, 1000);
      assert.ok(llrsOf(client).every(Number.isFinite) && llrsOf(client).length > 0);
    }
    const encoder = await createOpusEncoder({ rate: 16_000, channels: 1, frameMs: 20 });
    const client = await connect(t, ws);
    client.start({ pace: "file", audio: { encoding: "opus", channels: 1 } });
    const pcm = toS16(samples);
    for (let at = 0; at + 320 <= pcm.length; at += 320)
      client.socket.send(encoder.encode(pcm.subarray(at, at + 320)));
    encoder.close();
    client.say({ type: "close" });
    assert.equal((await client.closed).code, 1000);
    const [channel] = (await client.event("summary"))["channels"] as { audio_ms: number; scored: number }[];
    assert.equal(channel?.audio_ms, Math.floor(pcm.length / 320) * 20);
    assert.ok(channel.scored > 0);
  });

  it("scores two channels on their own, and shows both to a watcher", async (t) => {
    const { rate, channels } = await readAudio(await clip("stereo_human_left_machine_right.wav"));
    const [left, right] = channels.map(toS16);
    assert.ok(left && right);
    const mixed = Int16Array.from({ length: 2 * left.length }, (_, i) => (i % 2 ? right : left)[i >> 1] ?? 0);
    const client = await connect(t, ws);
    client.start({
      ...{ pace: "file", session_id: "stereo", call_id: "call" },
      audio: { encoding: "pcm_s16le", sample_rate: rate, channels: 2, channel_labels: ["caller", "agent"] },
      detection: { min_speech_ms: 1000 },
    });
    await client.event("ready");
    const watcher = await connect(t, ws.replace("stream", "calls/call/events"));
    await watcher.event("state");
    sendRaw(client, bytesOf(mixed));
    client.say({ type: "close" });
    await client.closed;
    await watcher.event("summary");
    assert.deepEqual(llrsOf(watcher), llrsOf(client));
    const heard = client.events.filter(({ type }) => type === "score").map(({ channel }) => channel);
    assert.deepEqual([...new Set(heard)].sort(), [0, 1]);
    const [first, second] = (await client.event("summary"))["channels"] as ChannelView[];
    assert.notEqual(first?.llr, second?.llr);
  });

  it("survives NaN and infinite samples, and corrupt Opus, by name or as a gap", async (t) => {
    const client = await connect(t, ws);
    client.start({ pace: "file", audio: { encoding: "pcm_f32le", sample_rate: 16_000, channels: 1 } });
    const poison = Float32Array.from(
      { length: 80_000 },
      (_, i) => [NaN, Infinity, -Infinity, 0.5][i % 4] ?? 0,
    );
    sendRaw(client, bytesOf(poison));
    client.say({ type: "close" });
    await client.closed;
    assert.ok(llrsOf(client).every((llr) => llr === null || Number.isFinite(llr)));
    const opus = await connect(t, ws);
    opus.start({ pace: "file", audio: { encoding: "opus", channels: 1 } });
    for (let i = 0; i < 100; i++)
      opus.socket.send(Uint8Array.from({ length: 40 }, (_, k) => (k * 37 + i * 91) & 255));
    const { code } = await opus.closed;
    assert.ok(code === 4422 || code === 4400, String(code));
  });

  it("loses no session when a worker is killed", async (t) => {
    const [samples] = (await readAudio(await clip("machine_flite_slt.flac"))).channels;
    assert.ok(samples);
    const client = await connect(t, ws);
    client.start({ pace: "file" });
    sendRaw(client, bytesOf(toS16(samples)));
    await client.event("score");
    for (const pid of server.workerPids) process.kill(pid, "SIGKILL");
    for (let i = 0; i < 3; i++) sendRaw(client, bytesOf(toS16(samples)));
    client.say({ type: "close" });
    assert.equal((await client.closed).code, 1000);
    const [channel] = (await client.event("summary"))["channels"] as { scored: number; audio_ms: number }[];
    assert.ok((channel?.scored ?? 0) > 4);
    const metrics = await (await fetch(`${server.httpUrl}/metrics`)).text();
    assert.match(metrics, /earwitness_worker_restarts [1-9]/);
    assert.match(metrics, /earwitness_model_provider\{model="default",provider="cpu"\} 1/);
  });

  it("writes nothing of what it was told into its log", async (t) => {
    const client = await connect(t, ws);
    client.start({ metadata: { customer: "a-secret-name" }, session_id: "seen" });
    client.say({ type: "close" });
    await client.closed;
    const text = logged.join("");
    assert.match(text, /"sid":"seen"/);
    assert.doesNotMatch(text, /a-secret-name|127\.0\.0\.1/);
  });

  it("serves the page", async () => {
    for (const path of ["/", "/app.js", "/style.css", "/worklet.js"]) {
      assert.equal((await fetch(`${server.httpUrl}${path}`)).status, 200, path);
    }
  });
});

describe("a server that stops", () => {
  it("turns its readiness, warns, sums up, and leaves nothing running", async (t) => {
    const server = await start({ EARWITNESS_DRAIN_MS: "0" });
    const client = await connect(t, `${server.httpUrl.replace("http", "ws")}/v1/stream`);
    client.start();
    await client.event("ready");
    const pids = server.workerPids;
    const drained = server.drain();
    assert.equal((await fetch(`${server.httpUrl}/readyz`)).status, 503);
    await drained;
    assert.deepEqual(await client.closed, { code: 1012, reason: "DRAINING" });
    assert.deepEqual(client.types, ["ready", "warning", "summary", "error"]);
    await server.close();
    await assert.rejects(fetch(`${server.httpUrl}/healthz`));
    assert.ok(pids.length > 0);
    for (const pid of pids) assert.throws(() => process.kill(pid, 0));
  });

  it("is never half started", async () => {
    await assert.rejects(start({ EARWITNESS_MODEL: "none-such" }), /none-such/);
    await assert.rejects(start({ EARWITNESS_SUSPECT: "0.1" }), /thresholds/);
  });
});
