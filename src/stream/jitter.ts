import { Fault } from "./errors.ts";
import type { Hertz, Samples } from "./units.ts";
import { samples, toSamples } from "./units.ts";

/** One packet of one channel, as it arrived. */
export interface Arrival {
  /** Counts the sender's packets, mod 2³². */
  readonly seq: number;
  /** Where the payload starts, in samples of the sender's clock mod 2³². */
  readonly mediaTimestamp: number;
  readonly duration: Samples;
  readonly payload: Uint8Array;
}

/** The next thing on a channel's timeline. */
export type Ordered =
  | {
      readonly kind: "packet";
      readonly payload: Uint8Array;
      readonly duration: Samples;
      /** How much of its start an earlier packet already covered: not to be heard again. */
      readonly overlap: Samples;
    }
  | { readonly kind: "gap"; readonly length: Samples; readonly cause: "loss" | "dtx" };

const reorderingMs = 100;
/** A packet this late is not the stream's own any more. */
const staleMs = 10_000;
/** A longer hole is no hole in a call; it also bounds what one packet can add to a timeline. */
const longestGapMs = 3_600_000;
/** The shortest packet of any codec here: a jump of more packets than fit into its time is no loss. */
const shortestPacketMs = 2.5;
/** Ordinary senders have a handful of packets in 100 ms; these bound the others. */
const maxHeldPackets = 64;
const maxHeldBytes = 65_536;
/** Packets in a row, each at least half covered by those before it, after which timestamps are taken to be wrong. */
const overlappingPackets = 50;
/** Packets in a row by which a sender that started its counters anew is believed. */
const restartPackets = 3;

/** The shorter way from `b` to `a` on a circle of 2³². */
const ahead = (a: number, b: number): number => (a - b) | 0;
const wrapped = (n: number): number => n >>> 0;

/**
 * Puts one channel's packets back in order, by the sender's own counters.
 *
 * The first packet is the timeline's zero. A hole in the timestamps is a gap: `loss` when sequence numbers are missing
 * too, `dtx` when they are not. A missing packet is waited for until one is there that starts more than 100 ms of
 * media after it; later it is dropped, as duplicates are, since its place has been declared a gap. Counters that leap
 * (seconds back, or forward by more packets than fit into the time) are ignored until three packets in a row agree
 * with each other: then the sender has restarted, and the timeline goes on after a `loss` gap as long as the first two.
 * A believable jump of more than an hour is a `bad_message` Fault, and so are timestamps that lag behind the samples.
 */
export class ReorderBuffer {
  readonly #reordering: number;
  readonly #stale: number;
  readonly #longestGap: number;
  readonly #shortestPacket: number;
  readonly #clock: Hertz;
  /** What the packet after the last one given must have; `undefined` before the first. */
  #next: { seq: number; timestamp: number } | undefined;
  /** In order of `seq`, all ahead of `#next`. */
  #held: Arrival[] = [];
  #heldBytes = 0;
  #overlapping = 0;
  #stranger: { count: number; firstTimestamp: number; seq: number; timestamp: number } | undefined;

  /** `clock` is the rate at which timestamps count. */
  constructor(clock: Hertz) {
    this.#clock = clock;
    this.#reordering = toSamples(reorderingMs, clock);
    this.#stale = toSamples(staleMs, clock);
    this.#longestGap = toSamples(longestGapMs, clock);
    this.#shortestPacket = toSamples(shortestPacketMs, clock);
  }

