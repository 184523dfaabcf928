import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type Metadata, status } from "@grpc/grpc-js";
import {
  type ErrorInfo,
  ErrorInfoSchema,
  RetryInfoSchema,
  StatusSchema,
} from "../../src/gen/google/rpc/status_pb.ts";
import { cancelledError, connectionError, EarwitnessError, type Failure } from "./error.ts";

/** How a call ended. */
export interface CallStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** A call's bad end: by the fault's name in its details, or by what the status itself means when there are none. */
export function toGrpcError(ended: CallStatus): EarwitnessError {
  const failure = readDetails(ended.metadata, ended.details);
  if (failure) return new EarwitnessError(failure, { cause: ended });
  switch (ended.code) {
    case status.UNAVAILABLE as number:
      return connectionError("connection_failed", ended.details, ended);
    case status.CANCELLED as number:
      return cancelledError(ended);
    // grpc-js answers so by itself, without details, above the server's limit.
    case status.RESOURCE_EXHAUSTED as number:
      return toError("message_too_large", false, ended);
    case status.UNIMPLEMENTED as number:
      return toError("unimplemented", false, ended);
    default:
      return toError("internal", true, ended);
  }
}

const toError = (code: string, retryable: boolean, cause: CallStatus): EarwitnessError =>
  new EarwitnessError({ code, message: cause.details, retryable }, { cause });

function readDetails(metadata: Metadata, message: string): Failure | undefined {
  const [wire] = metadata.get("grpc-status-details-bin");
  if (!(wire instanceof Buffer)) return undefined;
  const details = fromBinary(StatusSchema, wire).details;
  const info = details.flatMap((any) => anyUnpack(any, ErrorInfoSchema) ?? [])[0];
  if (info?.domain !== "earwitness") return undefined;
  const [retry] = details.flatMap((any) => anyUnpack(any, RetryInfoSchema) ?? []);
  const delay = retry?.retryDelay;
  return {
    ...toFailure(info, message),
    ...(delay && { retry_after_ms: Number(delay.seconds) * 1000 + delay.nanos / 1e6 }),
  };
}

function toFailure({ reason, metadata }: ErrorInfo, message: string): Failure {
  const { retryable, ...details } = metadata;
  return {
    code: reason.toLowerCase(),
    message,
    retryable: retryable === "true",
    ...(Object.keys(details).length > 0 && { details }),
  };
}
