import {
  Alert_Status,
  ChannelState,
  Encoding,
  EventKind as WireEventKind,
  Framing,
  Gap_Cause,
  Pace as WirePace,
  Reason,
  Summary_EndedBy,
  Verdict,
  Warning_Code,
} from "../../gen/earwitness/v1/earwitness_pb.ts";
import type { Pace } from "../../stream/commands.ts";
import type {
  AlertBody,
  EndedBy,
  EventKind,
  StateName,
  StateReason,
  VerdictName,
  WarningCode,
} from "../../stream/events.ts";
import type { Framing as FramingName, GapCause, SourceFormat } from "../../stream/ports.ts";

/*
 * Our names and protobuf's numbers for them. Each table is total, so a name that the wire cannot say does not compile.
 */

export const encodingNumbers = {
  pcm_s16le: Encoding.PCM_S16LE,
  pcm_f32le: Encoding.PCM_F32LE,
  pcm_mulaw: Encoding.PCM_MULAW,
  pcm_alaw: Encoding.PCM_ALAW,
  opus: Encoding.OPUS,
  safeear_codes: Encoding.SAFEEAR_CODES,
} as const satisfies Record<SourceFormat["encoding"], Encoding>;

export const framingNumbers = {
  raw: Framing.RAW,
  packet: Framing.PACKET,
  sequenced: Framing.SEQUENCED,
} as const satisfies Record<FramingName, Framing>;

export const paceNumbers = {
  live: WirePace.LIVE,
  file: WirePace.FILE,
} as const satisfies Record<Pace, WirePace>;

export const eventKindNumbers = {
  ready: WireEventKind.READY,
  score: WireEventKind.SCORE,
  state: WireEventKind.STATE,
  alert: WireEventKind.ALERT,
  gap: WireEventKind.GAP,
  warning: WireEventKind.WARNING,
  summary: WireEventKind.SUMMARY,
  error: WireEventKind.ERROR,
} as const satisfies Record<EventKind, WireEventKind>;

export const verdictNumbers = {
  bonafide: Verdict.BONAFIDE,
  spoof: Verdict.SPOOF,
  undecided: Verdict.UNDECIDED,
} as const satisfies Record<VerdictName, Verdict>;

export const stateNumbers = {
  undecided: ChannelState.UNDECIDED,
  bonafide: ChannelState.BONAFIDE,
  suspect: ChannelState.SUSPECT,
  spoof: ChannelState.SPOOF,
} as const satisfies Record<StateName, ChannelState>;

const reasonNumbers = {
  too_little_speech: Reason.TOO_LITTLE_SPEECH,
  no_speech: Reason.NO_SPEECH,
  low_quality: Reason.LOW_QUALITY,
  out_of_domain: Reason.OUT_OF_DOMAIN,
  gap: Reason.GAP,
  overload: Reason.OVERLOAD,
  inconclusive: Reason.INCONCLUSIVE,
} as const satisfies Record<StateReason, Reason>;

/** No reason is protobuf's unset. */
export const reasonNumber = (reason: StateReason | null): Reason =>
  reason === null ? Reason.UNSPECIFIED : reasonNumbers[reason];

export const alertNumbers = {
  raised: Alert_Status.RAISED,
  cleared: Alert_Status.CLEARED,
} as const satisfies Record<AlertBody["status"], Alert_Status>;

export const gapCauseNumbers = {
  loss: Gap_Cause.LOSS,
  dtx: Gap_Cause.DTX,
  discarded: Gap_Cause.DISCARDED,
  paused: Gap_Cause.PAUSED,
  shed: Gap_Cause.SHED,
  undecodable: Gap_Cause.UNDECODABLE,
  worker_lost: Gap_Cause.WORKER_LOST,
  client_declared: Gap_Cause.CLIENT_DECLARED,
} as const satisfies Record<GapCause, Gap_Cause>;

export const warningNumbers = {
  draining: Warning_Code.DRAINING,
  near_max_session: Warning_Code.NEAR_MAX_SESSION,
  uncalibrated_model: Warning_Code.UNCALIBRATED_MODEL,
  slow_reader: Warning_Code.SLOW_READER,
  client_speech_measure: Warning_Code.CLIENT_SPEECH_MEASURE,
} as const satisfies Record<WarningCode, Warning_Code>;

export const endedByNumbers = {
  close: Summary_EndedBy.CLOSE,
  idle: Summary_EndedBy.IDLE,
  limit: Summary_EndedBy.LIMIT,
  drain: Summary_EndedBy.DRAIN,
  peer_lost: Summary_EndedBy.PEER_LOST,
  fault: Summary_EndedBy.FAULT,
} as const satisfies Record<EndedBy, Summary_EndedBy>;

/**
 * The name behind a number, `undefined` for unset. A number that no name has is given as text, for the parser of names
 * to refuse with the field it stands in.
 */
export function nameOf(numbers: Readonly<Record<string, number>>, number: number): string | undefined {
  if (number === 0) return undefined;
  return Object.keys(numbers).find((name) => numbers[name] === number) ?? String(number);
}
