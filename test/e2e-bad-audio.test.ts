import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { status } from "@grpc/grpc-js";
import { startServer, type RealServer } from "./support/server.ts";
import {
  at,
  bytesOf,
  channelOf,
  decodeOpus,
  distance,
  llrsOf,
  loopedClip,
  numbersIn,
  ofType,
  sendAll,
  toOpus,
  toS16,
} from "./support/wire-audio.ts";
import { Bystanders } from "./support/wire-bystanders.ts";
import { openLine, wires, type Event, type Line, type Packet } from "./support/wire-line.ts";

const rate = 16_000;
const detection = { min_speech_ms: 4000 };
const f32 = { encoding: "pcm_f32le", sample_rate: rate, channels: 1 };
const sequenced = { encoding: "pcm_s16le", sample_rate: rate, channels: 1, framing: "sequenced" };
/** Samples of 20 ms. */
const frame = 320;

interface Heard {
  readonly end: { readonly code: number; readonly reason: string };
  readonly events: readonly Event[];
  readonly gaps: readonly Event[];
  readonly scores: readonly Event[];
  readonly summary: Event;
}

const undecodable = (wire: Line["wire"]) => ({
  code: wire === "grpc" ? status.DATA_LOSS : 4422,
  reason: "UNDECODABLE_AUDIO",
});

const span = (gap: Event): readonly unknown[] => [
  at(gap, "start_sample"),
  at(gap, "end_sample"),
  gap["cause"],
];

/** Nothing that is no number anywhere, and an LLR in every score that had one to give. */
function assertFinite({ events, scores }: Heard): void {
  for (const event of events) {
    for (const number of numbersIn(event)) assert.ok(Number.isFinite(number), JSON.stringify(event));
  }
  for (const score of scores) {
    if (score["reason"] !== "no_speech") assert.equal(typeof score["llr"], "number", JSON.stringify(score));
  }
}

function assertNoWindowOver({ gaps, scores }: Heard, least = 0): void {
  for (const gap of gaps) {
    if (at(gap, "end_ms") - at(gap, "start_ms") < least) continue;
    for (const score of scores) {
      const before = at(score, "window", "end_sample") <= at(gap, "start_sample");
      const behind = at(score, "window", "start_sample") >= at(gap, "end_sample");
      assert.ok(before || behind, JSON.stringify([gap, score["window"]]));
    }
  }
}

