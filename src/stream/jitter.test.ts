import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fault } from "./errors.ts";
import type { Arrival, Ordered } from "./jitter.ts";
import { ReorderBuffer } from "./jitter.ts";
import { hertz, samples } from "./units.ts";

const clock = hertz(8000);
const step = 160;
const second = 8000;

interface Sent {
  readonly seq: number;
  readonly at: number;
  readonly length?: number;
}

const wrap = (n: number): number => n >>> 0;

/** A packet whose payload is its own timestamp, so that a test sees what came out. */
function arrival({ seq, at, length = step }: Sent): Arrival {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, wrap(at));
  return { seq: wrap(seq), mediaTimestamp: wrap(at), duration: samples(length), payload };
}

const nth = (n: number): Sent => ({ seq: n, at: n * step });

/** `at` for a packet, `at+overlap` when its start was already covered, `length:cause` for a gap. */
const told = (out: readonly Ordered[]): string[] =>
  out.map((next) => {
    if (next.kind === "gap") return `${next.length}:${next.cause}`;
    const at = new DataView(next.payload.buffer, next.payload.byteOffset).getUint32(0);
    return next.overlap > 0 ? `${at}+${next.overlap}` : `${at}`;
  });

function order(sent: readonly Sent[]): string[] {
  const buffer = new ReorderBuffer(clock);
  return [...sent.flatMap((packet) => told(buffer.push(arrival(packet)))), ...told(buffer.flush())];
}

const packets = (...numbers: number[]): Sent[] => numbers.map(nth);

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
}

/** A call as it arrives: packets are less than 100 ms late, some lost, some doubled, with silences between. */
function randomCall(random: () => number): Sent[] {
  const arrivals: (Sent & { readonly time: number })[] = [];
  const firstSeq = Math.floor(random() * 0xffffffff);
  let at = Math.floor(random() * 0xffffffff);
  for (let n = 0; n < 60; n++, at += step) {
    const isFirst = n === 0;
    if (!isFirst && random() < 0.1) at += Math.floor(random() * 3 * second);
    if (!isFirst && random() < 0.1) continue;
    const time = isFirst ? at : at + Math.floor(random() * 4 * step);
    arrivals.push({ seq: firstSeq + n, at, time });
    if (random() < 0.1) arrivals.push({ seq: firstSeq + n, at, time: time + Math.floor(random() * 4000) });
  }
  return arrivals.sort((a, b) => a.time - b.time);
}

