/**
 * Plays live calls into a server, in a process of its own so that its work is not the server's: half mu-law at 8 kHz, half Opus,
 * fifty packets a second each, starts spread evenly over one hop. Prints one JSON line with what it saw.
 *
 * node --import tsx bench/load-client.ts '{"url":"ws://…","streams":200,"hopMs":2000,"warmUpS":10,"seconds":60}'
 */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { encodeMulaw } from "../clients/node/g711-encode.ts";
import { createOpusEncoder } from "../clients/node/opus-encoder.ts";
import { createResampler } from "../src/stream/resample.ts";
import { hertz } from "../src/stream/units.ts";
import { loopOfSpeech } from "./speech-loop.ts";
import { percentile } from "./figures.ts";

interface Plan {
  readonly url: string;
  readonly streams: number;
  readonly hopMs: number;
  readonly warmUpS: number;
  readonly seconds: number;
}

/** What the client needs of an event. */
interface Heard {
  readonly type: string;
  readonly cause?: string;
  readonly code?: string;
  readonly verdict?: string;
  readonly latency_ms?: { readonly total: number };
  readonly window?: { readonly end_ms: number };
}

const packetMs = 20;
/** Sending goes round in slices of a packet's time, so that packets do not all leave at once. */
const slices = 10;

class Call {
  readonly #socket: WebSocket;
  readonly #packets: readonly Uint8Array[];
  readonly #sentAt = new Map<number, number>();
  /** From the packet that completed a window leaving this process to its score arriving back. */
  readonly roundTripsMs: number[] = [];
  readonly latenciesMs: number[] = [];
  readonly counts = { scores: 0, shed: 0, undecided: 0, gaps: 0 };
  #next = 0;
  #ready = false;
  fault: string | undefined;

  constructor(plan: Plan, index: number, packets: readonly Uint8Array[]) {
    const opus = index % 2 === 1;
    this.#packets = packets;
    this.#socket = new WebSocket(`${plan.url}/v1/stream`, "earwitness.v1", { perMessageDeflate: false });
    this.#socket.on("open", () => {
      const audio = opus
        ? { encoding: "opus", sample_rate: 48_000, channels: 1 }
        : { encoding: "pcm_mulaw", sample_rate: 8000, channels: 1 };
      this.#socket.send(
        JSON.stringify({ type: "start", version: 1, pace: "live", audio, detection: { hop_ms: plan.hopMs } }),
      );
    });
    this.#socket.on("message", (data: Buffer) => {
      this.#hear(data.toString());
    });
    this.#socket.on("error", (error) => {
      this.fault ??= error.message;
    });
    this.#socket.on("close", (code) => {
      if (code !== 1000) this.fault ??= `closed with ${code}`;
    });
  }

  send(): void {
    if (!this.#ready || this.#socket.readyState !== WebSocket.OPEN) return;
    const packet = this.#packets[this.#next % this.#packets.length];
    this.#next++;
    this.#sentAt.set(this.#next * packetMs, performance.now());
    this.#sentAt.delete(this.#next * packetMs - 10_000);
    if (packet) this.#socket.send(packet);
  }

  forget(): void {
    this.roundTripsMs.length = 0;
    this.latenciesMs.length = 0;
    Object.assign(this.counts, { scores: 0, shed: 0, undecided: 0, gaps: 0 });
  }

  close(): void {
    this.#socket.send(JSON.stringify({ type: "close" }));
  }

  #hear(text: string): void {
    const event = JSON.parse(text) as Heard;
    switch (event.type) {
      case "ready":
        this.#ready = true;
        break;
      case "error":
        this.fault ??= event.code ?? "error";
        break;
      case "gap":
        this.counts.gaps++;
        if (event.cause === "shed") this.counts.shed++;
        break;
      case "score":
        this.#score(event);
    }
  }

  #score({ verdict, latency_ms, window }: Heard): void {
    this.counts.scores++;
    if (verdict === "undecided") this.counts.undecided++;
    this.latenciesMs.push(latency_ms?.total ?? 0);
    const completedBy = Math.ceil((window?.end_ms ?? 0) / packetMs) * packetMs;
    const sent = this.#sentAt.get(completedBy);
    if (sent !== undefined) this.roundTripsMs.push(performance.now() - sent);
  }
}

async function packetsOf(encoding: "pcm_mulaw" | "opus"): Promise<Uint8Array[]> {
  const speech = await loopOfSpeech();
  if (encoding === "pcm_mulaw") {
    const narrow = createResampler(hertz(16_000), hertz(8000)).push(speech);
    const bytes = encodeMulaw(narrow);
    return Array.from({ length: Math.floor(bytes.length / 160) }, (_, i) =>
      bytes.slice(i * 160, (i + 1) * 160),
    );
  }
  const pcm = toInt16(speech);
  const encoder = await createOpusEncoder({ rate: 16_000, channels: 1, frameMs: packetMs, bitrate: 24_000 });
  return Array.from({ length: Math.floor(pcm.length / 320) }, (_, i) =>
    encoder.encode(pcm.slice(i * 320, (i + 1) * 320)),
  );
}

const toInt16 = (samples: Float32Array): Int16Array =>
  Int16Array.from(samples, (x) => Math.max(-32_768, Math.min(32_767, Math.round(x * 32_768))));

/** Calls `tick` for slice 0, 1, … at their times by the clock, late ones at once, until told to stop. */
function keepTime(tick: (slice: number) => void): () => void {
  const begun = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - begun) * slices) / packetMs);
    while (done < due) tick(done++ % slices);
  }, packetMs / slices);
  return () => {
    clearInterval(timer);
  };
}

async function main(plan: Plan): Promise<void> {
  const [mulaw, opus] = [await packetsOf("pcm_mulaw"), await packetsOf("opus")];
  const calls: Call[] = [];
  const stop = keepTime((slice) => {
    for (let i = slice; i < calls.length; i += slices) calls[i]?.send();
  });
  for (let i = 0; i < plan.streams; i++) {
    calls.push(new Call(plan, i, i % 2 === 1 ? opus : mulaw));
    await delay(plan.hopMs / plan.streams);
  }
  await delay(plan.warmUpS * 1000);
  for (const call of calls) call.forget();
  process.stdout.write("warm\n");
  const before = process.cpuUsage();
  await delay(plan.seconds * 1000);
  const cpu = process.cpuUsage(before);
  stop();
  const trips = calls.flatMap((call) => call.roundTripsMs);
  const latencies = calls.flatMap((call) => call.latenciesMs);
  const sum = (pick: (call: Call) => number): number => calls.reduce((n, call) => n + pick(call), 0);
  const faults = calls.flatMap((call) => call.fault ?? []);
  process.stdout.write(
    `${JSON.stringify({
      scores: sum((call) => call.counts.scores),
      shed: sum((call) => call.counts.shed),
      undecided: sum((call) => call.counts.undecided),
      gaps: sum((call) => call.counts.gaps),
      faults,
      latencyMs: { p50: percentile(latencies, 50), p99: percentile(latencies, 99) },
      roundTripMs: { p50: percentile(trips, 50), p99: percentile(trips, 99) },
      clientCores: (cpu.user + cpu.system) / 1e6 / plan.seconds,
    })}\n`,
  );
  for (const call of calls) call.close();
  await delay(500);
  process.exit(0);
}

await main(JSON.parse(process.argv[2] ?? "{}") as Plan);
