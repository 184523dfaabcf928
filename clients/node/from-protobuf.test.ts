import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { sampleBodies, toEvent as toServerEvent } from "../../test/support/sample-events.ts";
import { SessionEventSchema } from "../../src/gen/earwitness/v1/earwitness_pb.ts";
import { toWireEvent } from "../../src/server/grpc/events.ts";
import { toJson } from "../../src/server/wire-json.ts";
import { toEvent } from "./from-protobuf.ts";

describe("an event that came over gRPC", () => {
  const bare = { type: "error", code: "idle", message: "silence", retryable: true } as const;
  for (const [index, body] of [...sampleBodies, bare].entries())
    it(`is the object that a WebSocket would have brought: ${body.type} (${index})`, () => {
      const event = toServerEvent(body, index);
      const bytes = toBinary(SessionEventSchema, toWireEvent(event));
      assert.deepEqual(toEvent(fromBinary(SessionEventSchema, bytes)), JSON.parse(toJson(event)));
    });

  it("is nothing when a later server says what this client does not know", () => {
    assert.equal(toEvent(fromBinary(SessionEventSchema, Uint8Array.of(0x82, 0x06, 0x00))), undefined);
  });
});
