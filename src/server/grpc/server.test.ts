import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { ScriptedHost, type Visit } from "../../../test/support/scripted-host.ts";
import {
  checkHealth,
  collect,
  inner,
  type Plain,
  ProtoClient,
  reflectionInfo,
  richDetails,
  statusOf,
} from "../../../test/support/grpc-client.ts";
import { sampleBodies, sampleEvent, toEvent } from "../../../test/support/sample-events.ts";
import { Fault, type FaultCode, faultCodes } from "../../stream/errors.ts";
import { millis } from "../../stream/units.ts";
import { type Connection, PeerLost } from "../connection.ts";
import type { SessionSnapshot } from "../host-port.ts";
import { createGrpcServer, type GrpcServer } from "./server.ts";
import { grpcStatus } from "./status.ts";

const mulaw = { encoding: "ENCODING_PCM_MULAW", sample_rate: 8000, channels: 1 };
const config = { config: { audio: mulaw } };

let host: ScriptedHost;
let server: GrpcServer;
let client: ProtoClient;
const bugs: unknown[] = [];

beforeEach(async () => {
  host = new ScriptedHost();
  bugs.length = 0;
  server = await createGrpcServer(host, {
    host: "127.0.0.1",
    port: 0,
    closeGraceMs: 300,
    onBug: (cause) => bugs.push(cause),
  });
  client = new ProtoClient(server.address);
});

afterEach(async () => {
  client.close();
  await server.close(0);
});

const nextVisit = (): Promise<Visit> =>
  new Promise((resolve) => {
    host.onVisit = resolve;
  });

/** Resolves once the fake host has been handed a message for which it is true. */
const nextMessage = (type: string): Promise<Connection> =>
  new Promise((resolve) => {
    host.onMessage = (message, connection) => {
      if (message.type === type) resolve(connection);
    };
  });

async function failure(promise: Promise<unknown>): Promise<ServiceError> {
  return promise.then(
    () => assert.fail("it should have failed"),
    (reason: unknown) => {
      assert.ok(reason instanceof Error && "code" in reason && "metadata" in reason);
      return reason as ServiceError;
    },
  );
}

