import type { ClientReadableStream } from "@grpc/grpc-js";
import { type SessionEvent as WireEvent, SpoofDetection } from "../../src/gen/earwitness/v1/earwitness_pb.ts";
import { cancelledError, connectionError, EarwitnessError } from "./error.ts";
import { toEvent } from "./from-protobuf.ts";
import { GrpcChannel } from "./grpc-channel.ts";
import { type CallStatus, toGrpcError } from "./grpc-status.ts";
import type { Address, StartOptions } from "./options.ts";
import { request, toConfig, toControl, toPacket } from "./to-protobuf.ts";
import type { EventWire, SessionWire, WireListener } from "./wire.ts";

type GrpcAddress = Extract<Address, { transport: "grpc" }>;

/** Opens one session over gRPC. */
export function openGrpcSession(
  address: GrpcAddress,
  token: string | undefined,
  start: StartOptions,
  listener: WireListener,
): SessionWire {
  const channel = new GrpcChannel(address, token);
  const call = channel.duplex(SpoofDetection.method.streamingDetect);
  let over = false;
  const events = listen(call, listener, () => {
    over = true;
    channel.close();
    call.emit("drain");
  });
  const write = (message: Parameters<typeof call.write>[0]): boolean => over || call.write(message);
  write(request({ case: "config", value: toConfig(start) }));
  return {
    ...events,
    audio: (chunk) => write(request({ case: "audio", value: chunk })),
    packet: (packet) => write(toPacket(packet)),
    control: (control) => void write(toControl(control)),
    finish: () => {
      if (!over) call.end();
    },
    drained: () =>
      new Promise((resolve) => {
        if (over || !call.writableNeedDrain) resolve();
        else call.once("drain", resolve);
      }),
  };
}

/** Watches a session or a call over gRPC. */
export function openGrpcWatch(
  address: GrpcAddress,
  token: string | undefined,
  target: { readonly sessionId: string } | { readonly callId: string },
  listener: WireListener,
): EventWire {
  const channel = new GrpcChannel(address, token);
  const call = channel.download(SpoofDetection.method.watchSession, {
    target:
      "sessionId" in target
        ? { case: "sessionId", value: target.sessionId }
        : { case: "callId", value: target.callId },
  });
  return listen(call, listener, () => channel.close());
}

function listen(
  call: ClientReadableStream<WireEvent>,
  listener: WireListener,
  onOver: () => void,
): EventWire {
  let failure: EarwitnessError | undefined;
  let aborted = false;
  let heard = false;
  call.on("data", (wire: WireEvent) => {
    heard = true;
    const event = toEvent(wire);
    if (event === undefined) return;
    if (event.type === "error") failure = new EarwitnessError(event);
    listener.onEvent(event);
  });
  // The status says the same and comes in every case, the error only in bad ones.
  call.on("error", () => undefined);
  call.on("status", (ended: CallStatus) => {
    onOver();
    if (aborted) listener.onEnd(cancelledError());
    else if (ended.code === 0) listener.onEnd();
    else listener.onEnd(failure ?? toLostError(ended, heard));
  });
  return {
    hold: () => void call.pause(),
    release: () => void call.resume(),
    abort: () => {
      aborted = true;
      call.cancel();
    },
  };
}

function toLostError(ended: CallStatus, heard: boolean): EarwitnessError {
  const error = toGrpcError(ended);
  if (!heard || error.code !== "connection_failed") return error;
  return connectionError("connection_lost", error.message, error.cause);
}
