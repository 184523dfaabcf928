import { create } from "@bufbuild/protobuf";
import {
  type DetectResponse,
  DetectResponseSchema,
  type ServedModel as WireServedModel,
  ServedModelSchema,
  type Session,
  SessionSchema,
} from "../../gen/earwitness/v1/earwitness_pb.ts";
import type { ChannelResult, WindowResult } from "../../stream/recording.ts";
import type { DetectOutcome, ServedModel, SessionSnapshot } from "../host-port.ts";
import { given, toAudioConfig, toChannelSummary, toDetectionInForce, toModel, toStruct } from "./events.ts";
import { endedByNumbers, reasonNumber, stateNumbers, verdictNumbers } from "./names.ts";

/** A session's snapshot as a protobuf message. */
export function toWireSession(snapshot: SessionSnapshot): Session {
  const { sessionId, transport, tMediaMs, ready, channels, summary } = snapshot;
  return create(SessionSchema, {
    sessionId,
    ...given({ callId: ready.callId }),
    startedAt: ready.startedAt,
    transport,
    tMediaMs: BigInt(tMediaMs),
    ended: summary !== undefined,
    ...(summary && { endedBy: endedByNumbers[summary.endedBy] }),
    metadata: toStruct(ready.metadata),
    audio: toAudioConfig(ready.audio),
    model: toModel(ready.model),
    detection: toDetectionInForce(ready.detection),
    channels: channels.map(toChannelSummary),
  });
}

/** A model that the server offers as a protobuf message. */
export function toWireModel(served: ServedModel): WireServedModel {
  const { family, licence, sampleRate, windowMs, provider, isDefault } = served;
  return create(ServedModelSchema, {
    ...toModel(served),
    ...{ family, licence, sampleRate, windowMs, provider, default: isDefault },
  });
}

/** What was found in a recording as a protobuf message. */
export function toWireOutcome({ model, channels, seed }: DetectOutcome): DetectResponse {
  return create(DetectResponseSchema, { model, channels: channels.map(toChannelResult), ...given({ seed }) });
}

const toChannelResult = ({ channel, state, reason, llr, pSpoof, speechMs, windows }: ChannelResult) => ({
  channel,
  state: stateNumbers[state],
  reason: reasonNumber(reason),
  ...given({ llr, pSpoof }),
  speechMs: BigInt(speechMs),
  windows: windows.map(toWindowResult),
});

const toWindowResult = ({ startMs, endMs, speechMs, llr, pSpoof, verdict, reason }: WindowResult) => ({
  startMs: BigInt(startMs),
  endMs: BigInt(endMs),
  speechMs: BigInt(speechMs),
  ...given({ llr, pSpoof }),
  verdict: verdictNumbers[verdict],
  reason: reasonNumber(reason),
});