describe("StreamingDetect", () => {
  it("hands the host every message in order and completes on half-close", async () => {
    const call = client.stream();
    const visited = nextVisit();
    call.write(config);
    call.write({ audio: Buffer.of(1, 2) });
    call.write({ control: { keep_alive: {} } });
    call.write({ control: { finalize: {} } });
    call.end();
    const { messages, ended, connection } = await visited;
    const { ended: answer } = await collect(call);
    assert.equal(await ended, "complete");
    assert.equal(connection.transport, "grpc");
    assert.deepEqual(
      messages.map(({ type }) => type),
      ["start", "audio", "keep_alive", "finalize"],
    );
    const audio = messages[1];
    assert.ok(audio?.type === "audio");
    assert.deepEqual([...audio.chunk], [1, 2]);
    assert.equal(answer.code, status.OK);
  });

  it("sends every kind of event, as a client that knows only the .proto reads it", async () => {
    host.onMessage = (_, connection) => {
      for (const [seq, body] of sampleBodies.entries()) connection.send(toEvent(body, seq));
      connection.close();
    };
    const call = client.stream();
    call.write(config);
    const { events, ended } = await collect(call);
    assert.equal(ended.code, status.OK);
    assert.deepEqual(
      events.map(({ seq = 0, event, session_id, t_media_ms }) => ({ seq, event, session_id, t_media_ms })),
      sampleBodies.map(({ type }, seq) => ({
        seq,
        event: type,
        session_id: "s-1",
        t_media_ms: 10_000 + seq,
      })),
    );
  });

  for (const code of faultCodes)
    it(`ends with ${status[grpcStatus[code]]} for ${code}, after the error event, with the name in its details`, async () => {
      host.onMessage = (_, connection) => {
        const fault = new Fault(code, `because of ${code}`, {
          retryAfterMs: 1500,
          details: { field: "x", limit: 7 },
        });
        connection.send(sampleEvent("error"));
        connection.close(fault);
        connection.close();
      };
      const call = client.stream();
      call.write(config);
      const { events, ended } = await collect(call);
      assert.deepEqual(
        events.map(({ event }) => event),
        ["error"],
      );
      assert.equal(ended.code, grpcStatus[code]);
      assert.equal(ended.details, `because of ${code}`);
      assertRich(ended.metadata, code, `because of ${code}`);
    });

  it("survives a fault's message that is not well-formed text", async () => {
    host.onMessage = (_, connection) => {
      connection.close(new Fault("bad_message", "unknown type \ud800 – 100 %"));
    };
    const call = client.stream();
    call.write(config);
    const { ended } = await collect(call);
    assert.equal(ended.code, status.INVALID_ARGUMENT);
    assert.equal(ended.details, "unknown type \ufffd – 100 %");
  });

  it("names what a client got wrong", async () => {
    const call = client.stream();
    const visited = nextVisit();
    call.write({});
    const { ended } = await collect(call);
    assert.equal(ended.code, status.INVALID_ARGUMENT);
    assert.equal(richDetails(ended.metadata).info["reason"], "BAD_MESSAGE");
    const reason = await (await visited).ended;
    assert.ok(reason instanceof Fault);
    assert.equal(reason.code, "bad_message");
  });

  it("calls bytes that are not a request a bad message", async () => {
    const raw = new Client(server.address, credentials.createInsecure());
    const same = (bytes: Buffer) => bytes;
    const call = raw.makeBidiStreamRequest("/earwitness.v1.SpoofDetection/StreamingDetect", same, same);
    const ended = new Promise<{ readonly code: number }>((resolve) => {
      call.on("error", () => undefined).on("status", resolve);
    });
    call.resume();
    call.write(Buffer.from("ffffffffffffffff", "hex"));
    assert.equal((await ended).code, status.INVALID_ARGUMENT);
    raw.close();
  });

  it("takes a chunk of 64 KiB and refuses one that is longer", async () => {
    const fits = client.stream();
    fits.write(config);
    fits.write({ audio: Buffer.alloc(65_536) });
    fits.end();
    assert.equal((await collect(fits)).ended.code, status.OK);
    const tooLong = client.stream();
    tooLong.write(config);
    tooLong.write({ audio: Buffer.alloc(65_536 + 64) });
    const { ended } = await collect(tooLong);
    assert.equal(ended.code, status.RESOURCE_EXHAUSTED);
    const { info } = richDetails(ended.metadata);
    assert.equal(info["reason"], "MESSAGE_TOO_LARGE");
  });

  it("tells a client that cancels from one that has finished", async () => {
    for (let i = 0; i < 10; i += 1) {
      const call = client.stream();
      const visited = nextVisit();
      const started = nextMessage("start");
      call.write(config);
      await started;
      const ended = statusOf(call);
      call.cancel();
      assert.equal((await ended).code, status.CANCELLED);
      assert.ok((await (await visited).ended) instanceof PeerLost);
    }
  });

  it("notices a client whose connection vanished", async () => {
    const call = client.stream();
    const visited = nextVisit();
    const started = nextMessage("start");
    call.write(config);
    await started;
    const ended = statusOf(call);
    client.close();
    call.destroy();
    call.cancel();
    await ended;
    assert.ok((await (await visited).ended) instanceof PeerLost);
  });

  it("takes a passed deadline for a client that is gone, and tells it so", async () => {
    const proto = new ProtoClient(server.address);
    const visited = nextVisit();
    const call = proto.stream({ deadline: Date.now() + 150 });
    call.write(config);
    const { ended } = await collect(call);
    assert.equal(ended.code, status.DEADLINE_EXCEEDED);
    assert.ok((await (await visited).ended) instanceof PeerLost);
    proto.close();
  });

  it("holds the sender back while the valve is shut, reads little ahead, and loses nothing", async () => {
    const total = 400;
    const chunk = Buffer.alloc(60_000, 7);
    const call = client.stream();
    const started = nextMessage("start");
    const visited = nextVisit();
    call.write(config);
    const connection = await started;
    connection.valve.pause();
    let sent = 0;
    let stalled: (() => void) | undefined;
    const writing = (async () => {
      while (sent < total) {
        sent += 1;
        if (call.write({ audio: chunk })) continue;
        stalled?.();
        await once(call, "drain");
      }
      call.end();
    })();
    const { messages, ended } = await visited;
    // Held back for good: a second passes in which nothing moves, after everything that could be has been buffered.
    await quiet(() => sent);
    assert.ok(sent < 60, `${sent} chunks of 60,000 bytes were taken from the sender`);
    assert.equal(messages.length, 1);
    connection.valve.resume();
    await writing;
    call.resume();
    assert.equal(await ended, "complete");
    assert.equal(messages.length, 1 + total);
  });

  it("counts what a reader has not taken and resets its stream in the end", { timeout: 20_000 }, async () => {
    const call = client.stream();
    const started = nextMessage("start");
    call.write(config);
    // grpc-js's client holds nobody back before it is asked for a first message.
    call.read();
    const connection = await started;
    const event = sampleEvent("summary");
    assert.equal(connection.backlogBytes(), 0);
    for (let i = 0; i < 20_000; i += 1) connection.send(event);
    await quiet(() => connection.backlogBytes());
    const backlog = connection.backlogBytes();
    assert.ok(backlog > 1 << 20, `backlog ${backlog}`);
    assert.equal(server.backlogBytes(), backlog);
    const ended = statusOf(call);
    connection.close(new Fault("slow_reader", "events are not being read"));
    const { code } = await ended;
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    while (server.backlogBytes() > 0) await new Promise(setImmediate);
  });

  it("has no backlog once a reader has caught up", async () => {
    const call = client.stream();
    const started = nextMessage("start");
    call.write(config);
    const connection = await started;
    connection.send(sampleEvent("score"));
    assert.ok(connection.backlogBytes() > 100);
    await once(call, "data");
    await quiet(() => connection.backlogBytes());
    assert.equal(connection.backlogBytes(), 0);
    connection.close();
    await collect(call);
  });

  it("swallows what is sent to a call that is over", async () => {
    const call = client.stream();
    const visited = nextVisit();
    call.write(config);
    const { connection, ended } = await visited;
    const over = statusOf(call);
    call.cancel();
    await over;
    await ended;
    connection.send(sampleEvent("score"));
    connection.close(new Fault("internal", "x"));
    connection.send(sampleEvent("score"));
  });

  it("can be refused before anything is read", async () => {
    host.reads = false;
    host.onVisit = ({ connection }) =>
      connection.close(new Fault("at_capacity", "full", { retryAfterMs: 1000 }));
    const call = client.stream();
    call.write(config);
    const { events, ended } = await collect(call);
    assert.deepEqual(events, []);
    assert.equal(ended.code, status.UNAVAILABLE);
  });
});

