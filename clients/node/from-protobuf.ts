import type { DescEnum, DescField, DescMessage, Message } from "@bufbuild/protobuf";
import type { SessionEvent as WireEvent } from "../../src/gen/earwitness/v1/earwitness_pb.ts";
import { ErrorSchema, SessionEventSchema } from "../../src/gen/earwitness/v1/earwitness_pb.ts";
import type { SessionEvent } from "./events.ts";

/** Only an `error`, and a `seed`, leaves out what it does not say; everywhere else JSON says `null`. */
const leavesOut = (schema: DescMessage, field: DescField): boolean =>
  schema.typeName === ErrorSchema.typeName || field.name === "seed";

/**
 * A message as the object that it is in JSON: fields by the names of the .proto, enumerations by their short names in
 * lower case, 64-bit integers as numbers (samples and milliseconds stay far below 2⁵³), what is unset as `null`.
 */
export function toPlain(schema: DescMessage, message: Message): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const field of schema.fields) {
    const value = toPlainField(field, Reflect.get(message, field.localName));
    if (value === undefined) continue;
    if (value !== null || !leavesOut(schema, field)) plain[field.name] = value;
  }
  return plain;
}

function toPlainField(field: DescField, value: unknown): unknown {
  switch (field.fieldKind) {
    case "scalar":
      return value === undefined ? null : toPlainScalar(value);
    case "enum":
      return toName(field.enum, value);
    case "message":
      return value === undefined ? undefined : toPlainMessage(field.message, value);
    case "list":
      return toPlainList(field, value);
    case "map":
      return { ...(isObject(value) ? value : {}) };
  }
}

function toPlainList(field: DescField & { fieldKind: "list" }, value: unknown): readonly unknown[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  switch (field.listKind) {
    case "scalar":
      return items.map(toPlainScalar);
    case "enum":
      return items.map((item) => toName(field.enum, item));
    case "message":
      return items.map((item) => toPlainMessage(field.message, item));
  }
}

/** A google.protobuf.Struct is JSON already. */
const toPlainMessage = (schema: DescMessage, value: unknown): unknown =>
  isMessage(value) ? toPlain(schema, value) : value;

const toPlainScalar = (value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);

const toName = (descriptor: DescEnum, value: unknown): string | null =>
  typeof value !== "number" || value === 0
    ? null
    : (descriptor.value[value]?.localName.toLowerCase() ?? String(value));

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const isMessage = (value: unknown): value is Message => isObject(value) && "$typeName" in value;

/** An event as a WebSocket client gets it; `undefined` for a kind that this client does not know. */
export function toEvent(wire: WireEvent): SessionEvent | undefined {
  const field = SessionEventSchema.fields.find(({ localName }) => localName === wire.event.case);
  if (field?.fieldKind !== "message" || wire.event.value === undefined) return undefined;
  const event: unknown = {
    type: field.name,
    seq: Number(wire.seq),
    session_id: wire.sessionId,
    t_media_ms: Number(wire.tMediaMs),
    ...toPlain(field.message, wire.event.value),
  };
  // The descriptors that drive the conversion are the same .proto that SessionEvent describes; tests hold them together.
  return event as SessionEvent;
}
