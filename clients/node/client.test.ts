import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { WebSocketServer } from "ws";
import { codeMessage, codesSpec } from "../../test/support/code-windows.ts";
import { fakeDetector } from "../../test/support/fakes.ts";
import { scripted } from "../../test/support/scripted-session.ts";
import { twoDoors } from "../../test/support/two-doors.ts";
import { faultCodes } from "../../src/stream/errors.ts";
import { connect, detect, getSession, listModels, listSessions, watch } from "./client.ts";
import { EarwitnessError, type ErrorCode } from "./error.ts";
import type { SessionEvent, SummaryEvent } from "./events.ts";

const audio = { encoding: "pcm_s16le", sampleRate: 16_000, channels: 1 } as const;
/** One second of speech to the fake meter, below the message limit. */
const second = new Uint8Array(32_000).fill(1);

async function failure(promise: Promise<unknown>): Promise<EarwitnessError> {
  const reason = await promise.then(
    () => assert.fail("it should have failed"),
    (error: unknown) => error,
  );
  assert.ok(reason instanceof EarwitnessError, String(reason));
  return reason;
}

for (const transport of ["ws", "grpc"] as const)
  describe(`a client over ${transport}`, () => {
    it("streams audio, hears every event in order and gets the summary", async (t) => {
      const { endpoints } = await twoDoors(t);
      const session = await connect({
        ...endpoints[transport],
        sessionId: "s-1",
        callId: "c-1",
        pace: "file",
        audio: { ...audio, channelLabels: ["caller"] },
        detection: { hopMs: 500, minSpeechMs: 1000, prior: 0.25, thresholds: { spoofExit: 0.7 } },
        metadata: { camelCase: { inner: [1, null, "ü"] } },
      });
      assert.equal(session.id, "s-1");
      assert.equal(session.ready.call_id, "c-1");
      assert.deepEqual(session.ready.metadata, { camelCase: { inner: [1, null, "ü"] } });
      assert.deepEqual(session.ready.audio, {
        encoding: "pcm_s16le",
        sample_rate: 16_000,
        channels: 1,
        channel_labels: ["caller"],
        framing: "raw",
      });
      assert.equal(session.ready.detection.hop_ms, 500);
      assert.equal(session.ready.detection.prior, 0.25);
      assert.equal(session.ready.detection.thresholds.spoof_exit, 0.7);
      const scores: number[] = [];
      session.on("score", ({ index }) => scores.push(index));
      for (let i = 0; i < 8; i += 1) if (!session.send(second)) await session.drained();
      const finished = session.finish();
      const events: SessionEvent[] = [];
      for await (const event of session) events.push(event);
      const summary = await finished;
      assert.equal(summary.ended_by, "close");
      assert.equal(summary.channels[0]?.audio_ms, 8000);
      assert.deepEqual(events.at(0), session.ready);
      assert.deepEqual(events.at(-1), summary);
      assert.deepEqual(
        events.map(({ seq }) => seq),
        events.map((_, i) => i),
      );
      assert.ok(scores.length > 4);
      assert.deepEqual(
        scores,
        scores.map((_, i) => i),
      );
    });

    it("streams windows of codes, which name no seed", async (t) => {
      const detector = fakeDetector(({ codes }) => codes?.[0] ?? NaN, codesSpec({ seed: 3 }));
      const { endpoints } = await twoDoors(t, { detector });
      const session = await connect({
        ...endpoints[transport],
        pace: "file",
        audio: { encoding: "safeear_codes", channels: 1 },
      });
      const { encoding, framing, sample_rate } = session.ready.audio;
      assert.deepEqual([encoding, framing, sample_rate], ["safeear_codes", "packet", 16_000]);
      const llrs: unknown[] = [];
      session.on("score", ({ llr }) => llrs.push(llr));
      for (let index = 0; index < 4; index++) session.send(codeMessage(index));
      const summary = await session.finish();
      assert.deepEqual(llrs, [0, 1, 2, 3]);
      assert.ok(!("seed" in session.ready) && !("seed" in summary));
    });

    it("is told the seed by which a model shuffles", async (t) => {
      const detector = fakeDetector(() => 1, codesSpec({ seed: 4_294_967_295 }));
      const { endpoints } = await twoDoors(t, { detector });
      const session = await connect({ ...endpoints[transport], audio });
      assert.equal(session.ready.seed, 4_294_967_295);
      assert.equal((await session.finish()).seed, 4_294_967_295);
      assert.equal((await detect(second, { ...endpoints[transport], audio })).seed, 4_294_967_295);
    });

    it("says every control, and an update changes what is in force", async (t) => {
      const { createSession, sessions } = scripted();
      const { endpoints } = await twoDoors(t, { parts: { createSession } });
      const session = await connect({ ...endpoints[transport], audio });
      session.keepAlive();
      session.pause();
      session.resume(250);
      session.resume();
      session.finalize();
      session.annotate({ kind: "transfer", channel: 0 });
      session.update({ detection: { prior: 0.1 }, results: { kinds: ["score"], minIntervalMs: 500 } });
      await session.finish();
      assert.deepEqual(sessions[0]?.heard, [
        { type: "pause" },
        { type: "resume", gapMs: 250 },
        { type: "resume" },
        { type: "finalize" },
        { type: "annotate", kind: "transfer", channel: 0 },
        {
          type: "update",
          detection: { prior: 0.1 },
          results: { kinds: ["score"], minIntervalMs: 500 },
        },
      ]);
    });

    it("sends packets with their header", async (t) => {
      const { createSession, sessions } = scripted();
      const { endpoints } = await twoDoors(t, { parts: { createSession } });
      const session = await connect({
        ...endpoints[transport],
        audio: { ...audio, framing: "sequenced" },
      });
      session.sendPacket({
        channel: 0,
        seq: 0x01020304,
        mediaTimestamp: 0xfffffffe,
        payload: second.subarray(0, 2),
      });
      await session.finish();
      const [command] = sessions[0]?.heard ?? [];
      assert.ok(command?.type === "audio");
      assert.deepEqual([...command.chunk], [1, 0, 0, 0, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xfe, 1, 1]);
    });

    it("rejects with the server's own words when a session is refused", async (t) => {
      const { endpoints } = await twoDoors(t, { limits: { sessions: 1 } });
      const endpoint = endpoints[transport];
      const unsupported = await failure(connect({ ...endpoint, audio: { ...audio, sampleRate: 3e9 } }));
      assert.equal(unsupported.code, "unsupported_audio");
      assert.equal(unsupported.retryable, false);
      assert.equal(unsupported.inReplyTo, "start");
      assert.equal(unsupported.details?.["field"], "audio.sample_rate");
      const first = await connect({ ...endpoint, audio });
      const full = await failure(connect({ ...endpoint, audio }));
      assert.equal(full.code, "at_capacity");
      assert.equal(full.retryable, true);
      assert.ok((full.retryAfterMs ?? 0) > 0);
      await first.finish();
    });

    it("ends an iteration and finish with the error that ended the session, after its events", async (t) => {
      const { endpoints } = await twoDoors(t);
      const session = await connect({ ...endpoints[transport], audio });
      for (let i = 0; i < 12; i += 1) session.send(second);
      const events: SessionEvent[] = [];
      const iterated = (async () => {
        for await (const event of session) events.push(event);
      })();
      assert.equal((await failure(iterated)).code, "too_fast");
      assert.equal((await failure(session.finish())).code, "too_fast");
      assert.deepEqual(
        events.slice(-2).map(({ type }) => type),
        ["summary", "error"],
      );
      assert.equal(session.summary?.ended_by, "fault");
      assert.throws(() => session.send(second), { code: "too_fast" });
      await assert.rejects(session.drained(), { code: "too_fast" });
    });

    it("knows what is too large though the server's library answers without a word", async (t) => {
      const { endpoints } = await twoDoors(t);
      const session = await connect({ ...endpoints[transport], audio });
      session.send(new Uint8Array(65_536 + 64));
      assert.equal((await failure(session.finish())).code, "message_too_large");
    });

    it(
      "asks a sender to wait while the server takes nothing, and loses nothing",
      { timeout: 20_000 },
      async (t) => {
        const { createSession, sessions } = scripted();
        const { endpoints } = await twoDoors(t, { parts: { createSession } });
        const session = await connect({ ...endpoints[transport], pace: "file", audio });
        const [served] = sessions;
        assert.ok(served);
        served.parts.valve.pause();
        let sent = 0;
        let waited = 0;
        const sending = (async () => {
          while (sent < 600) {
            sent += 1;
            if (session.send(second)) continue;
            waited += 1;
            if (waited === 1) setTimeout(() => served.parts.valve.resume(), 200);
            await session.drained();
          }
        })();
        await sending;
        await session.finish();
        assert.ok(waited > 0);
        assert.equal(served.heard.length, 600);
      },
    );

    it("notices a server that vanishes, and one that is not there", async (t) => {
      const { endpoints, host, door, grpc } = await twoDoors(t);
      const session = await connect({ ...endpoints[transport], audio });
      const finished = failure(session.ended);
      host.close();
      await door.close();
      await grpc.close(0);
      assert.match((await finished).code, /^(connection_lost|cancelled|internal|draining)$/);
      const free = createServer().listen(0, "127.0.0.1");
      await once(free, "listening");
      const address = free.address();
      assert.ok(typeof address === "object" && address !== null);
      free.close();
      const error = await failure(connect({ url: `127.0.0.1:${address.port}`, transport, audio }));
      assert.equal(error.code, "connection_failed");
      assert.equal(error.retryable, true);
    });

    it("can be given up by a signal, before and after it is ready", async (t) => {
      const { endpoints, host } = await twoDoors(t);
      const early = failure(connect({ ...endpoints[transport], audio, signal: AbortSignal.abort() }));
      assert.equal((await early).code, "cancelled");
      const controller = new AbortController();
      const { signal } = controller;
      const session = await connect({ ...endpoints[transport], audio, signal, sessionId: "gone" });
      controller.abort();
      assert.equal((await failure(session.ended)).code, "cancelled");
      while (host.session("gone").summary === undefined) await new Promise(setImmediate);
      assert.equal(host.session("gone").summary?.endedBy, "peer_lost");
    });

    it("keeps a silent session alive", async (t) => {
      const { endpoints } = await twoDoors(t, { limits: { idleMs: 400 } });
      const session = await connect({ ...endpoints[transport], audio, keepAliveMs: 50 });
      const silent = await connect({ ...endpoints[transport], audio, keepAliveMs: 60_000 });
      assert.equal((await failure(silent.ended)).code, "idle");
      assert.equal((await session.finish()).ended_by, "close");
    });

    it("watches a session, and every session of a call", async (t) => {
      const { endpoints } = await twoDoors(t);
      const session = await connect({
        ...endpoints[transport],
        audio,
        sessionId: "s-1",
        callId: "c-1",
        pace: "file",
      });
      const watchers = [
        watch({ ...endpoints[transport], sessionId: "s-1" }),
        watch({ ...endpoints[transport], callId: "c-1" }),
      ];
      await Promise.all(
        watchers.map(
          (watcher) =>
            new Promise<void>((resolve) => {
              watcher.on("state", () => resolve());
            }),
        ),
      );
      const summaries = watchers.map(
        (watcher) =>
          new Promise<SummaryEvent>((resolve) => {
            watcher.on("summary", resolve);
          }),
      );
      for (let i = 0; i < 6; i += 1) session.send(second);
      const { channels } = await session.finish();
      for (const summary of await Promise.all(summaries)) assert.deepEqual(summary.channels, channels);
      const [one, call] = watchers;
      assert.ok(one && call);
      const seen: string[] = [];
      for await (const { type } of one) seen.push(type);
      assert.equal(seen[0], "ready");
      assert.ok(seen.includes("score"));
      call.close();
      assert.equal((await failure(call.ended)).code, "cancelled");
      const nobody = watch({ ...endpoints[transport], sessionId: "nobody" });
      assert.equal((await failure(nobody.ended)).code, "unknown_session");
    });

    it("asks for sessions, models and a recording", async (t) => {
      const { endpoints } = await twoDoors(t);
      const endpoint = endpoints[transport];
      const session = await connect({ ...endpoint, audio, sessionId: "s-1", callId: "c-1" });
      const listed = await listSessions({ ...endpoint, callId: "c-1" });
      assert.deepEqual(
        listed.map(({ session_id, ended, ended_by }) => ({ session_id, ended, ended_by })),
        [{ session_id: "s-1", ended: false, ended_by: null }],
      );
      assert.deepEqual(await listSessions({ ...endpoint, callId: "nobody" }), []);
      await session.finish();
      assert.equal((await getSession("s-1", endpoint)).ended_by, "close");
      assert.equal((await failure(getSession("nobody", endpoint))).code, "unknown_session");
      const [model] = await listModels(endpoint);
      assert.equal(model?.default, true);
      const pcm = new Uint8Array(32_000 * 6).fill(1);
      const found = await detect(pcm, {
        ...endpoint,
        audio: { encoding: "pcm_s16le", sampleRate: 16_000, channels: 1 },
        detection: { hopMs: 2000, thresholds: { bonafide: 0.1 } },
      });
      assert.equal(found.channels.length, 1);
      assert.ok((found.channels[0]?.windows.length ?? 0) > 0);
      const bad = await failure(detect(pcm, { ...endpoint, detection: { hopMs: 3 } }));
      assert.equal(bad.code, "bad_message");
    });
  });