/** Resolves once a number has stopped changing for a while. */
async function quiet(read: () => number): Promise<void> {
  for (let last = -1, same = 0; same < 5;) {
    await new Promise((resolve) => setTimeout(resolve, 40));
    const now = read();
    same = now === last ? same + 1 : 0;
    last = now;
  }
}

function assertRich(metadata: Parameters<typeof richDetails>[0], code: FaultCode, message: string): void {
  const { status: rich, info, retryDelay } = richDetails(metadata);
  assert.equal(rich["code"], grpcStatus[code]);
  assert.equal(rich["message"], message);
  assert.equal(info["reason"], code.toUpperCase());
  assert.equal(info["domain"], "earwitness");
  const retryable = String(new Fault(code, "").retryable);
  assert.deepEqual(inner(info, "metadata"), { field: "x", limit: "7", retryable });
  assert.deepEqual({ ...retryDelay }, { seconds: 1, nanos: 500_000_000 });
}

describe("WatchSession", () => {
  it("follows a session or a call until the host ends it", async () => {
    host.onWatch = (_, sink) => {
      sink.send(sampleEvent("ready"));
      sink.send(sampleEvent("state", 1));
      sink.close();
    };
    for (const target of [{ session_id: "s-1" }, { call_id: "c-1" }]) {
      const { events, ended } = await collect(client.watch(target));
      assert.deepEqual(
        events.map(({ event }) => event),
        ["ready", "state"],
      );
      assert.equal(ended.code, status.OK);
    }
    assert.deepEqual(
      host.watched.map(({ target }) => target),
      [
        { kind: "session", sessionId: "s-1" },
        { kind: "call", callId: "c-1" },
      ],
    );
  });

  it("stops watching when the watcher leaves", async () => {
    const watching = new Promise<void>((resolve) => {
      host.onWatch = (_, sink) => {
        sink.send(sampleEvent("ready"));
        resolve();
      };
    });
    const call = client.watch({ session_id: "s-1" });
    await Promise.all([watching, once(call, "data")]);
    const left = statusOf(call);
    call.cancel();
    await left;
    const [watcher] = host.watched;
    assert.ok(watcher);
    while (!watcher.stopped) await new Promise(setImmediate);
  });

  for (const code of faultCodes)
    it(`ends with ${status[grpcStatus[code]]} for ${code}`, async () => {
      host.onWatch = () => {
        throw new Fault(code, "no", { retryAfterMs: 1500, details: { field: "x", limit: 7 } });
      };
      const { events, ended } = await collect(client.watch({ session_id: "s-1" }));
      assert.deepEqual(
        events.map((event) => inner(event, "error")["code"]),
        [code],
      );
      assert.equal(ended.code, grpcStatus[code]);
      assertRich(ended.metadata, code, "no");
    });

  it("needs a target", async () => {
    const { ended } = await collect(client.watch({}));
    assert.equal(ended.code, status.INVALID_ARGUMENT);
  });
});

