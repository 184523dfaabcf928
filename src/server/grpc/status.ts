import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack, DurationSchema } from "@bufbuild/protobuf/wkt";
import { Metadata, status, type StatusObject } from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { Fault, FaultCode } from "../../stream/errors.ts";

/** Every fault in gRPC's terms. */
export const grpcStatus = {
  bad_message: status.INVALID_ARGUMENT,
  audio_before_start: status.FAILED_PRECONDITION,
  unsupported_audio: status.UNIMPLEMENTED,
  undecodable_audio: status.DATA_LOSS,
  message_too_large: status.RESOURCE_EXHAUSTED,
  too_fast: status.RESOURCE_EXHAUSTED,
  slow_reader: status.RESOURCE_EXHAUSTED,
  start_timeout: status.DEADLINE_EXCEEDED,
  idle: status.DEADLINE_EXCEEDED,
  session_too_long: status.DEADLINE_EXCEEDED,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  unknown_session: status.NOT_FOUND,
  unknown_model: status.NOT_FOUND,
  duplicate_session: status.ALREADY_EXISTS,
  unimplemented: status.UNIMPLEMENTED,
  at_capacity: status.UNAVAILABLE,
  draining: status.UNAVAILABLE,
  internal: status.INTERNAL,
} as const satisfies Record<FaultCode, status>;

/** The trailing metadata key under which every gRPC runtime looks for a google.rpc.Status. */
const detailsKey = "grpc-status-details-bin";
/** The `domain` of our ErrorInfo. */
const domain = "earwitness";

/** The status that ends a call: the code, the message, and both again with the fault's name as google.rpc details. */
export function toStatus(fault: Fault): StatusObject {
  const code = grpcStatus[fault.code];
  // A lone surrogate cannot be written in UTF-8, and grpc-js throws over it while the trailers are being sent.
  const message = fault.message.replace(/\p{Surrogate}/gu, "\ufffd");
  const details = [anyPack(ErrorInfoSchema, errorInfo(fault))];
  if (fault.retryAfterMs !== undefined) details.push(anyPack(RetryInfoSchema, retryInfo(fault.retryAfterMs)));
  const metadata = new Metadata();
  metadata.set(
    detailsKey,
    Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code, message, details }))),
  );
  return { code, details: message, metadata };
}

function errorInfo(fault: Fault) {
  const metadata: Record<string, string> = { retryable: String(fault.retryable) };
  for (const [name, value] of Object.entries(fault.details ?? {})) metadata[name] = String(value);
  return create(ErrorInfoSchema, { reason: fault.code.toUpperCase(), domain, metadata });
}

function retryInfo(retryAfterMs: number) {
  const seconds = Math.floor(retryAfterMs / 1000);
  const nanos = Math.round((retryAfterMs - seconds * 1000) * 1e6);
  return create(RetryInfoSchema, {
    retryDelay: create(DurationSchema, { seconds: BigInt(seconds), nanos }),
  });
}
