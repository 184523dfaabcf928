import { randomInt } from "node:crypto";
import {
  framePermutation,
  parseOrder,
  permuteFrames,
  type FrameOrder,
} from "../../src/models/safeear/permutation.ts";
import { writeCodeWindow } from "../../src/stream/code-window.ts";
import type { Command } from "../../src/stream/commands.ts";
import { createDecoder } from "../../src/stream/decode.ts";
import { pcmRates } from "../../src/stream/decode-format.ts";
import { AudioFrontEnd, type Item } from "../../src/stream/front-end.ts";
import type { CodeSpec, DetectorSpec, Window } from "../../src/stream/ports.ts";
import { createResampler } from "../../src/stream/resample.ts";
import { createSpeechMeter } from "../../src/stream/speech.ts";
import { hertz, toMillis } from "../../src/stream/units.ts";
import { giveBuffer } from "../../src/stream/window-buffers.ts";
import type { Edge, EdgeOptions } from "./edge.ts";
import { readEdgePack } from "./edge-pack.ts";
import { Tokenizer } from "./edge-tokenizer.ts";
import type { Annotation, AudioOptions } from "./options.ts";

/** See `createEdge`. */
export async function openEdge(options: EdgeOptions): Promise<Edge> {
  const { audio, order, threads = 1 } = options;
  const orderOf = chooseOrder(order);
  if (!pcmRates.some((rate) => rate === audio.sampleRate))
    throw new RangeError(`sampleRate must be one of ${pcmRates.join(", ")}, not ${audio.sampleRate}`);
  const { spec, codes, tokenizerPath } = await readEdgePack(options.pack);
  const hopMs = checkHop(options.hopMs ?? spec.detection.hopMs);
  const tokenizer = await Tokenizer.load(tokenizerPath, threads);
  return new WindowEdge({ spec, codes, tokenizer, orderOf, hopMs, audio });
}

const largestSeed = 2 ** 32 - 1;

/** The order of the next window: the one that is asked for, or one that nobody can ask for. */
function chooseOrder(text: string | undefined): () => FrameOrder {
  if (text === undefined) return () => ({ kind: "seed", seed: randomInt(largestSeed + 1) });
  const order = parseOrder(text);
  return () => order;
}

function checkHop(hopMs: number): number {
  if (hopMs >= 250 && hopMs <= 5000 && hopMs % 20 === 0) return hopMs;
  throw new RangeError(`hopMs must be 250 to 5000 and a multiple of 20, not ${hopMs}`);
}

interface WindowEdgeParts {
  readonly spec: DetectorSpec;
  readonly codes: CodeSpec;
  readonly tokenizer: Tokenizer;
  readonly orderOf: () => FrameOrder;
  readonly hopMs: number;
  readonly audio: EdgeOptions["audio"];
}

/** The server's own front end, here: what it cuts is what a session of the same audio would hear. */
class WindowEdge implements Edge {
  readonly start: { readonly audio: AudioOptions; readonly detection: { readonly hopMs: number } };
  readonly modelDigest: string;
  readonly #parts: WindowEdgeParts;
  readonly #frontEnd: AudioFrontEnd;
  /** The last call's messages: the next one's come after them. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: WindowEdgeParts) {
    const { audio, hopMs, spec } = parts;
    this.#parts = parts;
    this.start = { audio: { encoding: "safeear_codes", channels: 1 }, detection: { hopMs } };
    this.modelDigest = spec.digest;
    const rate = hertz(audio.sampleRate);
    const format = { encoding: audio.encoding, framing: "raw", rate, channels: 1 } as const;
    this.#frontEnd = new AudioFrontEnd({
      ...{ decoder: createDecoder(format, undefined), clock: rate, channels: 1, spec, hopMs },
      // No window before the first whole one: the server could not tell that it is short, and would count its padding.
      minSpeechMs: Infinity,
      ...{ createResampler, createMeter: createSpeechMeter },
    });
  }

  push(chunk: Uint8Array): Promise<Uint8Array[]> {
    return this.#apply({ type: "audio", chunk });
  }

  finalize(): Promise<Uint8Array[]> {
    return this.#apply({ type: "finalize" });
  }

  pause(): Promise<Uint8Array[]> {
    return this.#apply({ type: "pause" });
  }

  resume(gapMs?: number): Promise<Uint8Array[]> {
    return this.#apply({ type: "resume", ...(gapMs !== undefined && { gapMs }) });
  }

  annotate(annotation: Annotation): Promise<Uint8Array[]> {
    return this.#apply({ type: "annotate", ...annotation });
  }

  async flush(): Promise<Uint8Array[]> {
    return this.#encode(this.#frontEnd.flush());
  }

  async close(): Promise<void> {
    this.#frontEnd.close();
    await this.#turn;
    await this.#parts.tokenizer.close();
  }

  async #apply(command: Command): Promise<Uint8Array[]> {
    return this.#encode(this.#frontEnd.apply(command));
  }

  #encode(items: readonly Item[]): Promise<Uint8Array[]> {
    const turn = this.#turn.then(async () => {
      const messages: Uint8Array[] = [];
      for (const item of items) if (item.kind === "window") messages.push(await this.#message(item.window));
      return messages;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #message(window: Window): Promise<Uint8Array> {
    const codes = await this.#codesOf(window);
    giveBuffer(window.samples);
    const { index, start, speech } = window;
    // A window with any speech must not be taken for one with none.
    const speechMs = speech > 0 ? Math.max(1, toMillis(speech, this.#parts.spec.rate)) : 0;
    return writeCodeWindow({ index, start, speechMs, codes }, this.#parts.codes);
  }

  /** Nobody scores a window without speech, so nobody need encode it. */
  async #codesOf({ samples, speech }: Window): Promise<Int32Array> {
    const { codes, tokenizer, orderOf } = this.#parts;
    if (speech === 0) return new Int32Array(codes.stages * codes.frames);
    const all = await tokenizer.encode(samples);
    const acoustic = all.subarray(all.length - codes.stages * codes.frames);
    return permuteFrames(acoustic, framePermutation(codes.frames, orderOf()));
  }
}
