import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { status } from "@grpc/grpc-js";
import { createGrpcServer } from "../src/server/grpc/server.ts";
import { faultCodes, type FaultCode } from "../src/stream/errors.ts";
import { fakeServer, refusal } from "./support/fake-server.ts";
import { fakeDetector } from "./support/fakes.ts";
import { type Ended, ProtoClient, richDetails } from "./support/grpc-client.ts";
import { startServer, until, type RealServer } from "./support/server.ts";
import { bytesOf, loopedClip, toS16 } from "./support/wire-audio.ts";
import { openLine, openWatcher, pcm16k, wires, type Address, type Line } from "./support/wire-line.ts";

type Wire = Line["wire"] | "http";
interface Row {
  readonly close: number;
  readonly grpc: number;
  readonly http: number | undefined;
}

/** The published table, once more by hand. */
const table: Readonly<Record<FaultCode, Row>> = {
  bad_message: { close: 4400, grpc: status.INVALID_ARGUMENT, http: 400 },
  audio_before_start: { close: 4412, grpc: status.FAILED_PRECONDITION, http: 409 },
  unsupported_audio: { close: 4415, grpc: status.UNIMPLEMENTED, http: 415 },
  undecodable_audio: { close: 4422, grpc: status.DATA_LOSS, http: 422 },
  message_too_large: { close: 1009, grpc: status.RESOURCE_EXHAUSTED, http: 413 },
  too_fast: { close: 4429, grpc: status.RESOURCE_EXHAUSTED, http: 429 },
  slow_reader: { close: 4429, grpc: status.RESOURCE_EXHAUSTED, http: undefined },
  start_timeout: { close: 4408, grpc: status.DEADLINE_EXCEEDED, http: 408 },
  idle: { close: 4408, grpc: status.DEADLINE_EXCEEDED, http: 408 },
  session_too_long: { close: 4408, grpc: status.DEADLINE_EXCEEDED, http: 408 },
  unauthenticated: { close: 4401, grpc: status.UNAUTHENTICATED, http: 401 },
  forbidden: { close: 4403, grpc: status.PERMISSION_DENIED, http: 403 },
  unknown_session: { close: 4404, grpc: status.NOT_FOUND, http: 404 },
  unknown_model: { close: 4404, grpc: status.NOT_FOUND, http: 404 },
  duplicate_session: { close: 4409, grpc: status.ALREADY_EXISTS, http: 409 },
  unimplemented: { close: 4415, grpc: status.UNIMPLEMENTED, http: 501 },
  at_capacity: { close: 1013, grpc: status.UNAVAILABLE, http: 503 },
  draining: { close: 1012, grpc: status.UNAVAILABLE, http: 503 },
  internal: { close: 1011, grpc: status.INTERNAL, http: 500 },
};

/** What cannot happen on a wire, and why. */
const impossible: Readonly<Partial<Record<FaultCode, Partial<Record<Wire, string>>>>> = {
  audio_before_start: { http: "a request has no start" },
  too_fast: { http: "a recording has no pace" },
  slow_reader: { http: "the table has no status: an answer is one piece" },
  start_timeout: {
    http: "a request has no start; Node itself answers 408 to headers or a body that do not come",
  },
  idle: { http: "a request has no session" },
  session_too_long: { http: "a request has no session; its length is message_too_large" },
  unauthenticated: {
    websocket: "reserved: this version has no authentication",
    grpc: "reserved: this version has no authentication",
    http: "reserved: this version has no authentication",
  },
  forbidden: {
    websocket: "a foreign page is refused with HTTP 403 before there is a WebSocket",
    grpc: "only pages have an origin, and they do not speak gRPC",
  },
  duplicate_session: { http: "a request makes no session" },
  unimplemented: {
    grpc: "the schema has no field for what is not built",
    http: "nothing that can be asked for over HTTP is not built",
  },
};

const produced = new Set<string>();

/** A line ended by this fault: the `error` event, and the wire's own way to say it. */
async function assertLine(line: Pick<Line, "wire" | "events" | "ended">, code: FaultCode): Promise<void> {
  const { code: ended, reason } = await line.ended;
  const said = `${code} on ${line.wire}`;
  assert.equal(ended, line.wire === "grpc" ? table[code].grpc : table[code].close, said);
  if (line.wire === "websocket" && code === "message_too_large") {
    assert.equal(line.events.at(-1)?.["type"], "ready", "ws answers by itself");
  } else {
    assert.equal(reason, code.toUpperCase(), said);
    const error = line.events.at(-1);
    assert.deepEqual([error?.["type"], error?.["code"]], ["error", code], said);
    assert.equal(
      error?.["retry_after_ms"] !== undefined,
      code === "at_capacity" || code === "draining",
      said,
    );
  }
  produced.add(`${code}/${line.wire}`);
}

