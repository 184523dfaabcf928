import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { EventBody, ScoreBody } from "../stream/events.ts";
import { toWireLimits, type Limits } from "./limits.ts";

/** What is read off the running parts when somebody asks; each is optional because tests run without them. */
export interface Gauges {
  readonly queued?: () => number;
  readonly queueLimit?: () => number;
  readonly workers?: () => number;
  readonly workerRestarts?: () => number;
  readonly opusStreams?: () => number;
  readonly backlogBytes?: () => number;
  readonly sessionsLive?: () => Readonly<Record<string, number>>;
}

/** The counters of one server, in a registry of its own. */
export interface Metrics {
  readonly contentType: string;
  /** The whole of it in the Prometheus text format. */
  text(): Promise<string>;
  opened(transport: string): void;
  ended(transport: string, endedBy: string): void;
  /** Counts what an event says of windows, once per event whoever reads it. */
  event(body: EventBody): void;
  faulted(code: string): void;
  recording(outcome: "done" | "refused"): void;
  /** Which execution provider serves a model. */
  provider(model: string, provider: string): void;
  watch(gauges: Gauges): void;
  close(): void;
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const name = (what: string): string => `earwitness_${what}`;

export function createMetrics(limits: Limits): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counted = createCounters(registers);
  const stopDelay = watchEventLoop(registers);
  const limit = new Gauge({ name: name("limit"), help: "Limits in force.", labelNames: ["name"], registers });
  for (const [key, value] of Object.entries(toWireLimits(limits))) limit.set({ name: key }, value);
  const provider = new Gauge({
    name: name("model_provider"),
    help: "1 for the execution provider that really runs the model.",
    labelNames: ["model", "provider"],
    registers,
  });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    ...counted,
    provider: (model, used) => {
      provider.set({ model, provider: used }, 1);
    },
    watch: (gauges) => {
      registerGauges(gauges, registers);
    },
    close: stopDelay,
  };
}

function createCounters(registers: Registry[]) {
  const counter = (what: string, help: string, ...labelNames: string[]) =>
    new Counter({ name: name(what), help, labelNames, registers });
  const opened = counter("sessions_opened_total", "Sessions begun.", "transport");
  const ended = counter("sessions_ended_total", "Sessions ended, by how.", "transport", "ended_by");
  const faults = counter("faults_total", "Sessions and requests ended by a fault.", "code");
  const recordings = counter("recordings_total", "Recordings sent whole.", "outcome");
  const windows = counter("windows_total", "Windows by verdict, or shed, or lost with a worker.", "outcome");
  const latency = new Histogram({
    name: name("window_latency_seconds"),
    help: "Per window: waiting in the pool, inference, and all of it from the last byte to the verdict.",
    labelNames: ["stage"],
    buckets: seconds,
    registers,
  });
  return {
    opened: (transport: string) => opened.inc({ transport }),
    ended: (transport: string, endedBy: string) => ended.inc({ transport, ended_by: endedBy }),
    faulted: (code: string) => faults.inc({ code }),
    recording: (outcome: "done" | "refused") => recordings.inc({ outcome }),
    event: (body: EventBody) => {
      if (body.type === "score") {
        windows.inc({ outcome: body.verdict });
        // A window without a score was never asked about.
        if (body.llr !== null) observe(latency, body.latencyMs);
      } else if (body.type === "gap" && (body.cause === "shed" || body.cause === "worker_lost")) {
        windows.inc({ outcome: body.cause });
      }
    },
  };
}

function observe(latency: Histogram<"stage">, ms: ScoreBody["latencyMs"]): void {
  latency.observe({ stage: "queue" }, ms.queue / 1000);
  latency.observe({ stage: "infer" }, ms.infer / 1000);
  latency.observe({ stage: "total" }, ms.total / 1000);
}

/** Delay of the event loop since the last look, in seconds. Gives back how to stop watching. */
function watchEventLoop(registers: Registry[]): () => void {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  new Gauge({
    name: name("event_loop_delay_seconds"),
    help: "Delay of the event loop since the last scrape.",
    labelNames: ["quantile"],
    registers,
    collect() {
      // The histogram counts the timer's own interval too.
      const excess = (ns: number): number => Math.max(0, ns / 1e9 - 0.01);
      this.set({ quantile: "0.5" }, excess(delay.percentile(50)));
      this.set({ quantile: "0.99" }, excess(delay.percentile(99)));
      delay.reset();
    },
  });
  return () => delay.disable();
}

function registerGauges(gauges: Gauges, registers: Registry[]): void {
  const simple = [
    ["pool_queue_windows", "Windows waiting for a worker.", gauges.queued],
    ["pool_queue_limit_windows", "Windows that may wait; one more is shed.", gauges.queueLimit],
    ["workers", "Inference processes that are ready.", gauges.workers],
    ["worker_restarts", "Inference processes replaced since the start.", gauges.workerRestarts],
    ["opus_streams", "Opus decoders that are open.", gauges.opusStreams],
    ["backlog_bytes", "Bytes of events that readers have not taken yet.", gauges.backlogBytes],
  ] as const;
  for (const [what, help, read] of simple) {
    if (read === undefined) continue;
    new Gauge({
      name: name(what),
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
  const { sessionsLive } = gauges;
  if (sessionsLive === undefined) return;
  new Gauge({
    name: name("sessions"),
    help: "Sessions that are running.",
    labelNames: ["transport"],
    registers,
    collect() {
      for (const [transport, count] of Object.entries(sessionsLive())) this.set({ transport }, count);
    },
  });
}
