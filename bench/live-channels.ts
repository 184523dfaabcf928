/**
 * Ten human and ten machine channels, streamed at real-time pace over every path, with their final states and LLRs:
 * does the detector tell them apart (area under the ROC curve), and do the paths agree?
 *
 * npm run bench:channels -- FOLDER    a folder with manifest.csv (file, label, split, system, corpus, speaker, dur) and its clips
 */
import { Decoder } from "@evan/opus";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect, createEncoder, detect, type Encoding, type Transport } from "../clients/node/index.ts";
import { type LabelledChannel, labelledChannels } from "./channels.ts";
import { machine, rocArea } from "./figures.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

interface Path {
  readonly name: string;
  readonly transport: Transport;
  readonly encoding: Encoding;
  readonly sampleRate: number;
}

interface Ending {
  readonly state: string;
  readonly llr: number | null;
  readonly shed: number;
}

const paths: readonly Path[] = [
  { name: "ws s16", transport: "ws", encoding: "pcm_s16le", sampleRate: 16_000 },
  { name: "ws f32", transport: "ws", encoding: "pcm_f32le", sampleRate: 16_000 },
  { name: "grpc s16", transport: "grpc", encoding: "pcm_s16le", sampleRate: 16_000 },
  { name: "ws mulaw", transport: "ws", encoding: "pcm_mulaw", sampleRate: 8000 },
  { name: "grpc alaw", transport: "grpc", encoding: "pcm_alaw", sampleRate: 8000 },
  { name: "ws opus", transport: "ws", encoding: "opus", sampleRate: 16_000 },
];
const frameMs = 20;
/** The contract's tolerances: the same samples by another way, and a codec decoded by somebody else's decoder. */
const sameSamples = 1e-4;
const sameCodec = 1e-3;
const leastArea = 0.75;

/** Returns how many demands are not met. */
async function main(): Promise<number> {
  const { values: flags, positionals } = parseArgs({
    allowPositionals: true,
    options: { count: { type: "string", default: "10" }, seconds: { type: "string", default: "15" } },
  });
  const [folder] = positionals;
  if (folder === undefined) throw new Error("usage: npm run bench:channels -- FOLDER");
  const channels = await labelledChannels(folder, Number(flags.count), Number(flags.seconds));
  console.log(`# ${channels.length} channels over ${paths.length} paths at real-time pace\n${machine()}\n`);
  const server = await startServer();
  try {
    let failures = 0;
    for (const path of paths) {
      const chunks = await inTurn(channels, (channel) => encode(channel, path));
      const live = await Promise.all(chunks.map((sent, i) => stream(server, path, sent, i / chunks.length)));
      const offline = await inTurn(chunks, (sent) => offlineLlr(server, path, sent));
      failures += report(path, channels, live, offline);
    }
    return failures;
  } finally {
    await server.stop();
  }
}

async function encode(channel: LabelledChannel, path: Path): Promise<Uint8Array[]> {
  const encoder = await createEncoder({
    encoding: path.encoding,
    sampleRate: path.sampleRate,
    channels: 1,
    frameMs,
  });
  const samples = Float32Array.from(channel.samples, (x) => x / 32_768);
  const sound = path.sampleRate === 8000 ? halve(samples) : samples;
  const chunks = [...encoder.encode([sound]), ...encoder.flush()];
  encoder.close();
  return chunks;
}

/** Every second sample of a plain low-pass: what a telephone's converter does, near enough. */
function halve(samples: Float32Array): Float32Array {
  const half = 24;
  const taps = Array.from({ length: 2 * half + 1 }, (_, k) => {
    const x = k - half;
    const sinc = x === 0 ? 0.5 : Math.sin((Math.PI * x) / 2) / (Math.PI * x);
    return sinc * (0.54 + 0.46 * Math.cos((Math.PI * x) / (half + 1)));
  });
  return Float32Array.from({ length: Math.floor(samples.length / 2) }, (_, n) =>
    taps.reduce((sum, tap, k) => sum + tap * (samples[2 * n + k - half] ?? 0), 0),
  );
}