const ready = sampleBodies[0];
const summary = sampleBodies.find(({ type }) => type === "summary");
assert.ok(ready?.type === "ready" && summary?.type === "summary");
const snapshot: SessionSnapshot = {
  sessionId: "s-1",
  transport: "websocket",
  tMediaMs: millis(60_000),
  ready,
  channels: summary.channels,
};

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

describe("the unary methods", () => {
  it("describe a session, running or ended", async () => {
    host.onSession = () => snapshot;
    const running = await client.call("GetSession", { session_id: "s-1" });
    assert.equal(running["session_id"], "s-1");
    assert.equal(running["call_id"], "call-7");
    assert.equal(running["transport"], "websocket");
    assert.equal(running["started_at"], ready.startedAt);
    assert.equal(running["t_media_ms"], 60_000);
    assert.equal(running["ended"], undefined);
    assert.equal(running["ended_by"], undefined);
    assert.equal(inner(running, "detection")["hop_ms"], 1000);
    assert.ok(Array.isArray(running["channels"]) && running["channels"].length === 2);
    host.onSession = () => ({ ...snapshot, summary });
    const over = await client.call("GetSession", { session_id: "s-1" });
    assert.equal(over["ended"], true);
    assert.equal(over["ended_by"], "ENDED_BY_DRAIN");
  });

  it("list the sessions, all or of one call", async () => {
    host.snapshots = [snapshot, { ...snapshot, sessionId: "s-2", ready: { ...ready, callId: null } }];
    const ids = async (request: Plain) => {
      const { sessions = [] } = await client.call("ListSessions", request);
      assert.ok(Array.isArray(sessions));
      return sessions.map((session: Plain) => session["session_id"]);
    };
    assert.deepEqual(await ids({}), ["s-1", "s-2"]);
    assert.deepEqual(await ids({ call_id: "call-7" }), ["s-1"]);
    assert.deepEqual(await ids({ call_id: "nobody" }), []);
  });

  it("list the models", async () => {
    const { models } = await client.call("ListModels", {});
    assert.deepEqual(JSON.parse(JSON.stringify(models)), [
      {
        id: "default",
        version: "1.2.3",
        digest: "ab12",
        family: "compact",
        licence: "Apache-2.0",
        sample_rate: 16_000,
        window_ms: 4000,
        provider: "cpu",
        default: true,
      },
    ]);
  });

  it("detect a recording in a container or as bare samples, with the client's settings", async () => {
    host.onDetect = () =>
      Promise.resolve({
        model: "default",
        channels: [
          {
            channel: 0,
            state: "suspect",
            reason: null,
            llr: 1.5,
            pSpoof: 0.8,
            speechMs: millis(3000),
            windows: [
              {
                startMs: millis(0),
                endMs: millis(4000),
                speechMs: millis(3000),
                llr: 1.5,
                pSpoof: null,
                verdict: "undecided",
                reason: "low_quality",
              },
            ],
          },
        ],
      });
    const content = Buffer.from("RIFF");
    const found = await client.call("Detect", { content, detection: { hop_ms: 500, model: "other" } });
    assert.deepEqual(JSON.parse(JSON.stringify(found)), {
      model: "default",
      channels: [
        {
          state: "CHANNEL_STATE_SUSPECT",
          llr: 1.5,
          _llr: "llr",
          p_spoof: 0.8,
          _p_spoof: "p_spoof",
          speech_ms: 3000,
          windows: [
            {
              end_ms: 4000,
              speech_ms: 3000,
              llr: 1.5,
              _llr: "llr",
              verdict: "VERDICT_UNDECIDED",
              reason: "REASON_LOW_QUALITY",
            },
          ],
        },
      ],
    });
    await client.call("Detect", { content, audio: mulaw });
    assert.deepEqual(host.asked, [
      { recording: { content }, detection: { hopMs: 500, model: "other" } },
      {
        recording: {
          content,
          bare: { encoding: "pcm_mulaw", sampleRate: 8000, channels: 1 },
        },
        detection: {},
      },
    ]);
  });

  it("refuse bare samples that are not described and settings that cannot be", async () => {
    const content = Buffer.of(1);
    for (const field of ["encoding", "sample_rate"]) {
      const audio: Plain = { ...mulaw, [field]: 0 };
      const error = await failure(client.call("Detect", { content, audio }));
      assert.equal(error.code, status.INVALID_ARGUMENT);
      assert.match(error.details, new RegExp(field));
    }
    const error = await failure(client.call("Detect", { content, detection: { hop_ms: 3 } }));
    assert.equal(error.code, status.INVALID_ARGUMENT);
    assert.match(error.details, /hop_ms/);
  });

  it("refuse a recording over the limit", async () => {
    const small = await createGrpcServer(host, { host: "127.0.0.1", port: 0, maxRecordingBytes: 100 });
    const proto = new ProtoClient(small.address);
    const error = await failure(proto.call("Detect", { content: Buffer.alloc(101) }));
    assert.equal(error.code, status.RESOURCE_EXHAUSTED);
    assert.equal(richDetails(error.metadata).info["reason"], "MESSAGE_TOO_LARGE");
    await proto.call("Detect", { content: Buffer.alloc(100) });
    proto.close();
    await small.close(0);
    const error16 = await failure(client.call("Detect", { content: Buffer.alloc((16 << 20) + 1) }));
    assert.equal(error16.code, status.RESOURCE_EXHAUSTED);
  });

  for (const code of faultCodes)
    it(`fail with ${status[grpcStatus[code]]} for ${code}`, async () => {
      host.onSession = () => {
        throw new Fault(code, "no", { retryAfterMs: 1500, details: { field: "x", limit: 7 } });
      };
      const error = await failure(client.call("GetSession", { session_id: "s-1" }));
      assert.equal(error.code, grpcStatus[code]);
      assert.equal(error.details, "no");
      assertRich(error.metadata, code, "no");
    });

  it("tell a client nothing of a bug, and the operator everything", async () => {
    const bug = new TypeError("secret of the house");
    host.onDetect = () => Promise.reject(bug);
    const error = await failure(client.call("Detect", { content: Buffer.of(1) }));
    assert.equal(error.code, status.INTERNAL);
    assert.doesNotMatch(JSON.stringify(error), /secret/);
    assert.deepEqual(bugs, [bug]);
  });

  it("abort the detection when the client cancels or its deadline passes", async () => {
    const detecting = () =>
      new Promise<AbortSignal>((resolve) => {
        host.onDetect = (_, signal) => {
          resolve(signal);
          return new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => reject(new PeerLost("gone")));
          });
        };
      });
    const controller = new AbortController();
    const begun = detecting();
    const cancelled = failure(client.call("Detect", { content: Buffer.of(1) }, undefined, controller.signal));
    const signal = await begun;
    controller.abort();
    assert.equal((await cancelled).code, status.CANCELLED);
    await aborted(signal);
    const begunAgain = detecting();
    const late = failure(client.call("Detect", { content: Buffer.of(1) }, new Date(Date.now() + 150)));
    const other = await begunAgain;
    assert.equal((await late).code, status.DEADLINE_EXCEEDED);
    await aborted(other);
    assert.ok(other.reason instanceof PeerLost);
    assert.deepEqual(bugs, []);
  });
});

