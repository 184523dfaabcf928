import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { SpoofDetection } from "../../gen/earwitness/v1/earwitness_pb.ts";
import type { Host } from "../host-port.ts";
import { defaultLimits } from "../limits.ts";
import { grpcDefinition } from "./definition.ts";
import { addReflection } from "./reflection.ts";
import { createHandlers, type ServiceOptions } from "./service.ts";
import { Backlog } from "./transport.ts";

export interface GrpcServerOptions extends Partial<Omit<ServiceOptions, "backlog">> {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Longest audio, packet or other content of one streaming message. */
  readonly maxMessageBytes?: number;
  /** How often a connection is pinged; one that has not answered when the next ping is due is gone. */
  readonly pingMs?: number;
}

export interface GrpcServer {
  /** host:port, as bound. */
  readonly address: string;
  /** What grpc.health.v1 answers, for "" and for the service. */
  setServing(serving: boolean): void;
  /** Bytes of events that no peer has taken yet. */
  backlogBytes(): number;
  /** Refuses new calls, gives running ones so long to end, then cuts them off. Idempotent. */
  close(graceMs: number): Promise<void>;
}

/** The longest message that grpc-js takes at all; it answers RESOURCE_EXHAUSTED by itself above that. */
const maxReceiveBytes = 16 << 20;
/** What protobuf adds around the content of a streaming message, at most. */
const envelopeBytes = 64;
const closeGraceMs = 5000;

/** Binds and serves `earwitness.v1.SpoofDetection`, `grpc.health.v1.Health` and reflection, without TLS. */
export async function createGrpcServer(host: Host, options: GrpcServerOptions): Promise<GrpcServer> {
  const pingMs = options.pingMs ?? defaultLimits.pingMs;
  const server = new Server({
    "grpc.max_receive_message_length": maxReceiveBytes,
    "grpc.keepalive_time_ms": pingMs,
    "grpc.keepalive_timeout_ms": pingMs,
    "grpc.keepalive_permit_without_calls": 1,
  });
  const definition = grpcDefinition(SpoofDetection, {
    [SpoofDetection.method.streamingDetect.localName]:
      (options.maxMessageBytes ?? defaultLimits.messageBytes) + envelopeBytes,
  });
  const backlog = new Backlog();
  server.addService(definition, { ...createHandlers(host, { ...toServiceOptions(options), backlog }) });
  const health = new HealthImplementation();
  const setServing = (serving: boolean) => {
    for (const name of ["", SpoofDetection.typeName])
      health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
  };
  setServing(host.accepting);
  health.addToServer(server);
  addReflection(server);
  const port = await bind(server, options.host, options.port);
  return {
    address: toAddress(options.host, port),
    setServing,
    backlogBytes: () => backlog.bytes,
    close: closer(server),
  };
}

const toServiceOptions = (options: GrpcServerOptions): Omit<ServiceOptions, "backlog"> => ({
  maxRecordingBytes: options.maxRecordingBytes ?? defaultLimits.recordingBytes,
  maxMetadataBytes: options.maxMetadataBytes ?? defaultLimits.metadataBytes,
  closeGraceMs: options.closeGraceMs ?? closeGraceMs,
  onBug:
    options.onBug ??
    ((cause) => process.emitWarning(cause instanceof Error ? cause : String(cause), "EarwitnessBug")),
});

const toAddress = (host: string, port: number) => `${host.includes(":") ? `[${host}]` : host}:${port}`;

const bind = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(toAddress(host, port), ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });

function closer(server: Server): (graceMs: number) => Promise<void> {
  let closed: Promise<void> | undefined;
  return (graceMs) =>
    (closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => server.forceShutdown(), graceMs);
      server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    }));
}