/** Sends a chunk each 20 ms by the clock, starts spread over a second, and waits for the summary. */
async function stream(
  { wsUrl, grpcAddress }: ServerProcess,
  path: Path,
  chunks: readonly Uint8Array[],
  startS: number,
): Promise<Ending> {
  await delay(startS * 1000);
  const session = await connect({
    url: path.transport === "ws" ? wsUrl : grpcAddress,
    transport: path.transport,
    audio: { encoding: path.encoding, sampleRate: path.sampleRate, channels: 1 },
  });
  const begun = performance.now();
  for (const [i, chunk] of chunks.entries()) {
    const wait = begun + i * frameMs - performance.now();
    if (wait > 0) await delay(wait);
    session.send(chunk);
  }
  const { channels: ended } = await session.finish();
  const [channel] = ended;
  return { state: channel?.state ?? "–", llr: channel?.llr ?? null, shed: channel?.shed ?? 0 };
}

/** The same bytes, decoded here and judged whole. */
async function offlineLlr(
  { httpUrl }: ServerProcess,
  path: Path,
  chunks: readonly Uint8Array[],
): Promise<number | null> {
  const pcm = decode(path, chunks);
  const { channels: judged } = await detect(new Uint8Array(pcm.buffer), {
    url: httpUrl,
    audio: { encoding: "pcm_f32le", sampleRate: path.sampleRate, channels: 1 },
  });
  return judged[0]?.llr ?? null;
}

function decode({ encoding, sampleRate }: Path, chunks: readonly Uint8Array[]): Float32Array {
  if (encoding === "opus") return decodeOpus(chunks, sampleRate);
  const bytes = Buffer.concat(chunks);
  switch (encoding) {
    case "pcm_s16le":
      return Float32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i) / 32_768);
    case "pcm_f32le":
      return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    case "pcm_mulaw":
      return Float32Array.from(bytes, expandMulaw);
    case "pcm_alaw":
      return Float32Array.from(bytes, expandAlaw);
  }
}

/** ITU-T G.711, by its segments: nothing shared with the server's tables. */
function expandMulaw(byte: number): number {
  const code = ~byte & 0xff;
  const magnitude = (((code & 0x0f) * 2 + 33) << ((code >> 4) & 7)) - 33;
  return ((code & 0x80 ? -1 : 1) * magnitude * 4) / 32_768;
}

function expandAlaw(byte: number): number {
  const code = byte ^ 0x55;
  const segment = (code >> 4) & 7;
  const step = (code & 0x0f) * 2 + 1;
  const magnitude = segment === 0 ? step : (step + 32) << (segment - 1);
  return ((code & 0x80 ? 1 : -1) * magnitude * 8) / 32_768;
}

/** Another build of libopus than the server's: native, 16-bit. */
function decodeOpus(packets: readonly Uint8Array[], sampleRate: number): Float32Array {
  const decoder = new Decoder({ channels: 1, sample_rate: sampleRate === 8000 ? 8000 : 16_000 });
  const bytes = Buffer.concat(packets.map((packet) => decoder.decode(packet)));
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i) / 32_768);
}

/** Prints a path's table; returns how many of its demands are not met. */
function report(
  path: Path,
  channels: readonly LabelledChannel[],
  live: readonly Ending[],
  offline: readonly (number | null)[],
): number {
  console.log(`## ${path.name}`);
  const differences = live.map(({ llr }, i) => Math.abs((llr ?? Infinity) - (offline[i] ?? 0)));
  for (const [i, { state, llr }] of live.entries()) {
    const { label, name } = channels[i] ?? { label: "", name: "" };
    console.log(
      `${label.padEnd(9)} ${name.padEnd(30)} ${state.padEnd(10)} ${show(llr)} offline ${show(offline[i])}`,
    );
  }
  const llrsOf = (label: string) =>
    live.flatMap(({ llr }, i) => (channels[i]?.label === label ? [llr ?? 0] : []));
  const area = rocArea(llrsOf("spoof"), llrsOf("bonafide"));
  const shed = live.reduce((n, ending) => n + ending.shed, 0);
  const most = Math.max(...differences);
  const allowed = path.encoding === "pcm_s16le" || path.encoding === "pcm_f32le" ? sameSamples : sameCodec;
  console.log(
    `area under the ROC curve ${area.toFixed(3)}, shed ${shed}, largest difference from offline ${most.toExponential(1)} (allowed ${allowed})\n`,
  );
  return (area >= leastArea ? 0 : 1) + (most <= allowed ? 0 : 1);
}

const show = (llr: number | null | undefined): string => (llr?.toFixed(4) ?? "–").padStart(8);

async function inTurn<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const done: Out[] = [];
  for (const item of items) done.push(await work(item));
  return done;
}

process.exitCode = (await main()) > 0 ? 1 : 0;