describe("a client", () => {
  it("sees the same on both transports: events, sessions, models and recordings", async (t) => {
    const { endpoints } = await twoDoors(t);
    const seen = async (endpoint: (typeof endpoints)["ws"]) => {
      const session = await connect({ ...endpoint, audio, pace: "file", callId: "c", metadata: { a: 1 } });
      for (let i = 0; i < 8; i += 1) session.send(second);
      session.pause();
      session.resume(1000);
      for (let i = 0; i < 8; i += 1) session.send(second);
      await session.finish();
      const events: SessionEvent[] = [];
      for await (const event of session) events.push(event);
      const view = await getSession(session.id, endpoint);
      const pcm = new Uint8Array(32_000 * 6).fill(1);
      const found = await detect(pcm, { ...endpoint, audio });
      return { events, view, models: await listModels(endpoint), found };
    };
    const [ws, grpc] = [await seen(endpoints.ws), await seen(endpoints.grpc)];
    assert.ok(ws.events.length > 10);
    assert.deepEqual(alike(grpc), alike(ws));
  });

  it("knows every fault of the server by name", () => {
    const known: Readonly<Record<ErrorCode, true>> = {
      bad_message: true,
      audio_before_start: true,
      unsupported_audio: true,
      undecodable_audio: true,
      message_too_large: true,
      too_fast: true,
      slow_reader: true,
      start_timeout: true,
      idle: true,
      session_too_long: true,
      unauthenticated: true,
      forbidden: true,
      unknown_session: true,
      unknown_model: true,
      duplicate_session: true,
      unimplemented: true,
      at_capacity: true,
      draining: true,
      internal: true,
      connection_failed: true,
      connection_lost: true,
      cancelled: true,
    };
    for (const code of faultCodes) assert.ok(code in known, code);
  });

  it("refuses an address that is none", async () => {
    for (const endpoint of [{ url: "ftp://x" }, { url: "" }, { url: "ws://x", transport: "grpc" } as const])
      await assert.rejects(connect({ ...endpoint, audio }), TypeError);
  });
});

/** Without what two sessions cannot share. */
const alike = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      ["session_id", "started_at", "latency_ms", "transport"].includes(key) ? typeof inner : inner,
    ),
  );

describe("a client's session", () => {
  it("keeps what comes in one piece with `ready` for who then begins to listen", async (t) => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    t.after(() => server.close());
    server.on("connection", (socket, { socket: connection }) => {
      socket.once("message", () => {
        connection.cork();
        for (const event of [{ type: "ready" }, { type: "warning", code: "uncalibrated_model" }])
          socket.send(JSON.stringify(event));
        socket.close(1000);
        connection.uncork();
      });
    });
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const session = await connect({ url: `ws://127.0.0.1:${address.port}`, audio });
    const codes: string[] = [];
    session.on("warning", ({ code }) => codes.push(code));
    await session.ended;
    assert.deepEqual(codes, ["uncalibrated_model"]);
  });
});
