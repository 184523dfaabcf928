import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeSink } from "../../test/support/fake-connection.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { scoreOf, stateOf } from "../../test/support/scripted-session.ts";
import type { ResultsFilter } from "../stream/commands.ts";
import type { EventBody } from "../stream/events.ts";
import { millis } from "../stream/units.ts";
import { Outbox, type Posted } from "./outbox.ts";

const post = (body: EventBody, sessionId = "s"): Posted => ({ body, sessionId, tMediaMs: millis(0) });
const maxBacklogBytes = 8000;

function outbox(filter: ResultsFilter = {}) {
  const clock = new ManualClock();
  const sink = new FakeSink();
  const said: string[] = [];
  const box = new Outbox({
    ...{ sink, clock, maxBacklogBytes, filter },
    onSlow: () => said.push("slow"),
    onOverflow: () => said.push("overflow"),
  });
  return { box, clock, sink, said };
}

const scores = (sink: FakeSink) => sink.of("score").map(({ channel, index }) => `${channel}:${index}`);

describe("an outbox", () => {
  it("numbers what it sends without holes, whatever it leaves out", () => {
    const { box, sink } = outbox({ kinds: ["state"] });
    for (const body of [stateOf("suspect"), scoreOf(0), stateOf("spoof")]) box.offer(post(body));
    assert.deepEqual(
      sink.events.map(({ type, seq }) => [type, seq]),
      [
        ["state", 0],
        ["state", 1],
      ],
    );
  });

  it("always sends ready, summary and error", () => {
    const { box, sink } = outbox({ kinds: [] });
    box.offer(post({ type: "summary", endedBy: "close", channels: [], calibrationId: null }));
    box.offer(post({ type: "error", code: "idle", message: "", retryable: true }));
    box.offer(post(stateOf("spoof")));
    assert.deepEqual(sink.types, ["summary", "error idle"]);
  });

  it("sends a channel's scores no more often than asked, on the media timeline", () => {
    const { box, sink } = outbox({ minIntervalMs: 2000 });
    for (let i = 0; i < 5; i++) for (const channel of [0, 1]) box.offer(post(scoreOf(i, channel)));
    assert.deepEqual(scores(sink), ["0:0", "1:0", "0:2", "1:2", "0:4", "1:4"]);
    box.refilter({ minIntervalMs: 0 });
    box.offer(post(scoreOf(5)));
    assert.deepEqual(scores(sink).at(-1), "0:5");
  });

  it("keeps the newest score of each channel for a reader that is behind", () => {
    const { box, clock, said, sink } = outbox();
    sink.backlog = 1001;
    for (let i = 0; i < 100; i++) for (const channel of [0, 1]) box.offer(post(scoreOf(i, channel)));
    assert.deepEqual(scores(sink), []);
    assert.deepEqual(said, ["slow"]);
    clock.advance(1000);
    assert.deepEqual(scores(sink), []);
    sink.backlog = 1000;
    clock.advance(100);
    assert.deepEqual(scores(sink), ["0:99", "1:99"]);
    assert.equal(clock.pending, 0);
  });

  it("never drops another event, and keeps the order", () => {
    const { box, sink } = outbox();
    sink.backlog = 1001;
    for (let i = 0; i < 10; i++) {
      box.offer(post(scoreOf(2 * i)));
      box.offer(post(scoreOf(2 * i + 1)));
      box.offer(post(stateOf("spoof")));
    }
    assert.equal(sink.of("state").length, 10);
    assert.deepEqual(
      scores(sink),
      Array.from({ length: 10 }, (_, i) => `0:${2 * i + 1}`),
    );
    assert.deepEqual(
      sink.events.map(({ seq }) => seq),
      sink.events.map((_, i) => i),
    );
  });

  it("gives up a reader above the limit, once, and then sends only the last words", () => {
    const { box, said, sink } = outbox();
    sink.backlog = (sent) => 500 * sent;
    for (let i = 0; i < 1000; i++) box.offer(post(stateOf("spoof")));
    assert.deepEqual(said, ["overflow"]);
    assert.equal(sink.events.length, 17);
    box.last([post({ type: "summary", endedBy: "fault", channels: [], calibrationId: null })]);
    assert.equal(sink.types.at(-1), "summary");
    assert.equal(sink.events.length, 18);
    assert.equal(box.open, false);
  });

  it("numbers each session on its own and forgets one that is over", () => {
    const { box, sink } = outbox();
    for (const id of ["a", "b", "a"]) box.offer(post(stateOf("spoof"), id));
    box.forget("a");
    box.offer(post(stateOf("spoof"), "a"));
    assert.deepEqual(
      sink.events.map(({ sessionId, seq }) => `${sessionId}${seq}`),
      ["a0", "b0", "a1", "a0"],
    );
  });
});
