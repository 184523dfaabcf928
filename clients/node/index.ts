/*
 * What `earwitness/client` exports.
 */
export {
  connect,
  type ConnectOptions,
  detect,
  getSession,
  listModels,
  listSessions,
  watch,
  type Watcher,
  type WatchOptions,
} from "./client.ts";
export { createEdge } from "./create-edge.ts";
export type { Edge, EdgeOptions } from "./edge.ts";
export { createEncoder, type Encoder, type EncoderOptions } from "./encoder.ts";
export { EarwitnessError, type ErrorCode } from "./error.ts";
export type * from "./events.ts";
export type {
  Annotation,
  AudioOptions,
  AudioPacket,
  DetectionOptions,
  DetectOptions,
  Endpoint,
  ResultsOptions,
  StartOptions,
  ThresholdOptions,
  Transport,
  Update,
} from "./options.ts";
export type { Session } from "./session.ts";
