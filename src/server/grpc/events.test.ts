import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DescMessage, fromBinary, type MessageShape, toBinary, toJson } from "@bufbuild/protobuf";
import { sampleBodies, toEvent } from "../../../test/support/sample-events.ts";
import { SessionEventSchema } from "../../gen/earwitness/v1/earwitness_pb.ts";
import { eventKinds } from "../../stream/events.ts";
import { toJson as toWebSocketJson } from "../wire-json.ts";
import { toWireEvent } from "./events.ts";

/** A message through its bytes, with the field names of the .proto and every number as a number. */
function throughBytes<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): unknown {
  const decoded = fromBinary(schema, toBinary(schema, message));
  return numbers(toJson(schema, decoded, { useProtoFieldName: true, alwaysEmitImplicit: true }));
}

/** Protobuf's JSON writes 64-bit integers as text and enumerations by their long names. */
function numbers(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) return value.map((inner) => numbers(inner, key));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, numbers(inner, name)]));
  if (typeof value === "string" && /^(seq|.*_ms|.*_sample)$/.test(key)) return Number(value);
  if (typeof value === "string" && enumerations.has(key)) {
    const name = value.replace(
      /^(VERDICT|CHANNEL_STATE|REASON|STATUS|CAUSE|CODE|ENDED_BY|ENCODING|FRAMING)_/,
      "",
    );
    return name === "UNSPECIFIED" ? null : name.toLowerCase();
  }
  return value;
}

const enumerations = new Set(
  "verdict state from to reason status cause code ended_by encoding framing".split(" "),
);

/** JSON says `null` where protobuf leaves a field out. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) =>
      inner === null && name !== "metadata"
        ? []
        : [[name, name === "metadata" ? inner : withoutNulls(inner)]],
    ),
  );
}

describe("an event on the gRPC wire", () => {
  for (const [index, body] of sampleBodies.entries()) {
    it(`says all that the JSON says, by the same names: ${body.type} (${index})`, () => {
      const event = toEvent(body, index);
      const { type, ...json } = JSON.parse(toWebSocketJson(event)) as Record<string, unknown>;
      const { seq, session_id, t_media_ms, ...fields } = json;
      const expected = withoutNulls({ seq, session_id, t_media_ms, [String(type)]: fields });
      assert.deepEqual(withoutNulls(throughBytes(SessionEventSchema, toWireEvent(event))), expected);
    });
  }

  it("has a sample of every kind", () => {
    assert.deepEqual(new Set(sampleBodies.map(({ type }) => type)), new Set(eventKinds));
  });

  it("leaves unset what JSON says with null, so that no probability can be read from an undecided window", () => {
    const undecided = sampleBodies.find((body) => body.type === "score" && body.verdict === "undecided");
    assert.ok(undecided);
    const { event } = fromBinary(
      SessionEventSchema,
      toBinary(SessionEventSchema, toWireEvent(toEvent(undecided))),
    );
    assert.ok(event.case === "score");
    assert.equal(event.value.pSpoof, undefined);
    assert.equal(event.value.llr, undefined);
    assert.equal(event.value.rolling?.pSpoof, undefined);
  });

  it("carries metadata of any depth and leaves out what is not JSON", () => {
    const [ready] = sampleBodies;
    assert.ok(ready?.type === "ready");
    const metadata = {
      deep: { a: [{ b: 1 }] },
      bad: Number.NaN,
      worse: () => 1,
      absent: undefined,
      text: "ü",
    };
    const { event } = toWireEvent(toEvent({ ...ready, metadata }));
    assert.ok(event.case === "ready");
    assert.deepEqual(event.value.metadata, { deep: { a: [{ b: 1 }] }, text: "ü" });
  });

  it("carries metadata under any name", () => {
    const [ready] = sampleBodies;
    assert.ok(ready?.type === "ready");
    const text = '{"__proto__":{"a":1},"constructor":"b"}';
    const metadata = JSON.parse(text) as Record<string, unknown>;
    const wire = toWireEvent(toEvent({ ...ready, metadata }));
    const { event } = fromBinary(SessionEventSchema, toBinary(SessionEventSchema, wire));
    assert.ok(event.case === "ready");
    assert.equal(JSON.stringify(event.value.metadata), text);
  });
});