describe("ReorderBuffer", () => {
  it("gives packets that are in order at once, and the first is the timeline's zero", () => {
    const buffer = new ReorderBuffer(clock);
    for (const n of [70, 71, 72]) assert.deepEqual(told(buffer.push(arrival(nth(n)))), [`${n * step}`]);
    assert.deepEqual(buffer.flush(), []);
  });

  it("puts swapped packets back in order", () => {
    assert.deepEqual(order(packets(0, 2, 1, 3, 5, 4)), ["0", "160", "320", "480", "640", "800"]);
  });

  it("waits for a packet until one that starts more than 100 ms after it is there", () => {
    const inTime = packets(0, 2, 3, 4, 5, 6, 1, 7);
    assert.deepEqual(order(inTime), order(packets(0, 1, 2, 3, 4, 5, 6, 7)));
    const buffer = new ReorderBuffer(clock);
    for (const packet of packets(0, 2, 3, 4, 5, 6)) buffer.push(arrival(packet));
    assert.deepEqual(told(buffer.push(arrival(nth(7)))), [
      "160:loss",
      ...["320", "480", "640", "800", "960", "1120"],
    ]);
    assert.deepEqual(buffer.push(arrival(nth(1))), [], "too late");
    assert.deepEqual(told(buffer.push(arrival(nth(8)))), ["1280"]);
  });

  it("declares several holes one by one", () => {
    assert.deepEqual(order(packets(0, 2, 5, 20)), [
      "0",
      "160:loss",
      "320",
      "320:loss",
      "800",
      "2240:loss",
      "3200",
    ]);
  });

  it("drops duplicates, of packets given and of packets that wait", () => {
    assert.deepEqual(order(packets(0, 0, 1, 0, 3, 3, 1, 2, 3, 4)), ["0", "160", "320", "480", "640"]);
  });

  it("calls a jump dtx when no packet is missing, and loss when one is", () => {
    assert.deepEqual(order([nth(0), { seq: 1, at: 3 * second }, { seq: 3, at: 5 * second }]), [
      "0",
      `${3 * second - step}:dtx`,
      `${3 * second}`,
      `${2 * second - step}:loss`,
      `${5 * second}`,
    ]);
  });

  it("goes on across the wrap of both counters", () => {
    const near = (n: number): Sent => ({ seq: 0xffffffff + n, at: 0x100000000 - step + n * step });
    const out = order([near(0), near(2), near(1), near(3)]);
    assert.deepEqual(out, [`${0x100000000 - step}`, "0", "160", "320"]);
    const gap = order([near(0), near(1), { seq: 1, at: 3 * step }]);
    assert.deepEqual(gap.slice(2), ["480:dtx".replace("480", `${2 * step}`), `${3 * step}`]);
  });

  it("says how much of a packet was covered already, and never goes back", () => {
    assert.deepEqual(order([nth(0), { seq: 1, at: 100 }, { seq: 2, at: 50 }, { seq: 3, at: 260 }]), [
      "0",
      "100+60",
      "50+160",
      "260",
    ]);
  });

  it("keeps a packet without a duration as a mark of time", () => {
    assert.deepEqual(order([nth(0), { seq: 1, at: 1600, length: 0 }, { seq: 2, at: 1600 }]), [
      "0",
      "1440:dtx",
      "1600",
      "1600",
    ]);
  });

  it("drops packets that are seconds late", () => {
    assert.deepEqual(order(packets(1000, 1001, 700, 701, 702, 703, 1002)), ["160000", "160160", "160320"]);
  });

  it("ignores counters that leap until three packets agree, then goes on after a gap", () => {
    for (const { seq, at } of [
      { seq: 5, at: -400 * second },
      { seq: -900_000_000, at: 10 * step },
      { seq: 2_000_000_000, at: 50_000 * second },
      { seq: 1_000_000_000, at: -50_000 * second },
      { seq: 101, at: -50_000 * second },
    ]) {
      const start = { seq: 100 + seq, at: 100 * step + at };
      const after = (n: number): Sent => ({ seq: start.seq + n, at: start.at + n * step });
      const leap = [nth(100), after(0), nth(101), after(1), after(2), after(3), after(4)];
      assert.deepEqual(
        order(leap),
        ["16000", "16160", `${2 * step}:loss`, `${wrap(after(3).at)}`, `${wrap(after(4).at)}`],
        JSON.stringify({ seq, at }),
      );
    }
  });

  it("gives what still waits before a restart", () => {
    const after = (n: number): Sent => ({ seq: 7 + n, at: -900 * second + n * step });
    assert.deepEqual(order([nth(500), nth(502), after(0), after(1), after(2)]), [
      "80000",
      "160:loss",
      "80320",
      "320:loss",
      `${wrap(after(2).at)}`,
    ]);
  });

  it("takes a hole of an hour and refuses a longer one", () => {
    const hour = 3600 * second;
    assert.deepEqual(order([nth(0), { seq: 1, at: step + hour }]), ["0", `${hour}:dtx`, `${step + hour}`]);
    const buffer = new ReorderBuffer(clock);
    buffer.push(arrival(nth(0)));
    assert.throws(
      () => buffer.push(arrival({ seq: 1, at: step + hour + 1 })),
      (error: unknown) =>
        error instanceof Fault && error.code === "bad_message" && /3600000/.test(error.message),
    );
  });

  it("does not keep a packet's bytes while it waits", () => {
    const buffer = new ReorderBuffer(clock);
    buffer.push(arrival(nth(0)));
    const early = arrival(nth(2));
    buffer.push(early);
    early.payload.fill(0xff);
    assert.deepEqual(told(buffer.push(arrival(nth(1)))), ["160", "320"]);
  });

  it("holds a bounded number of packets and bytes, whatever their timestamps say", () => {
    const buffer = new ReorderBuffer(clock);
    buffer.push(arrival(nth(0)));
    let waiting = 0;
    for (let seq = 2; seq < 220; seq += 2) {
      waiting +=
        1 - buffer.push(arrival({ seq, at: step + 1 })).filter((next) => next.kind === "packet").length;
      assert.ok(waiting <= 64);
    }
    const large = new ReorderBuffer(clock);
    large.push(arrival(nth(0)));
    for (const seq of [2, 3])
      large.push({ ...arrival({ seq, at: step + 1 }), payload: new Uint8Array(40_000) });
    assert.deepEqual(large.flush(), [], "the second gave up the hole before both");
  });

  it("repairs a swap at the start of a talkspurt, with or without a packet lost before it", () => {
    const spurt = (n: number): Sent => ({ seq: n, at: 3 * second + n * step });
    const tail = [spurt(2), spurt(3), spurt(4)].map(({ at }) => `${at}`);
    const sent = [nth(0), spurt(3), spurt(2), spurt(4)];
    assert.deepEqual(order(sent), ["0", `${3 * second + step}:loss`, ...tail]);
    const whole = [nth(0), nth(1), spurt(3), spurt(2), spurt(4)];
    assert.deepEqual(order(whole), ["0", "160", `${3 * second}:dtx`, ...tail]);
  });

  it("refuses timestamps that count something else than samples, and bears some that do not", () => {
    const slow = (share: number) =>
      Array.from({ length: 200 }, (_, n) => ({ seq: n, at: Math.floor(n * step * share) }));
    for (const share of [0, 1 / 6, 1 / 3]) {
      assert.throws(() => order(slow(share)), { name: "Fault", code: "bad_message" }, `${share}`);
    }
    assert.doesNotThrow(() => order(slow(0.9)));
    const stuck = Array.from({ length: 40 }, (_, n) => ({ seq: 100 + n, at: 100 * step }));
    assert.doesNotThrow(() => order([...packets(98, 99), ...stuck, ...packets(140, 141)]));
  });

  it("keeps every sample in its place under reordering, loss, silence and duplicates", () => {
    const random = randomFrom(11);
    let placed = 0;
    for (let round = 0; round < 200; round++) {
      const sent = randomCall(random);
      const buffer = new ReorderBuffer(clock);
      let position = sent[0]?.at ?? NaN;
      const given = new Set<number>();
      for (const next of [...sent.flatMap((packet) => buffer.push(arrival(packet))), ...buffer.flush()]) {
        if (next.kind === "packet") {
          assert.deepEqual(told([next]), [`${wrap(position)}`], `round ${round}`);
          given.add(wrap(position));
          placed++;
        }
        position += next.kind === "gap" ? next.length : next.duration;
      }
      const expected = new Set(sent.map((packet) => wrap(packet.at)));
      assert.deepEqual(given, expected, `round ${round}: nothing that came in time was dropped`);
    }
    assert.ok(placed > 10_000, `${placed}`);
  });
});
