import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type DetectRequestSchema,
  DetectResponseSchema,
  ListModelsResponseSchema,
  ListSessionsResponseSchema,
  SessionSchema,
  SpoofDetection,
} from "../../src/gen/earwitness/v1/earwitness_pb.ts";
import { cancelledError, EarwitnessError } from "./error.ts";
import { EventStream } from "./event-stream.ts";
import type { DetectResult, ServedModel, SessionView } from "./events.ts";
import { toPlain } from "./from-protobuf.ts";
import { GrpcChannel } from "./grpc-channel.ts";
import { openGrpcSession, openGrpcWatch } from "./grpc-wire.ts";
import { ask } from "./http.ts";
import { type DetectOptions, type Endpoint, type StartOptions, toAddress } from "./options.ts";
import { Session } from "./session.ts";
import { toAudioConfig, toDetectionConfig } from "./to-protobuf.ts";
import type { EventWire } from "./wire.ts";
import { openWsSession, openWsWatch } from "./ws-wire.ts";

/** How often a session says that it is alive while it has nothing else to say; the server waits 30 s by default. */
const defaultKeepAliveMs = 10_000;

export interface ConnectOptions extends Endpoint, StartOptions {
  /** How often `keep_alive` is sent while nothing else is; 10 s by default. */
  readonly keepAliveMs?: number;
  /** Drops the connection, also later. */
  readonly signal?: AbortSignal;
}

/** Opens a session and waits until it is ready. Rejects with an EarwitnessError. */
export async function connect(options: ConnectOptions): Promise<Session> {
  const { token, keepAliveMs = defaultKeepAliveMs, signal } = options;
  const address = toAddress(options);
  if (signal?.aborted === true) throw cancelledError(signal.reason);
  const session = new Session(
    (listener) =>
      address.transport === "grpc"
        ? openGrpcSession(address, token, options, listener)
        : openWsSession(address, token, options, listener),
    keepAliveMs,
  );
  const abort = () => session.abort();
  signal?.addEventListener("abort", abort);
  const forget = () => signal?.removeEventListener("abort", abort);
  session.ended.then(forget, forget);
  await Promise.race([
    new Promise<void>((resolve) => {
      session.on("ready", () => resolve());
    }),
    session.ended.then(() => {
      throw new EarwitnessError({ code: "internal", message: "the session never began", retryable: true });
    }),
  ]);
  return session;
}

export type WatchOptions = Endpoint & ({ readonly sessionId: string } | { readonly callId: string });

/** A session, or every session of a call, as another connection sees it. */
export class Watcher extends EventStream {
  readonly #wire: EventWire;

  constructor(options: WatchOptions) {
    super();
    const address = toAddress(options);
    this.#wire =
      address.transport === "grpc"
        ? openGrpcWatch(address, options.token, options, this)
        : openWsWatch(address, options.token, options, this);
    this.attach(this.#wire);
  }

  /** Stops watching; `ended` and an iteration end with code `cancelled`. */
  close(): void {
    this.#wire.abort();
  }
}

/** Follows a session or a call: first `ready` and each channel's state, then everything as it happens. */
export const watch = (options: WatchOptions): Watcher => new Watcher(options);

/** Judges a whole recording of at most 16 MiB. Rejects with an EarwitnessError. */
export async function detect(
  content: Uint8Array,
  { audio, detection, signal, ...endpoint }: DetectOptions & Endpoint = {},
): Promise<DetectResult> {
  const address = toAddress(endpoint);
  if (address.transport === "ws") {
    const query = toQuery({ ...audio, ...detection, ...detection?.thresholds, thresholds: undefined });
    const request = { method: "POST", body: new Uint8Array(content), ...(signal && { signal }) };
    return (await ask(address, `/v1/detect${query}`, endpoint.token, request)) as DetectResult;
  }
  const request: MessageInitShape<typeof DetectRequestSchema> = {
    content,
    ...(audio && { audio: toAudioConfig(audio) }),
    ...(detection && { detection: toDetectionConfig(detection) }),
  };
  const found = await withChannel(address, endpoint.token, (channel) =>
    channel.unary(SpoofDetection.method.detect, request, signal),
  );
  return toPlain(DetectResponseSchema, found) as unknown as DetectResult;
}

/** One session. Rejects with an EarwitnessError: `unknown_session`. */
export async function getSession(sessionId: string, endpoint: Endpoint = {}): Promise<SessionView> {
  const address = toAddress(endpoint);
  if (address.transport === "ws") {
    return (await ask(
      address,
      `/v1/sessions/${encodeURIComponent(sessionId)}`,
      endpoint.token,
    )) as SessionView;
  }
  const found = await withChannel(address, endpoint.token, (channel) =>
    channel.unary(SpoofDetection.method.getSession, { sessionId }),
  );
  return toPlain(SessionSchema, found) as unknown as SessionView;
}

/** The sessions that are running or ended within the last minute, all or of one call. */
export async function listSessions(
  options: Endpoint & { readonly callId?: string } = {},
): Promise<readonly SessionView[]> {
  const { callId, token } = options;
  const address = toAddress(options);
  if (address.transport === "ws") {
    const listed = await ask(address, `/v1/sessions${toQuery({ callId })}`, token);
    return (listed as { readonly sessions: readonly SessionView[] }).sessions;
  }
  const listed = await withChannel(address, token, (channel) =>
    channel.unary(SpoofDetection.method.listSessions, callId === undefined ? {} : { callId }),
  );
  return toPlain(ListSessionsResponseSchema, listed)["sessions"] as readonly SessionView[];
}

/** The models that the server offers. */
export async function listModels(endpoint: Endpoint = {}): Promise<readonly ServedModel[]> {
  const address = toAddress(endpoint);
  if (address.transport === "ws") {
    const listed = await ask(address, "/v1/models", endpoint.token);
    return (listed as { readonly models: readonly ServedModel[] }).models;
  }
  const listed = await withChannel(address, endpoint.token, (channel) =>
    channel.unary(SpoofDetection.method.listModels, {}),
  );
  return toPlain(ListModelsResponseSchema, listed)["models"] as readonly ServedModel[];
}

async function withChannel<T>(
  address: ConstructorParameters<typeof GrpcChannel>[0],
  token: string | undefined,
  use: (channel: GrpcChannel) => Promise<T>,
): Promise<T> {
  const channel = new GrpcChannel(address, token);
  try {
    return await use(channel);
  } finally {
    channel.close();
  }
}

function toQuery(fields: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (typeof value === "string" || typeof value === "number") query.set(snake, String(value));
  }
  return query.size === 0 ? "" : `?${query.toString()}`;
}