describe("audio that is broken", { timeout: 60_000 }, () => {
  let server: RealServer;
  let bystanders: Bystanders;
  let voice: Float32Array;
  before(async () => {
    server = await startServer();
    bystanders = await Bystanders.create(server);
    voice = await loopedClip("human_kerstin_1.flac", 10);
  });
  after(() => server.close());

  const hear = async (wire: Line["wire"], audio: Event, send: (line: Line) => void): Promise<Heard> => {
    const line = await openLine(wire, server);
    line.start({ pace: "file", audio, detection });
    send(line);
    line.close();
    const end = await line.ended;
    const { events } = line;
    const summary = await line.event("summary");
    return { end, events, summary, gaps: ofType(events, "gap"), scores: ofType(events, "score") };
  };
  const packets = (list: readonly Packet[]) => (line: Line) => {
    for (const packet of list) line.packet(packet);
  };
  /** The voice in packets of 20 ms, numbered from somewhere near the wrap. */
  const inOrder = (): Packet[] =>
    Array.from({ length: voice.length / frame }, (_, i) => ({
      payload: bytesOf(toS16(voice.subarray(i * frame, (i + 1) * frame))),
      seq: 2 ** 32 - 100 + i,
      timestamp: 2 ** 32 - 16_000 + i * frame,
    }));
  /** The same over `packet` framing, as a reference. */
  const reference = () =>
    hear("websocket", { ...sequenced, framing: "packet" }, (line) => {
      for (const { payload } of inOrder()) line.audio(payload);
    });

  it("is a declared gap where samples are NaN or infinite, and nothing else is", async () => {
    const poisoned = voice.slice();
    poisoned.fill(Number.NaN, 4 * rate, 4 * rate + 800);
    poisoned.fill(Number.POSITIVE_INFINITY, 5 * rate, 5 * rate + 1600);
    poisoned.fill(Number.NEGATIVE_INFINITY, 9 * rate, 9 * rate + 8000);
    poisoned[7 * rate] = 3e38;
    await bystanders.during(async () => {
      for (const wire of wires) {
        const heard = await hear(wire, f32, (line) => sendAll(line, bytesOf(poisoned), 4001));
        assert.equal(heard.end.reason, "", wire);
        assert.deepEqual(heard.gaps.map(span), [
          [64_000, 64_800, "undecodable"],
          [80_000, 81_600, "undecodable"],
          [144_000, 152_000, "undecodable"],
        ]);
        assertFinite(heard);
        assertNoWindowOver(heard, 200);
        assert.ok(heard.scores.length >= 5 && heard.scores.some(({ llr }) => typeof llr === "number"));
        assert.equal(at(channelOf(heard.summary), "gap_ms"), 650);
        assert.equal(at(channelOf(heard.summary), "audio_ms"), 10_000);
      }
    });
  });

  it("is a fault when every other sample is NaN", async () => {
    const flood = Float32Array.from(voice, (x, i) => (i % 2 ? Number.NaN : x));
    await bystanders.during(async () => {
      for (const wire of wires) {
        const heard = await hear(wire, f32, (line) => sendAll(line, bytesOf(flood), 8000));
        assert.deepEqual(heard.end, undecodable(wire));
        assert.equal(heard.summary["ended_by"], "fault");
        assert.ok(heard.gaps.length <= 100, `${heard.gaps.length} gaps`);
        assert.equal(heard.scores.length, 0);
        assertFinite(heard);
      }
    });
  });

  it("is a gap for each broken Opus packet, and the rest is scored as if it had been silent there", async () => {
    const good = await toOpus(voice);
    // Code 3 with no frame; code 1, whose two frames cannot be equal; more than 120 ms; a length beyond the packet.
    const broken = [[0x4b, 0x00], [0x49, 1, 2, 3, 4, 5].slice(0, 4), [0x1f, 0x3f], [0x4a, 0xfb, 0xff]];
    const isBroken = (i: number): boolean => i % 5 === 3;
    const sent = good.map((packet, i) => (isBroken(i) ? Uint8Array.from(broken[i % 4] ?? []) : packet));
    const silent = await decodeOpus(good.map((packet, i) => (isBroken(i) ? undefined : packet)));
    const expected = await hear("grpc", { ...sequenced, framing: "raw" }, (line) =>
      sendAll(line, bytesOf(silent)),
    );
    await bystanders.during(async () => {
      const lines = server.logged.length;
      for (const wire of wires) {
        const heard = await hear(wire, { encoding: "opus", channels: 1 }, (line) => {
          for (const packet of sent) line.audio(packet);
        });
        assert.equal(heard.end.reason, "", wire);
        assert.ok(heard.gaps.every(({ cause }) => cause === "undecodable"));
        assert.deepEqual(
          heard.gaps.map((gap) => at(gap, "start_ms")),
          good.flatMap((_, i) => (isBroken(i) ? [20 * i] : [])),
        );
        assert.ok(at(heard.scores[0], "quality", "loss_ratio") > 0.15);
        const far = distance(llrsOf(heard.events), llrsOf(expected.events));
        assert.ok(far <= 1e-3, `${wire}: ${far}`);
      }
      const own = server.logged.slice(lines).filter((line) => !line.includes("batch scored"));
      assert.ok(own.length < 40, `${own.length} lines for ${sent.length} packets`);
    });
  });

  it("is a fault when more than half of the Opus packets are broken", async () => {
    const good = await toOpus(voice);
    await bystanders.during(async () => {
      for (const wire of wires) {
        const heard = await hear(wire, { encoding: "opus", channels: 1 }, (line) => {
          for (const [i, packet] of good.entries()) line.audio(i % 5 < 3 ? Uint8Array.of(0x4b, 0) : packet);
        });
        assert.deepEqual(heard.end, undecodable(wire));
        assert.equal(heard.scores.length, 0);
      }
    });
  });

  it("is put back in order within 100 ms, and heard once however often it is sent", async () => {
    const expected = await reference();
    assert.equal(expected.scores.length, 7);
    const swapped = inOrder();
    for (let i = 2; i + 4 < swapped.length; i += 9)
      swapped.splice(i, 5, ...swapped.slice(i, i + 5).reverse());
    const doubled = inOrder().flatMap((packet, i) => (i % 3 ? [packet] : [packet, packet]));
    const late = inOrder().flatMap((packet, i, all) => [
      packet,
      ...(i > 40 ? all.slice(i - 40, i - 39) : []),
    ]);
    await bystanders.during(async () => {
      for (const wire of wires) {
        for (const [what, list] of Object.entries({ inOrder: inOrder(), swapped, doubled, late })) {
          const heard = await hear(wire, sequenced, packets(list));
          assert.equal(heard.end.reason, "", `${wire}: ${what}`);
          assert.deepEqual(heard.gaps, [], what);
          assert.ok(distance(llrsOf(heard.events), llrsOf(expected.events)) <= 1e-5, `${wire}: ${what}`);
          assert.equal(at(channelOf(heard.summary), "audio_ms"), 10_000, what);
        }
      }
    });
  });

  it("goes on after sequence numbers jump back for good, with a gap for what could not be placed", async () => {
    const far = inOrder().map((packet, i) => ({ ...packet, seq: 1e6 + i, timestamp: 1e8 + i * frame }));
    const restarted = far.map((packet, i) =>
      i < 250 ? packet : { ...packet, seq: i - 250, timestamp: 7 + (i - 250) * frame },
    );
    await bystanders.during(async () => {
      for (const wire of wires) {
        const heard = await hear(wire, sequenced, packets(restarted));
        assert.equal(heard.end.reason, "", wire);
        assert.deepEqual(
          heard.gaps.map(({ cause }) => cause),
          ["loss"],
        );
        assert.equal(at(heard.gaps[0], "start_ms"), 5000);
        assert.equal(at(channelOf(heard.summary), "audio_ms"), 10_000);
        assert.ok(heard.scores.length >= 4);
      }
    });
  });

  it("is a gap of a second where it jumps ahead by one, and no window lies over it", async () => {
    const all = inOrder();
    for (const [cause, seqJump] of [
      ["loss", 50],
      ["dtx", 0],
    ] as const) {
      // A second and a bit: a sender may be silent for a second within a window.
      const jump = cause === "loss" ? rate : rate + frame;
      const jumped = all.map((packet, i) =>
        i < 250 ? packet : { ...packet, seq: packet.seq + seqJump, timestamp: packet.timestamp + jump },
      );
      for (const wire of wires) {
        const heard = await hear(wire, sequenced, packets(jumped));
        assert.equal(heard.end.reason, "", wire);
        assert.deepEqual(heard.gaps.map(span), [[5 * rate, 5 * rate + jump, cause]]);
        assertNoWindowOver(heard);
        assert.ok(heard.scores.some((score) => at(score, "window", "start_sample") >= 5 * rate + jump));
        assert.ok(heard.scores.some((score) => at(score, "window", "end_sample") <= 5 * rate));
      }
    }
  });

  it("is a bad message when the header of a packet is wrong", async () => {
    const headers = [[1], [2, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1]];
    for (const header of headers) {
      const message = new Uint8Array(header.length === 1 ? 11 : 12 + 640);
      message.set(header);
      const heard = await hear("websocket", sequenced, (line) => line.audio(message));
      assert.deepEqual(heard.end, { code: 4400, reason: "BAD_MESSAGE" });
    }
    const odd = await hear("grpc", sequenced, (line) =>
      line.packet({ payload: new Uint8Array(641), seq: 0, timestamp: 0 }),
    );
    assert.deepEqual(odd.end, { code: status.INVALID_ARGUMENT, reason: "BAD_MESSAGE" });
  });

  it("leaves no session, no decoder and no bug behind", async () => {
    assert.equal(await server.metric("sessions"), 0);
    assert.equal(await server.metric("opus_streams"), 0);
    assert.equal(await server.metric("faults_total", 'code="internal"'), 0);
    assert.deepEqual(
      server.logged.filter((line) => /"level":[4-6]0/.test(line)),
      [],
    );
  });
});
