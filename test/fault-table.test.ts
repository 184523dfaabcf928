import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { status } from "@grpc/grpc-js";
import { systemClock } from "../src/server/clock.ts";
import { createGrpcServer } from "../src/server/grpc/server.ts";
import type { Host } from "../src/server/host-port.ts";
import { listenHttp } from "../src/server/http/listener.ts";
import { createRouter } from "../src/server/http/router.ts";
import { defaultLimits } from "../src/server/limits.ts";
import { createLog } from "../src/server/log.ts";
import { createMetrics } from "../src/server/metrics.ts";
import { createWebSocketDoor } from "../src/server/websocket/transport.ts";
import { Fault, type FaultCode, faultCodes } from "../src/stream/errors.ts";
import { connect } from "./support/fake-server.ts";
import { ProtoClient } from "./support/grpc-client.ts";

/** The published table, written out a second time: fault, WebSocket close code, gRPC status, HTTP status. */
const published: Record<FaultCode, readonly [number, keyof typeof status, number | undefined]> = {
  bad_message: [4400, "INVALID_ARGUMENT", 400],
  audio_before_start: [4412, "FAILED_PRECONDITION", 409],
  unsupported_audio: [4415, "UNIMPLEMENTED", 415],
  undecodable_audio: [4422, "DATA_LOSS", 422],
  message_too_large: [1009, "RESOURCE_EXHAUSTED", 413],
  too_fast: [4429, "RESOURCE_EXHAUSTED", 429],
  slow_reader: [4429, "RESOURCE_EXHAUSTED", undefined],
  start_timeout: [4408, "DEADLINE_EXCEEDED", 408],
  idle: [4408, "DEADLINE_EXCEEDED", 408],
  session_too_long: [4408, "DEADLINE_EXCEEDED", 408],
  unauthenticated: [4401, "UNAUTHENTICATED", 401],
  forbidden: [4403, "PERMISSION_DENIED", 403],
  unknown_session: [4404, "NOT_FOUND", 404],
  unknown_model: [4404, "NOT_FOUND", 404],
  duplicate_session: [4409, "ALREADY_EXISTS", 409],
  unimplemented: [4415, "UNIMPLEMENTED", 501],
  at_capacity: [1013, "UNAVAILABLE", 503],
  draining: [1012, "UNAVAILABLE", 503],
  internal: [1011, "INTERNAL", 500],
};

/** A host that answers everything with the fault that the id names. */
function failingHost(): Host {
  const raise = (code: string): never => {
    const known = faultCodes.find((candidate) => candidate === code);
    throw new Fault(known ?? "internal", "as asked", { retryAfterMs: 1500, details: { field: "x" } });
  };
  return {
    accepting: true,
    accept: () => raise("internal"),
    watch: (target) => raise(target.kind === "session" ? target.sessionId : target.callId),
    session: raise,
    sessions: () => [],
    models: () => [],
    detect: () => raise("internal"),
    drain: () => Promise.resolve(),
  };
}

async function doors(t: TestContext) {
  const host = failingHost();
  const metrics = createMetrics(defaultLimits);
  const door = createWebSocketDoor({ host, limits: defaultLimits, clock: systemClock, allowedOrigins: [] });
  const parts = { host, limits: defaultLimits, metrics, log: createLog("silent"), pages: new Map() };
  const http = await listenHttp({ host: "127.0.0.1", port: 0 }, createRouter(parts), door);
  const grpc = await createGrpcServer(host, { host: "127.0.0.1", port: 0, onBug: () => undefined });
  t.after(async () => {
    metrics.close();
    await door.close();
    await http.close();
    await grpc.close(0);
  });
  return { http: http.url, ws: http.url.replace("http", "ws"), grpc: grpc.address };
}

describe("every fault", () => {
  it("is in the table, and the table holds no other", () => {
    assert.deepEqual(Object.keys(published), faultCodes);
  });

  it("closes a WebSocket with its code and its name, after an error event", async (t) => {
    const { ws } = await doors(t);
    for (const code of faultCodes) {
      const client = await connect(t, `${ws}/v1/sessions/${code}/events`);
      assert.deepEqual(await client.closed, { code: published[code][0], reason: code.toUpperCase() });
      assert.deepEqual([client.events[0]?.["type"], client.events[0]?.["code"]], ["error", code]);
      assert.deepEqual(client.events[0]?.["details"], { field: "x" });
      assert.equal(client.events[0]["retry_after_ms"], 1500);
    }
  });

  it("answers HTTP with its status and its name", async (t) => {
    const { http } = await doors(t);
    for (const code of faultCodes) {
      const response = await fetch(`${http}/v1/sessions/${code}`);
      const wanted = published[code][2];
      if (wanted !== undefined) assert.equal(response.status, wanted, code);
      assert.equal(response.headers.get("retry-after"), "2");
      // The shape is what is being tested.
      const body = (await response.json()) as Record<string, unknown>;
      assert.deepEqual([body["code"], body["message"]], [code, "as asked"]);
    }
  });

  it("ends a gRPC call with its status", async (t) => {
    const { grpc } = await doors(t);
    const client = new ProtoClient(grpc);
    t.after(() => {
      client.close();
    });
    for (const code of faultCodes) {
      await assert.rejects(client.call("GetSession", { session_id: code }), {
        code: status[published[code][1]],
      });
    }
  });
});
