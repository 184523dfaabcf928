import { availableParallelism, homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { DetectionDefaults, Thresholds } from "../stream/ports.ts";
import { defaultLimits, type Limits } from "./limits.ts";

const prefix = "EARWITNESS_";
export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
const providerNames = ["cpu", "cuda", "tensorrt", "webgpu"] as const;
export type ProviderName = (typeof providerNames)[number];

const hour = 3_600_000;
const mebibyte = 1 << 20;

const text = z.string().min(1);
const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.int().min(least).max(most));
const real = z
  .string()
  .regex(/^\d+(\.\d+)?(e-?\d+)?$/i, "must be a number")
  .transform(Number);
const positive = (most: number) => real.pipe(z.number().positive().max(most));
const openProbability = real.pipe(z.number().gt(0).lt(1)).optional();
const port = whole(0, 65_535);
const flag = z.stringbool().prefault("false");

const list = z.string().transform((names) => names.split(",").flatMap((name) => name.trim() || []));
const providers = list
  .pipe(z.array(z.enum(providerNames)).min(1))
  .refine((names) => new Set(names).size === names.length, "names a provider twice");

const means = <T extends z.ZodType>(meaning: string, schema: T, fallback?: string) =>
  schema.meta({ description: meaning, ...(fallback === undefined ? {} : { fallback }) });
const tuned = <T extends z.ZodType>(meaning: string, schema: T) => means(meaning, schema, "the model's");
const limit = (meaning: string, schema: ReturnType<typeof whole>, value: number) =>
  means(meaning, schema.prefault(String(value)));

const variables = z.strictObject({
  HOST: means("Address that every listener binds.", text.prefault("127.0.0.1")),
  PORT: means("HTTP and WebSocket port; 0 takes a free one.", port.prefault("8080")),
  GRPC_PORT: means("gRPC port; 0 takes a free one.", port.prefault("50051")),
  LOG_LEVEL: means(`One of ${logLevels.join(", ")}.`, z.enum(logLevels).prefault("info")),
  MODEL: means("Model pack served when a client names none.", text.prefault("default")),
  MODELS_DIR: means("Folder of imported model packs.", text.optional(), "`$XDG_DATA_HOME/earwitness/models`"),
  PROVIDERS: means(
    "ONNX Runtime execution providers in the order they are tried; `tensorrt` and `webgpu` only when named.",
    providers.prefault("cuda,cpu"),
  ),
  REQUIRE_GPU: means("Refuse to start when only the CPU is left.", flag),
  ALLOW_SOFTWARE_GPU: means("Accept a WebGPU adapter that is a software driver.", flag),
  WORKERS: means("Inference processes; a GPU has one.", whole(1, 256).optional(), "cores − 1, at least 1"),
  ALLOWED_ORIGINS: means(
    "Web origins beside the server's own whose pages may open a WebSocket, separated by commas; `*` for any.",
    list.prefault(""),
    "none",
  ),
  START_TIMEOUT_MS: limit("Time a client has to send `start`.", whole(1, hour), defaultLimits.startMs),
  IDLE_TIMEOUT_MS: limit(
    "Silence after which a session ends; any message counts, `keep_alive` too.",
    whole(1, 24 * hour),
    defaultLimits.idleMs,
  ),
  PING_INTERVAL_MS: limit(
    "Time between WebSocket pings; who misses two is gone.",
    whole(1, hour),
    defaultLimits.pingMs,
  ),
  MAX_SESSION_MS: limit("Longest session.", whole(1, 24 * hour), defaultLimits.sessionMs),
  MAX_AHEAD_MS: limit(
    "How far a live session's audio may run ahead of the time since `start`.",
    whole(1, hour),
    defaultLimits.aheadMs,
  ),
  MAX_SESSIONS: limit("Sessions at a time.", whole(1, 100_000), defaultLimits.sessions),
  MAX_BACKLOG_BYTES: limit(
    "Bytes of events that a reader may leave unread.",
    whole(4096, 1024 * mebibyte),
    defaultLimits.backlogBytes,
  ),
  MAX_METADATA_BYTES: limit("Size of `metadata` as JSON.", whole(2, 65_536), defaultLimits.metadataBytes),
  MAX_MESSAGE_BYTES: limit(
    "Size of one message of a streaming client.",
    whole(1024, 16 * mebibyte),
    defaultLimits.messageBytes,
  ),
  MAX_RECORDING_BYTES: limit(
    "Size of a recording sent whole.",
    whole(1024, 16 * mebibyte),
    defaultLimits.recordingBytes,
  ),
  MAX_RECORDING_MS: limit(
    "Length of a recording sent whole.",
    whole(1, 24 * hour),
    defaultLimits.recordingMs,
  ),
  DRAIN_MS: limit("Time that sessions have to end after SIGTERM.", whole(0, hour), defaultLimits.drainMs),
  HOP_MS: tuned(
    "Time between windows: 250 to 5000, a multiple of 20.",
    whole(250, 5000)
      .refine((ms) => ms % 20 === 0, "must be a multiple of 20")
      .optional(),
  ),
  MIN_SPEECH_MS: tuned("Speech that a window needs for a verdict.", whole(0, 60_000).optional()),
  PRIOR: tuned("P(spoof) before any evidence.", openProbability),
  LLR_BOUND: tuned("The most that one window's LLR counts.", positive(100).optional()),
  HALF_LIFE_S: tuned("Seconds of speech in which live evidence halves.", positive(86_400).optional()),
  SUSPECT: tuned("P(spoof) from which a channel is `suspect`.", openProbability),
  SPOOF: tuned("P(spoof) from which a channel is `spoof`.", openProbability),
  BONAFIDE: tuned("P(spoof) up to which a channel is `bonafide`.", openProbability),
  SUSPECT_EXIT: tuned("P(spoof) below which `suspect` is left.", openProbability),
  SPOOF_EXIT: tuned("P(spoof) below which `spoof` is left.", openProbability),
});

