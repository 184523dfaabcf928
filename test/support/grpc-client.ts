import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  type Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { service as health } from "grpc-health-check";
import {
  type AnyDefinition,
  loadSync,
  type MessageTypeDefinition,
  type MethodDefinition,
  type PackageDefinition,
} from "@grpc/proto-loader";

/** A message as proto-loader gives it: snake_case fields, enums by name, 64-bit integers as numbers. */
export type Plain = Record<string, unknown>;

/** What a call came to. */
export interface Ended {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What `grpc.health.v1` answers for a service, "" for the server as a whole. Rejects with grpc-js's ServiceError. */
export function checkHealth(address: string, service = ""): Promise<string> {
  const probe = new Client(address, credentials.createInsecure());
  const check = health["Check"];
  if (check === undefined) throw new RangeError("no method Check");
  const { path, requestSerialize, responseDeserialize } = check;
  return new Promise((resolve, reject) => {
    probe.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, response) => {
      probe.close();
      if (error) reject(error);
      else resolve(String(inner({ response }, "response")["status"]));
    });
  });
}

/** What a tool that reads schemas calls: the path and the messages of server reflection, v1. */
export function reflectionInfo(): MethodDefinition<object, object> {
  const path = createRequire(import.meta.url).resolve("@grpc/reflection/package.json");
  const loaded = loadSync(join(dirname(path), "build/proto/grpc/reflection/v1/reflection.proto"), {
    bytes: Array,
  });
  return method("ServerReflectionInfo", loaded["grpc.reflection.v1.ServerReflection"]);
}

const folder = new URL("../../proto/", import.meta.url).pathname;
const options = { includeDirs: [folder], keepCase: true, longs: Number, enums: String, oneofs: true };

export const loadProto = (path: string): PackageDefinition => loadSync(folder + path, options);

const service = "earwitness.v1.SpoofDetection";
const definitions = loadProto("earwitness/v1/earwitness.proto");

/** A client built from the .proto files themselves, so that generated code which has fallen behind them is noticed. */
export class ProtoClient {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      "grpc.max_send_message_length": -1,
      // A pool shared between tests would let one test's dead connection delay the next.
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  stream(callOptions: CallOptions = {}): ClientDuplexStream<Plain, Plain> {
    const { path, requestSerialize, responseDeserialize } = method("StreamingDetect");
    return this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      toPlain(responseDeserialize),
      callOptions,
    );
  }

  watch(request: Plain): ClientReadableStream<Plain> {
    const { path, requestSerialize, responseDeserialize } = method("WatchSession");
    return this.#client.makeServerStreamRequest(
      ...[path, requestSerialize, toPlain(responseDeserialize)],
      request,
    );
  }

  /** Rejects with grpc-js's ServiceError. */
  call(name: string, request: Plain, deadline?: Date, signal?: AbortSignal): Promise<Plain> {
    const { path, requestSerialize, responseDeserialize } = method(name);
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        ...[path, requestSerialize, toPlain(responseDeserialize), request],
        deadline === undefined ? {} : { deadline },
        (error: ServiceError | null, response?: Plain) => {
          if (error) reject(error);
          else resolve(response ?? {});
        },
      );
      signal?.addEventListener("abort", () => call.cancel());
    });
  }

  close(): void {
    this.#client.close();
  }
}

function method(name: string, methods = definitions[service]): MethodDefinition<object, object> {
  const found = methods && !("format" in methods) ? methods[name] : undefined;
  if (found === undefined) throw new RangeError(`no method ${name}`);
  return found;
}

const toPlain = (deserialize: (wire: Buffer) => object) => (wire: Buffer) => ({ ...deserialize(wire) });

/** Everything that a call answers, and how it ended. */
export async function collect(
  call: ClientReadableStream<Plain> | ClientDuplexStream<Plain, Plain>,
): Promise<{ readonly events: readonly Plain[]; readonly ended: Ended }> {
  const events: Plain[] = [];
  call.on("data", (event: Plain) => events.push(event));
  const ended = await statusOf(call);
  return { events, ended };
}

/** How a call ends; something must read its events. */
export const statusOf = (
  call: ClientReadableStream<Plain> | ClientDuplexStream<Plain, Plain>,
): Promise<Ended> =>
  new Promise((resolve) => {
    call.on("error", () => undefined);
    call.once("status", resolve);
  });

/** `grpc-status-details-bin` as another implementation of protobuf reads it. */
export function richDetails(metadata: Metadata): {
  readonly status: Plain;
  readonly info: Plain;
  readonly retryDelay: Plain;
} {
  const [wire] = metadata.get("grpc-status-details-bin");
  if (!(wire instanceof Buffer)) throw new TypeError("no grpc-status-details-bin");
  const status = decode("google.rpc.Status", wire);
  const details = Array.isArray(status["details"]) ? status["details"] : [];
  const find = (type: string): Plain | undefined => {
    for (const { type_url: url, value } of details.filter(isAny))
      if (url === `type.googleapis.com/${type}`) return decode(type, value);
    return undefined;
  };
  return {
    status,
    info: find("google.rpc.ErrorInfo") ?? {},
    retryDelay: inner(find("google.rpc.RetryInfo") ?? {}, "retry_delay"),
  };
}

const isAny = (value: unknown): value is { readonly type_url: string; readonly value: Buffer } =>
  typeof value === "object" && value !== null && "type_url" in value && "value" in value;

const rpc = loadProto("google/rpc/status.proto");

function decode(type: string, wire: Buffer): Plain {
  const definition = rpc[type];
  if (definition === undefined || !isMessage(definition)) throw new RangeError(`no message ${type}`);
  return { ...definition.deserialize(wire) };
}

const isMessage = (definition: AnyDefinition): definition is MessageTypeDefinition<object, object> =>
  definition["format"] === "Protocol Buffer 3 DescriptorProto";

/** A member of a message that is a message itself. */
export function inner(message: unknown, name: string): Plain {
  if (typeof message !== "object" || message === null) throw new TypeError(`nothing has a ${name}`);
  const found: unknown = Reflect.get(message, name);
  return typeof found === "object" && found !== null ? { ...found } : {};
}