async function assertHttp(answer: Response | Promise<Response>, code: FaultCode): Promise<void> {
  const response = await answer;
  // What it holds is the subject of the test.
  const body = (await response.json()) as Record<string, unknown>;
  assert.deepEqual([response.status, body["code"]], [table[code].http, code]);
  assert.equal(typeof body["message"], "string");
  if (code === "at_capacity" || code === "draining") {
    assert.ok(Number(response.headers.get("retry-after")) >= 1, code);
  }
  produced.add(`${code}/http`);
}

const broken = Uint8Array.of(0x4b, 0);
const sound = new Uint8Array(6400);

describe("every fault on every wire", { timeout: 120_000 }, () => {
  let server: RealServer;
  let hasty: RealServer;
  let small: RealServer;
  before(async () => {
    [server, hasty, small] = await Promise.all([
      startServer({ MAX_BACKLOG_BYTES: "65536", MAX_RECORDING_BYTES: "4000000" }),
      startServer({ START_TIMEOUT_MS: "800", IDLE_TIMEOUT_MS: "800", MAX_SESSION_MS: "1500" }),
      startServer({ MAX_SESSIONS: "1", DRAIN_MS: "10000" }),
    ]);
  });
  after(() => Promise.all([server, hasty, small].map((one) => one.close())));

  const detect = (query: string, body: Uint8Array = sound, at = server): Promise<Response> =>
    fetch(`${at.http}/v1/detect?${query}`, { method: "POST", body });

  for (const wire of wires) {
    it(`is named over ${wire} when the client is to blame`, async () => {
      const acts: Partial<Record<FaultCode, (line: Line) => Promise<void> | void>> = {
        bad_message: (line) => line.say("keep_alive"),
        audio_before_start: (line) => line.audio(sound),
        unsupported_audio: (line) => line.start({ audio: { ...pcm16k, sample_rate: 3e9 } }),
        unknown_model: (line) => line.start({ detection: { model: "none-such" } }),
        undecodable_audio: (line) => {
          line.start({ audio: { encoding: "opus", channels: 1 } });
          for (let i = 0; i < 50; i++) line.audio(broken);
        },
        message_too_large: async (line) => {
          line.start();
          await line.event("ready");
          line.audio(new Uint8Array(66_000));
        },
        too_fast: (line) => {
          line.start();
          for (let i = 0; i < 40; i++) line.audio(sound);
        },
        ...(wire === "websocket" ? { unimplemented: (line) => line.start({ resume: "token" }) } : {}),
      };
      for (const code of faultCodes) {
        const act = acts[code];
        if (act === undefined) continue;
        const line = await openLine(wire, server);
        await act(line);
        await assertLine(line, code);
      }
    });

    it(`is slow_reader over ${wire} when nobody reads`, async () => {
      const line = await openLine(wire, server);
      const sessionId = `slow-${wire}`;
      line.start({ pace: "file", session_id: sessionId });
      await line.event("ready");
      line.deaf(true);
      const faults = await server.metric("faults_total", "slow_reader");
      await until(async () => {
        for (let n = 0; n < 20; n++) line.say("resume", { gap_ms: 14_400_000 });
        return (await server.metric("faults_total", "slow_reader")) > faults;
      }, 20_000);
      line.deaf(false);
      await assertLine(line, "slow_reader");
    });

    it(`is unknown_session or duplicate_session over ${wire} when a name is wrong`, async (t) => {
      await assertLine(await openWatcher(wire, server, { session_id: "none-such" }), "unknown_session");
      const first = await openLine(wire, server);
      t.after(() => first.destroy());
      first.start({ session_id: `twice-${wire}` });
      await first.event("ready");
      const second = await openLine(wire, server);
      second.start({ session_id: `twice-${wire}` });
      await assertLine(second, "duplicate_session");
    });

    it(`is start_timeout, idle or session_too_long over ${wire} when time is up`, async (t) => {
      const silent = await openLine(wire, hasty);
      const idle = await openLine(wire, hasty);
      idle.start();
      const long = await openLine(wire, hasty);
      long.start();
      const beat = setInterval(() => long.say("keep_alive"), 100);
      t.after(() => clearInterval(beat));
      void long.event("summary").then(() => clearInterval(beat));
      await assertLine(silent, "start_timeout");
      await assertLine(idle, "idle");
      await assertLine(long, "session_too_long");
    });

    it(`is at_capacity over ${wire} when there is no room`, async () => {
      await withOneSession(small, async () => {
        const line = await openLine(wire, small);
        line.start();
        await assertLine(line, "at_capacity");
      });
    });
  }

  it("has its status over HTTP", async () => {
    const bare = "encoding=pcm_s16le&sample_rate=16000";
    await assertHttp(detect(`${bare}&hop_ms=nonsense`), "bad_message");
    await assertHttp(detect("encoding=safeear_codes&sample_rate=16000"), "unsupported_audio");
    await assertHttp(detect("", Buffer.from("fLaC and then nothing of the kind")), "undecodable_audio");
    await assertHttp(detect(bare, new Uint8Array(4_000_001)), "message_too_large");
    await assertHttp(fetch(`${server.http}/v1/sessions/none-such`), "unknown_session");
    await assertHttp(detect(`${bare}&model=none-such`), "unknown_model");
    const { body, status: code } = await refusal(`${server.ws}/v1/stream`, ["earwitness.v1"], {
      origin: "https://example.com",
    });
    await assertHttp(new Response(body, { status: code }), "forbidden");
  });

  it("is at_capacity over HTTP when four recordings are being judged", async () => {
    const [worker] = server.server.workerPids;
    assert.ok(worker);
    const body = bytesOf(toS16(await loopedClip("human_lj.flac", 6)));
    const query = "encoding=pcm_s16le&sample_rate=16000";
    // While the only worker is stopped nothing can be answered, so the order of arrival does not matter.
    process.kill(worker, "SIGSTOP");
    const answers = Array.from({ length: 5 }, () => detect(query, body));
    await assertHttp(await Promise.race(answers), "at_capacity");
    process.kill(worker, "SIGCONT");
    const codes = (await Promise.all(answers)).map((answer) => answer.status);
    assert.deepEqual(codes.sort(), [200, 200, 200, 200, 503]);
  });

  it("is internal when it is our own", async (t) => {
    const bug = fakeDetector(() => Promise.reject(new TypeError("a secret of ours")));
    const fake = await fakeServer(t, { detector: bug });
    const grpc = await createGrpcServer(fake.host, { host: "127.0.0.1", port: 0, onBug: () => undefined });
    t.after(() => grpc.close(0));
    const address: Address = { ws: fake.ws, grpc: grpc.address };
    const voice = bytesOf(toS16(await loopedClip("human_lj.flac", 5)));
    for (const wire of wires) {
      const line = await openLine(wire, address);
      line.start({ pace: "file" });
      for (let at = 0; at < voice.length; at += 64_000) line.audio(voice.subarray(at, at + 64_000));
      await assertLine(line, "internal");
      assert.doesNotMatch(JSON.stringify(line.events), /secret/);
    }
    const query = "encoding=pcm_s16le&sample_rate=16000";
    await assertHttp(fetch(`${fake.url}/v1/detect?${query}`, { method: "POST", body: voice }), "internal");
  });

  it("tells a unary call the same as a stream", async () => {
    const client = new ProtoClient(server.grpc);
    for (const [method, request, code] of [
      ["GetSession", { session_id: "none-such" }, "unknown_session"],
      ["Detect", { content: sound, detection: { hop_ms: 1 } }, "bad_message"],
      ["Detect", { content: Buffer.from("not a recording at all") }, "unsupported_audio"],
      ["Detect", { content: new Uint8Array(4_000_001) }, "message_too_large"],
    ] as const) {
      const ended = await client.call(method, request).then(
        () => assert.fail(`${method} was answered`),
        // A call that fails rejects with its status.
        (error: unknown) => error as Ended,
      );
      assert.equal(ended.code, table[code].grpc, code);
      assert.equal(richDetails(ended.metadata).info["reason"], code.toUpperCase());
    }
    client.close();
  });

  it("is draining when the server stops", async (t: TestContext) => {
    await withOneSession(small, async () => {
      const drained = small.server.drain();
      for (const wire of wires) {
        const line = await openLine(wire, small);
        line.start();
        await assertLine(line, "draining");
      }
      await assertHttp(detect("encoding=pcm_s16le&sample_rate=16000", sound, small), "draining");
      t.after(() => drained);
    });
  });

  it("was produced, or cannot be, on each wire", () => {
    const all = faultCodes.flatMap((code) =>
      (["websocket", "grpc", "http"] as const).map((wire) => [code, wire] as const),
    );
    for (const [code, wire] of all) {
      const reason = impossible[code]?.[wire];
      assert.notEqual(
        produced.has(`${code}/${wire}`),
        reason !== undefined,
        `${code}/${wire}: ${String(reason)}`,
      );
    }
    const listed = Object.values(impossible).flatMap((reasons) => Object.values(reasons));
    assert.ok(listed.every((reason) => reason.length > 10));
    assert.equal(produced.size + listed.length, all.length);
    assert.equal(all.length, 19 * 3);
  });
});

/** Runs `work` while the server's only place is taken. */
async function withOneSession(server: RealServer, work: () => Promise<void>): Promise<void> {
  await until(async () => (await server.metric("sessions")) === 0);
  const line = await openLine("websocket", server);
  line.start();
  await line.event("ready");
  await work();
  line.close();
  await line.ended;
}
