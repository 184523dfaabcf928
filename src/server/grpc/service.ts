import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { handleBidiStreamingCall, handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import {
  type DetectRequest,
  ListModelsResponseSchema,
  ListSessionsResponseSchema,
  SpoofDetection,
  type WatchSessionRequest,
} from "../../gen/earwitness/v1/earwitness_pb.ts";
import { Fault } from "../../stream/errors.ts";
import { PeerLost } from "../connection.ts";
import { refuseWatcher } from "../fault-events.ts";
import type { Host, Recording, WatchTarget } from "../host-port.ts";
import { parseDetection } from "../start.ts";
import type { Parsed } from "./definition.ts";
import { toDetection } from "./dialect.ts";
import { encodingNumbers, nameOf } from "./names.ts";
import { toStatus } from "./status.ts";
import { CallSink, createConnection, type SinkOptions, type StreamingCall } from "./transport.ts";
import { toWireModel, toWireOutcome, toWireSession } from "./views.ts";

export interface ServiceOptions extends SinkOptions {
  readonly maxRecordingBytes: number;
  readonly maxMetadataBytes: number;
  /** Told of every failure that nobody foresaw; the client learns only `internal`. */
  readonly onBug: (cause: unknown) => void;
}

type Methods = typeof SpoofDetection.method;
type Request<Name extends keyof Methods> = Parsed<MessageShape<Methods[Name]["input"]>>;
type Unary<Name extends keyof Methods> = handleUnaryCall<Request<Name>, Uint8Array>;

/** A handler for each method of the service. */
export type Handlers = {
  readonly [Name in keyof Methods]: Methods[Name]["methodKind"] extends "bidi_streaming"
    ? handleBidiStreamingCall<Request<Name>, Uint8Array>
    : Methods[Name]["methodKind"] extends "server_streaming"
      ? handleServerStreamingCall<Request<Name>, Uint8Array>
      : Unary<Name>;
};

/** The service's methods in terms of the host. */
export function createHandlers(host: Host, options: ServiceOptions): Handlers {
  const { onBug, maxMetadataBytes, maxRecordingBytes } = options;
  const { method } = SpoofDetection;
  return {
    streamingDetect: (call: StreamingCall) => {
      host.accept(createConnection(call, maxMetadataBytes, options));
    },
    watchSession: (call) => {
      const sink = new CallSink(call, options);
      try {
        const stop = host.watch(toTarget(accepted(call.request)), sink);
        call.once("cancelled", stop);
      } catch (reason) {
        refuseWatcher(sink, toFault(reason, onBug));
      }
    },
    detect: unary(method.detect.output, onBug, async (request: Request<"detect">, signal) => {
      const wanted = accepted(request);
      const recording = toRecording(wanted, maxRecordingBytes);
      const detection = parseDetection(toDetection(wanted.detection) ?? {});
      return toWireOutcome(await host.detect(recording, detection, signal));
    }),
    getSession: unary(method.getSession.output, onBug, (request: Request<"getSession">) =>
      toWireSession(host.session(accepted(request).sessionId)),
    ),
    listSessions: unary(method.listSessions.output, onBug, (request: Request<"listSessions">) => {
      const { callId } = accepted(request);
      const snapshots = host.sessions(callId === "" ? undefined : callId);
      return create(ListSessionsResponseSchema, { sessions: snapshots.map(toWireSession) });
    }),
    listModels: unary(method.listModels.output, onBug, (request: Request<"listModels">) => {
      accepted(request);
      return create(ListModelsResponseSchema, { models: host.models().map(toWireModel) });
    }),
  };
}

/** A unary handler from a function that may throw; the signal aborts when the client cancels or its deadline passes. */
function unary<In, Out extends DescMessage>(
  output: Out,
  onBug: (cause: unknown) => void,
  answer: (request: In, signal: AbortSignal) => MessageShape<Out> | Promise<MessageShape<Out>>,
): handleUnaryCall<In, Uint8Array> {
  return (call, callback) => {
    const controller = new AbortController();
    const abort = () => controller.abort(new PeerLost("the call was cancelled"));
    call.once("cancelled", abort);
    const run = async () => toBinary(output, await answer(call.request, controller.signal));
    run().then(
      (encoded) => {
        call.off("cancelled", abort);
        callback(null, encoded);
      },
      (reason: unknown) => {
        call.off("cancelled", abort);
        // Who cancelled is told nothing, and its going away is nobody's bug.
        if (!call.cancelled) callback(toStatus(toFault(reason, onBug)));
      },
    );
  };
}

function accepted<T>(request: Parsed<T>): T {
  if (request instanceof Fault) throw request;
  return request;
}

function toFault(reason: unknown, onBug: (cause: unknown) => void): Fault {
  const fault = Fault.from(reason);
  if (fault.code === "internal") onBug(fault.cause ?? fault);
  return fault;
}

function toTarget({ target }: WatchSessionRequest): WatchTarget {
  switch (target.case) {
    case "sessionId":
      return { kind: "session", sessionId: target.value };
    case "callId":
      return { kind: "call", callId: target.value };
    case undefined:
      throw new Fault("bad_message", "target: a session_id or a call_id is needed", {
        details: { field: "target" },
      });
  }
}

function toRecording({ content, audio }: DetectRequest, maxBytes: number): Recording {
  if (content.byteLength > maxBytes)
    throw new Fault("message_too_large", `a recording may have ${maxBytes} bytes`, {
      details: { max_recording_bytes: maxBytes },
    });
  if (audio === undefined) return { content };
  const encoding = nameOf(encodingNumbers, audio.encoding);
  if (encoding === undefined) throw missing("encoding");
  if (audio.sampleRate === 0) throw missing("sample_rate");
  return { content, bare: { encoding, sampleRate: audio.sampleRate, channels: audio.channels || 1 } };
}

const missing = (field: string) =>
  new Fault("bad_message", `audio.${field}: is missing`, { details: { field: `audio.${field}` } });