/** What the operator sets of the tally; what is absent is the pack's. */
export type DetectionSettings = Partial<Omit<DetectionDefaults, "thresholds">> & {
  readonly thresholds: Partial<Thresholds>;
};

/** Everything an operator decides, checked. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly grpcPort: number;
  readonly logLevel: (typeof logLevels)[number];
  readonly model: string;
  readonly modelsDir: string;
  readonly providers: readonly ProviderName[];
  readonly requireGpu: boolean;
  readonly allowSoftwareGpu: boolean;
  readonly workers: number;
  readonly allowedOrigins: readonly string[];
  readonly limits: Limits;
  readonly detection: DetectionSettings;
}

/** The environment holds something that is not a setting or not a possible value; the message lists all of it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Reads the `EARWITNESS_` variables, by default the process's own. Throws {@link ConfigError}. */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const own = Object.entries(environment).flatMap(([name, value]) =>
    name.startsWith(prefix) && value !== undefined ? [[name.slice(prefix.length), value] as const] : [],
  );
  const parsed = variables.safeParse(Object.fromEntries(own));
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap(toLines).join("\n"));
  return freeze(toConfig(parsed.data, environment));
}

function toLines(issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => `${prefix}${key}: no such setting`);
  return [`${prefix}${issue.path.join(".")}: ${issue.message}`];
}

function toConfig(
  found: z.infer<typeof variables>,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const dataFolder = environment["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share");
  return {
    host: found.HOST,
    port: found.PORT,
    grpcPort: found.GRPC_PORT,
    logLevel: found.LOG_LEVEL,
    model: found.MODEL,
    modelsDir: found.MODELS_DIR ?? join(dataFolder, "earwitness", "models"),
    providers: found.PROVIDERS,
    requireGpu: found.REQUIRE_GPU,
    allowSoftwareGpu: found.ALLOW_SOFTWARE_GPU,
    workers: found.WORKERS ?? Math.max(1, availableParallelism() - 1),
    allowedOrigins: found.ALLOWED_ORIGINS,
    limits: {
      startMs: found.START_TIMEOUT_MS,
      idleMs: found.IDLE_TIMEOUT_MS,
      pingMs: found.PING_INTERVAL_MS,
      sessionMs: found.MAX_SESSION_MS,
      aheadMs: found.MAX_AHEAD_MS,
      sessions: found.MAX_SESSIONS,
      backlogBytes: found.MAX_BACKLOG_BYTES,
      metadataBytes: found.MAX_METADATA_BYTES,
      messageBytes: found.MAX_MESSAGE_BYTES,
      recordingBytes: found.MAX_RECORDING_BYTES,
      recordingMs: found.MAX_RECORDING_MS,
      drainMs: found.DRAIN_MS,
    },
    detection: toDetection(found),
  };
}

function toDetection(found: z.infer<typeof variables>): DetectionSettings {
  return {
    ...present({
      hopMs: found.HOP_MS,
      minSpeechMs: found.MIN_SPEECH_MS,
      prior: found.PRIOR,
      llrBound: found.LLR_BOUND,
      halfLifeS: found.HALF_LIFE_S,
    }),
    thresholds: present({
      suspect: found.SUSPECT,
      spoof: found.SPOOF,
      bonafide: found.BONAFIDE,
      suspectExit: found.SUSPECT_EXIT,
      spoofExit: found.SPOOF_EXIT,
    }),
  };
}

/** Without the keys whose value is `undefined`. */
function present<K extends string>(
  numbers: Readonly<Record<K, number | undefined>>,
): Partial<Record<K, number>> {
  const kept: Partial<Record<K, number>> = {};
  for (const key in numbers) {
    const value = numbers[key];
    if (value !== undefined) kept[key] = value;
  }
  return kept;
}

function freeze(config: Config): Config {
  for (const part of [
    config.providers,
    config.allowedOrigins,
    config.limits,
    config.detection.thresholds,
    config.detection,
  ]) {
    Object.freeze(part);
  }
  return Object.freeze(config);
}

/** Every setting as the documentation shows it. */
export const settings: readonly {
  readonly name: string;
  readonly default: string;
  readonly meaning: string;
}[] = Object.entries(variables.shape).map(([name, schema]) => {
  const meta = schema.meta();
  return {
    name: `${prefix}${name}`,
    default: toDefault(schema.safeParse(undefined).data, meta?.["fallback"]),
    meaning: meta?.description ?? "",
  };
});

function toDefault(value: unknown, fallback: unknown): string {
  if (typeof fallback === "string") return fallback;
  return Array.isArray(value) ? value.join(",") : String(value);
}
