import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { encodeMulaw } from "../../clients/node/g711-encode.ts";
import { bytesOf, distance, llrsOf, loopedClip, toOpus, toS16 } from "./wire-audio.ts";
import { openLine, type Address, type Event, type Line } from "./wire-line.ts";

interface Bystander {
  readonly name: string;
  readonly wire: Line["wire"];
  readonly audio: Event;
  /** 20 ms each. */
  readonly messages: readonly Uint8Array[];
}

interface Account {
  readonly llrs: readonly (number | null)[];
  readonly types: readonly unknown[];
  readonly summary: unknown;
}

const seconds = 8;
/** Windows of one run in two batches differ in the last bits of a float. */
const tolerance = 1e-5;

/** Three well-behaved sessions on two wires, which must not notice what else happens. */
export class Bystanders {
  readonly #server: Address;
  readonly #all: readonly Bystander[];
  readonly #undisturbed: readonly Account[];

  private constructor(server: Address, all: readonly Bystander[], undisturbed: readonly Account[]) {
    this.#server = server;
    this.#all = all;
    this.#undisturbed = undisturbed;
  }

  /** Runs them once alone, to know what they should hear. */
  static async create(server: Address): Promise<Bystanders> {
    const all = await cast();
    const undisturbed = await runAll(server, all, () => Promise.resolve());
    for (const { llrs } of undisturbed) assert.ok(llrs.filter((llr) => llr !== null).length >= 5);
    return new Bystanders(server, all, undisturbed);
  }

  /** Runs `work` while they are in the middle of their calls, and compares what they heard with a run alone. */
  async during(work: () => Promise<void>): Promise<void> {
    const accounts = await runAll(this.#server, this.#all, work);
    for (const [i, { llrs, summary, types }] of accounts.entries()) {
      const name = this.#all[i]?.name;
      const alone = this.#undisturbed[i];
      assert.ok(alone);
      assert.deepEqual(types, alone.types, name);
      const far = distance(llrs, alone.llrs);
      assert.ok(far <= tolerance, `${String(name)}: an LLR is off by ${far}`);
      assert.deepEqual(summary, alone.summary, name);
    }
  }
}

async function cast(): Promise<readonly Bystander[]> {
  const machine = await loopedClip("machine_flite_slt.flac", seconds);
  const human = await loopedClip("human_kerstin_1.flac", seconds);
  const narrow = encodeMulaw(machine.filter((_, i) => i % 2 === 0));
  const cut = (bytes: Uint8Array, size: number) =>
    Array.from({ length: bytes.length / size }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  return [
    {
      ...{ name: "s16 over WebSocket", wire: "websocket", messages: cut(bytesOf(toS16(human)), 640) },
      audio: { encoding: "pcm_s16le", sample_rate: 16_000, channels: 1 },
    },
    {
      ...{ name: "mu-law over gRPC", wire: "grpc", messages: cut(narrow, 160) },
      audio: { encoding: "pcm_mulaw", sample_rate: 8000, channels: 1 },
    },
    {
      ...{ name: "Opus over WebSocket", wire: "websocket", messages: await toOpus(machine) },
      audio: { encoding: "opus", channels: 1 },
    },
  ];
}

/** A third of each call, then `work` beside the second third, then the rest. */
async function runAll(
  server: Address,
  all: readonly Bystander[],
  work: () => Promise<void>,
): Promise<readonly Account[]> {
  const lines = await Promise.all(all.map(({ wire }) => openLine(wire, server)));
  const third = (seconds * 50) / 3;
  const send = async (from: number, to: number): Promise<void> => {
    for (let at = Math.ceil(from); at < to; at++) {
      for (const [i, line] of lines.entries()) line.audio(all[i]?.messages[at] ?? new Uint8Array(0));
      await turn();
    }
  };
  try {
    for (const [i, line] of lines.entries()) {
      line.start({ pace: "file", audio: all[i]?.audio, detection: { min_speech_ms: 500 } });
    }
    await send(0, third);
    await Promise.all(lines.map((line) => line.event("score")));
    await Promise.all([work(), send(third, 2 * third)]);
    await send(2 * third, 3 * third);
    return await Promise.all(lines.map(conclude));
  } finally {
    for (const line of lines) line.destroy();
  }
}

async function conclude(line: Line): Promise<Account> {
  line.close();
  const { code, reason } = await line.ended;
  assert.equal(reason, "", `a bystander on ${line.wire} ended with ${code}`);
  const { channels, ended_by } = await line.event("summary");
  return {
    llrs: llrsOf(line.events),
    types: line.events.map(({ type }) => type),
    summary: { ended_by, channels: Array.isArray(channels) ? channels.map(withoutScores) : [] },
  };
}

/** What no last bit of a float can change. */
function withoutScores(channel: unknown): Event {
  return { ...(typeof channel === "object" ? channel : {}), llr: undefined, p_spoof: undefined };
}