  /** Copies the payload if it must wait; otherwise the answer holds it as it came. */
  push(packet: Arrival): Ordered[] {
    const next = (this.#next ??= { seq: packet.seq, timestamp: packet.mediaTimestamp });
    const packets = ahead(packet.seq, next.seq);
    const jump = ahead(packet.mediaTimestamp, next.timestamp);
    if (packets < 0 && jump < 0 && jump >= -this.#stale) return [];
    if (this.#isStrange(packets, jump)) return this.#meet(packet);
    this.#stranger = undefined;
    if (jump > this.#longestGap) throw this.#tooLong(jump);
    const out: Ordered[] = [];
    if (packets === 0) this.#give(packet, out);
    else this.#hold(packet);
    this.#release(out);
    return out;
  }

  /** Everything that still waits, with the holes before it. */
  flush(): Ordered[] {
    const out: Ordered[] = [];
    while (this.#held.length > 0) this.#giveHeld(out);
    return out;
  }

  #isStrange(packets: number, jump: number): boolean {
    if (packets < 0 || jump < -this.#stale) return true;
    return jump > this.#stale && packets * this.#shortestPacket > jump;
  }

  /** A packet that fits nowhere: dropped, unless it is the third of a stream of its own. */
  #meet(packet: Arrival): Ordered[] {
    const { seq, mediaTimestamp: timestamp } = packet;
    const last = this.#stranger;
    const step = last === undefined ? 0 : ahead(timestamp, last.timestamp);
    const follows = last?.seq === wrapped(seq - 1) && step > 0 && step <= this.#stale;
    const known = follows ? last : { count: 0, firstTimestamp: timestamp };
    this.#stranger = { count: known.count + 1, firstTimestamp: known.firstTimestamp, seq, timestamp };
    if (this.#stranger.count < restartPackets) return [];
    const out = this.flush();
    out.push({ kind: "gap", length: samples(wrapped(timestamp - known.firstTimestamp)), cause: "loss" });
    this.#stranger = undefined;
    this.#next = { seq, timestamp };
    this.#give(packet, out);
    return out;
  }

  #hold(packet: Arrival): void {
    let place = this.#held.length;
    while (place > 0 && ahead(this.#held[place - 1]?.seq ?? 0, packet.seq) > 0) place--;
    if (this.#held[place - 1]?.seq === packet.seq) return;
    this.#held.splice(place, 0, { ...packet, payload: packet.payload.slice() });
    this.#heldBytes += packet.payload.length;
  }

  /** Gives what is in order, and gives up holes for as long as too much waits behind them. */
  #release(out: Ordered[]): void {
    while (this.#held.length > 0 && (this.#held[0]?.seq === this.#next?.seq || this.#isOverdue())) {
      this.#giveHeld(out);
    }
  }

  #isOverdue(): boolean {
    if (this.#held.length > maxHeldPackets || this.#heldBytes > maxHeldBytes) return true;
    const first = this.#held[0];
    const expected = this.#next?.timestamp ?? 0;
    // Within a longer hole the missing packet may be the last one: a talkspurt's first packets can be swapped too.
    const lastPlace = first === undefined ? 0 : ahead(first.mediaTimestamp, expected) - first.duration;
    const overdue = Math.max(0, lastPlace) + this.#reordering;
    return this.#held.some((packet) => ahead(packet.mediaTimestamp, expected) > overdue);
  }

  #giveHeld(out: Ordered[]): void {
    const packet = this.#held.shift();
    if (packet === undefined) return;
    this.#heldBytes -= packet.payload.length;
    this.#give(packet, out);
  }

  #give(packet: Arrival, out: Ordered[]): void {
    const { seq, mediaTimestamp, duration, payload } = packet;
    const next = this.#next ?? { seq, timestamp: mediaTimestamp };
    const jump = ahead(mediaTimestamp, next.timestamp);
    if (jump > 0) out.push({ kind: "gap", length: samples(jump), cause: seq === next.seq ? "dtx" : "loss" });
    const overlap = Math.min(Math.max(0, -jump), duration);
    this.#assertClock(overlap, duration);
    out.push({ kind: "packet", payload, duration, overlap: samples(overlap) });
    const end = Math.max(0, jump + duration);
    this.#next = { seq: wrapped(seq + 1), timestamp: wrapped(next.timestamp + end) };
  }

  /** Throws a `bad_message` Fault for timestamps that count something else than samples at the clock. */
  #assertClock(overlap: number, duration: number): void {
    this.#overlapping = duration > 0 && overlap >= duration / 2 ? this.#overlapping + 1 : 0;
    if (this.#overlapping < overlappingPackets) return;
    throw new Fault(
      "bad_message",
      `media_timestamp must count samples at ${this.#clock} Hz: each of the last ${overlappingPackets} packets begins within the one before`,
      { details: { field: "media_timestamp", clock: this.#clock } },
    );
  }

  #tooLong(jump: number): Fault {
    const jumpMs = Math.floor((jump * 1000) / this.#clock);
    return new Fault("bad_message", `media_timestamp jumps ahead by ${jumpMs} ms; at most ${longestGapMs}`, {
      details: { field: "media_timestamp", jump_ms: jumpMs, max_jump_ms: longestGapMs },
    });
  }
}
