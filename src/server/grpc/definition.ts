import {
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { Fault } from "../../stream/errors.ts";

/** A request as it was parsed, or why it could not be: grpc-js itself would answer INTERNAL to anything thrown there. */
export type Parsed<Request> = Request | Fault;

/** Longest request of each method that is shorter than the server's own limit, in bytes, by the method's local name. */
export type RequestLimits = Readonly<Record<string, number>>;

/** A grpc-js service definition for a protobuf-es service: requests arrive {@link Parsed}, responses leave encoded. */
export function grpcDefinition(service: DescService, limits: RequestLimits): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, grpcMethod(method, limits[method.localName])]),
  );
}

function grpcMethod(method: DescMethod, maxBytes = Infinity): MethodDefinition<unknown, Uint8Array> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: () => {
      throw new TypeError("a server sends no requests");
    },
    requestDeserialize: (wire) => parse(method.input, wire, maxBytes),
    responseSerialize: (encoded) => Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength),
    responseDeserialize: (wire) => wire,
  };
}

/** Decodes one message; too long or malformed becomes a fault, and the bytes of one that is too long are let go. */
export function parse<Desc extends DescMessage>(
  schema: Desc,
  wire: Uint8Array,
  maxBytes: number,
): Parsed<MessageShape<Desc>> {
  if (wire.byteLength > maxBytes)
    return new Fault("message_too_large", `a message may have ${maxBytes} bytes`, {
      details: { max_message_bytes: maxBytes, message_bytes: wire.byteLength },
    });
  try {
    return fromBinary(schema, wire);
  } catch (cause) {
    return new Fault("bad_message", `not a ${schema.typeName}`, { cause });
  }
}
