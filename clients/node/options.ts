import type { Encoding, EventKind, Framing, Pace, SourceEncoding } from "./events.ts";

export type Transport = "ws" | "grpc";

/** Where a server is and how to reach it. */
export interface Endpoint {
  /**
   * `ws://host:port`, `wss://…` (or `http`, `https`), `grpc://host:port`, `grpcs://…`, or bare `host:port`.
   * By default the server's own defaults on this machine.
   */
  readonly url?: string;
  /** By default what the URL says, else `ws`. */
  readonly transport?: Transport;
  /** Sent as a bearer token. */
  readonly token?: string;
}

export interface AudioOptions {
  readonly encoding: SourceEncoding;
  /** In Hz; 48,000 for Opus and 16,000 for codes when absent. */
  readonly sampleRate?: number;
  readonly channels: 1 | 2;
  readonly channelLabels?: readonly string[];
  /** `packet` for Opus and codes, `raw` for the rest when absent. */
  readonly framing?: Framing;
}

/** P(spoof) at which a channel's state changes. */
export interface ThresholdOptions {
  readonly suspect?: number;
  readonly spoof?: number;
  readonly bonafide?: number;
  readonly suspectExit?: number;
  readonly spoofExit?: number;
}

/** What is absent stays as the model recommends, or as it is. */
export interface DetectionOptions {
  readonly hopMs?: number;
  readonly minSpeechMs?: number;
  readonly prior?: number;
  readonly thresholds?: ThresholdOptions;
}

export interface ResultsOptions {
  readonly kinds?: readonly EventKind[];
  /** Media time between two `score` events of a channel, at least. */
  readonly minIntervalMs?: number;
}

/** A session as a client asks for it. */
export interface StartOptions {
  readonly sessionId?: string;
  readonly callId?: string;
  readonly pace?: Pace;
  readonly audio: AudioOptions;
  readonly detection?: DetectionOptions & { readonly model?: string };
  readonly results?: ResultsOptions;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** One packet with its RTP-like header, for framing `sequenced`. */
export interface AudioPacket {
  readonly channel: number;
  /** Mod 2³². */
  readonly seq: number;
  /** In samples of the source's clock, mod 2³². */
  readonly mediaTimestamp: number;
  readonly payload: Uint8Array;
}

export interface Annotation {
  readonly kind: "speaker_change" | "transfer" | "hold" | "dtmf" | "gap";
  /** Every channel when absent. */
  readonly channel?: number;
  readonly gapMs?: number;
}

export interface Update {
  readonly detection?: DetectionOptions;
  readonly results?: ResultsOptions;
}

/** What a client says beside audio. */
export type Control =
  | { readonly type: "keep_alive" | "pause" | "finalize" | "close" }
  | { readonly type: "resume"; readonly gapMs?: number }
  | ({ readonly type: "update" } & Update)
  | ({ readonly type: "annotate" } & Annotation);

export interface DetectOptions {
  /** When absent the bytes are a WAV, FLAC or Ogg Opus file. */
  readonly audio?: {
    readonly encoding: Encoding;
    readonly sampleRate: number;
    readonly channels: 1 | 2;
  };
  readonly detection?: DetectionOptions & { readonly model?: string };
  readonly signal?: AbortSignal;
}

/** A server's address, parsed: where HTTP and WebSocket are, or where gRPC is. */
export type Address =
  | { readonly transport: "ws"; readonly http: string; readonly ws: string }
  | { readonly transport: "grpc"; readonly target: string; readonly secure: boolean };

const transports: Readonly<Record<string, readonly Transport[]>> = {
  "": ["ws", "grpc"],
  http: ["ws", "grpc"],
  https: ["ws", "grpc"],
  ws: ["ws"],
  wss: ["ws"],
  grpc: ["grpc"],
  grpcs: ["grpc"],
};
const secureSchemes: ReadonlySet<string> = new Set(["https", "wss", "grpcs"]);

/** Throws TypeError for an address of no such form, or of the other transport. */
export function toAddress({ url, transport }: Endpoint): Address {
  const { scheme, host } = splitUrl(url);
  const kind = transports[scheme]?.find((possible) => possible === (transport ?? possible));
  if (kind === undefined) throw new TypeError(`not an address of ${transport ?? "a server"}: ${scheme}`);
  const secure = secureSchemes.has(scheme);
  if (kind === "grpc") return { transport: kind, target: host ?? "127.0.0.1:50051", secure };
  const rest = `${secure ? "s" : ""}://${host ?? "127.0.0.1:8080"}`;
  return { transport: kind, http: `http${rest}`, ws: `ws${rest}` };
}

function splitUrl(url: string | undefined): { readonly scheme: string; readonly host?: string } {
  if (url === undefined) return { scheme: "" };
  const [, scheme = "", host] = /^(?:([a-z]+):\/\/)?([^/\s]+)\/?$/i.exec(url) ?? [];
  if (host === undefined) throw new TypeError(`not an address of a server: ${url}`);
  return { scheme: scheme.toLowerCase(), host };
}
