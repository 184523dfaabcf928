import { setTimeout as sleep } from "node:timers/promises";
import {
  connect,
  createEncoder,
  EarwitnessError,
  type Encoder,
  type Encoding,
  type Session,
  type Transport,
} from "../../clients/node/index.ts";
import { readCallAudio, type CallAudio } from "./call-audio.ts";
import { eventLines } from "./event-lines.ts";
import { Refusal } from "./refusal.ts";

export interface StreamOptions {
  readonly transport?: Transport;
  readonly url?: string;
  readonly encoding: Encoding;
  readonly sampleRate?: number;
  readonly frameMs: number;
  readonly speed: number;
  readonly channels?: 1 | 2;
  readonly model?: string;
  readonly hopMs?: number;
  readonly token?: string;
  readonly json?: true;
}

const telephoneRate = 8000;
const opusRates: readonly number[] = [8000, 12_000, 16_000, 24_000, 48_000];

/**
 * Plays files into a running server at the pace of a call and prints what it says; resolves to the exit status. The
 * first SIGINT hangs up and waits for the summary. Throws {@link Refusal} and Faults.
 */
export async function stream(files: readonly string[], options: StreamOptions): Promise<number> {
  const { encoding, frameMs, sampleRate } = options;
  const rateFor = (rate: number) => sampleRate ?? defaultRate(encoding, rate);
  const audio = await readCallAudio(files, rateFor, options.channels);
  const channels = audio.channels.length === 2 ? 2 : 1;
  const encoder = await refusing(
    createEncoder({ encoding, sampleRate: audio.rate, channels, frameMs }),
    RangeError,
  );
  const hangUp = new AbortController();
  process.once("SIGINT", () => {
    hangUp.abort();
  });
  try {
    const session = await refusing(connect(toRequest(options, audio.rate, channels)), TypeError);
    await refusing(
      Promise.all([
        listen(session, options.json === true),
        play(session, audio, encoder, options, hangUp.signal),
      ]),
    );
    return 0;
  } finally {
    encoder.close();
  }
}

const toRequest = (options: StreamOptions, sampleRate: number, channels: 1 | 2) => ({
  ...(options.url === undefined ? {} : { url: options.url }),
  ...(options.transport === undefined ? {} : { transport: options.transport }),
  ...(options.token === undefined ? {} : { token: options.token }),
  // Ahead of real time nothing is live: the server may hold us back instead of refusing us.
  pace: options.speed > 1 ? ("file" as const) : ("live" as const),
  audio: { encoding: options.encoding, sampleRate, channels },
  detection: {
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.hopMs === undefined ? {} : { hopMs: options.hopMs }),
  },
});

function defaultRate(encoding: Encoding, fileRate: number): number {
  if (encoding === "pcm_mulaw" || encoding === "pcm_alaw") return telephoneRate;
  return encoding !== "opus" || opusRates.includes(fileRate) ? fileRate : (opusRates.at(-1) ?? fileRate);
}

async function listen(session: Session, asJson: boolean): Promise<void> {
  for await (const event of session) {
    if (asJson) console.log(JSON.stringify(event));
    else for (const line of eventLines(event)) console.log(line);
  }
}

/** Sends each frame when it would have been spoken, divided by the speed; waits where the server is behind. */
async function play(
  session: Session,
  { rate, channels }: CallAudio,
  encoder: Encoder,
  { speed, frameMs }: StreamOptions,
  hangUp: AbortSignal,
): Promise<void> {
  const ended = { yes: false };
  session.ended.finally(() => (ended.yes = true)).catch(() => undefined);
  const send = async (chunks: readonly Uint8Array[]): Promise<void> => {
    for (const chunk of chunks) if (!session.send(chunk)) await session.drained();
  };
  const started = performance.now();
  const frame = Math.max(1, Math.round((frameMs * rate) / 1000));
  const length = channels[0]?.length ?? 0;
  for (let from = 0; from < length && !hangUp.aborted && !ended.yes; from += frame) {
    await until(started + (from * 1000) / rate / speed, hangUp);
    await send(encoder.encode(channels.map((track) => track.subarray(from, from + frame))));
  }
  if (!ended.yes) await send(encoder.flush());
  await session.finish();
}

async function until(time: number, hangUp: AbortSignal): Promise<void> {
  const wait = time - performance.now();
  if (wait > 1) await sleep(wait, undefined, { signal: hangUp }).catch(() => undefined);
}

/** What the other side refused, or an option's value did, in words. */
async function refusing<T>(work: Promise<T>, badOption?: typeof RangeError | typeof TypeError): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof EarwitnessError) throw new Refusal(`${cause.code}: ${cause.message}`, { cause });
    if (badOption !== undefined && cause instanceof badOption) throw new Refusal(cause.message, { cause });
    throw cause;
  }
}