describe("health and reflection", () => {
  const check = (service: string) => checkHealth(server.address, service);

  it("serve until told otherwise, as a whole and as the service", async () => {
    for (const service of ["", "earwitness.v1.SpoofDetection"]) {
      assert.equal(await check(service), "SERVING");
      server.setServing(false);
      assert.equal(await check(service), "NOT_SERVING");
      server.setServing(true);
    }
    assert.equal((await failure(check("nobody"))).code, status.NOT_FOUND);
  });

  it("start as not serving when the host accepts nobody", async () => {
    host.accepting = false;
    const other = await createGrpcServer(host, { host: "127.0.0.1", port: 0 });
    assert.equal(await checkHealth(other.address), "NOT_SERVING");
    await other.close(0);
  });

  it("list the services and give the file of a symbol, its imports and optional fields with it", async () => {
    const { path, requestSerialize, responseDeserialize } = reflectionInfo();
    const tool = new Client(server.address, credentials.createInsecure());
    const call = tool.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const ask = async (request: Plain): Promise<Plain> => {
      call.write(request);
      const [answer] = (await once(call, "data")) as [Plain];
      return answer;
    };
    const listed = await ask({ listServices: "" });
    const services = inner(listed, "listServicesResponse")["service"] as Plain[];
    assert.deepEqual(services.map(({ name }) => name).sort(), [
      "earwitness.v1.SpoofDetection",
      "grpc.health.v1.Health",
    ]);
    const found = await ask({ fileContainingSymbol: "earwitness.v1.SpoofDetection" });
    const files = inner(found, "fileDescriptorResponse")["fileDescriptorProto"] as Uint8Array[];
    const names = files.map((bytes) => fromBinary(FileDescriptorProtoSchema, Uint8Array.from(bytes)));
    assert.deepEqual(names.map(({ name }) => name).sort(), [
      "earwitness/v1/earwitness.proto",
      "google/protobuf/struct.proto",
    ]);
    const score = names.flatMap(({ messageType }) => messageType).find(({ name }) => name === "Score");
    assert.equal(score?.field.find(({ name }) => name === "llr")?.proto3Optional, true);
    call.end();
    await once(call, "end");
    tool.close();
  });
});

describe("closing the server", () => {
  it("lets a running call end within the grace, refuses new ones, and is idempotent", async () => {
    const call = client.stream();
    const started = nextMessage("start");
    call.write(config);
    const connection = await started;
    const closing = server.close(5000);
    assert.equal(server.close(0), closing);
    const late = new ProtoClient(server.address);
    assert.equal((await failure(late.call("ListModels", {}))).code, status.UNAVAILABLE);
    late.close();
    connection.send(sampleEvent("summary"));
    connection.close();
    const { events, ended } = await collect(call);
    assert.equal(events.length, 1);
    assert.equal(ended.code, status.OK);
    await closing;
  });

  it("cuts off what outlives the grace", async () => {
    const call = client.stream();
    const visited = nextVisit();
    const started = nextMessage("start");
    call.write(config);
    await started;
    const ended = statusOf(call);
    await server.close(50);
    await ended;
    assert.ok((await (await visited).ended) instanceof PeerLost);
  });

  it("says where it was bound, and fails when it cannot be", async () => {
    assert.match(server.address, /^127\.0\.0\.1:\d+$/);
    const port = Number(server.address.split(":")[1]);
    await assert.rejects(createGrpcServer(host, { host: "127.0.0.1", port }));
  });
});
