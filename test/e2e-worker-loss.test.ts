import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startServer, until, type RealServer } from "./support/server.ts";
import { at, bytesOf, channelOf, loopedClip, ofType, toS16 } from "./support/wire-audio.ts";
import { openLine, pcm16k, wires, type Event, type Line } from "./support/wire-line.ts";

const seconds = 20;
/** One a second from the fourth second on. */
const windows = seconds - 4 + 1;

/** Each window of a channel was scored or declared lost: nothing is missing in silence. */
function assertAccounted(events: readonly Event[], summary: Event): void {
  const scores = ofType(events, "score");
  const gaps = ofType(events, "gap");
  assert.ok(gaps.every(({ cause }) => cause === "worker_lost" || cause === "shed"));
  assert.equal(scores.length + gaps.length, windows);
  const starts = new Set(scores.map((score) => at(score, "window", "end_ms")));
  for (const gap of gaps) assert.ok(!starts.has(at(gap, "end_ms")), "a window is both scored and lost");
  assert.equal(at(channelOf(summary), "audio_ms"), 1000 * seconds);
  assert.equal(at(channelOf(summary), "scored"), scores.length);
  for (const { llr } of scores) assert.ok(typeof llr === "number" && Number.isFinite(llr));
}

describe("a worker that is killed under load", { timeout: 60_000 }, () => {
  let server: RealServer;
  let chunks: readonly Uint8Array[];
  before(async () => {
    server = await startServer({ WORKERS: "2", MAX_AHEAD_MS: "3600000" });
    const bytes = bytesOf(toS16(await loopedClip("machine_flite_slt.flac", seconds)));
    chunks = Array.from({ length: seconds }, (_, i) => bytes.subarray(i * 32_000, (i + 1) * 32_000));
  });
  after(() => server.close());

  /** A second of sound for each window that has been answered, so that some are always with the workers. */
  const talk = async (line: Line, pace: string): Promise<void> => {
    line.start({ pace, audio: pcm16k, detection: { min_speech_ms: 4000 } });
    for (const [i, chunk] of chunks.entries()) {
      line.audio(chunk);
      const due = i - 3;
      if (due < 1) continue;
      await Promise.race([answered(line, due), line.ended]);
    }
    line.close();
  };
  const answered = async (line: Line, count: number): Promise<void> => {
    await until(
      () => line.events.filter(({ type }) => type === "score" || type === "gap").length >= count,
      30_000,
    );
  };

  for (const pace of ["live", "file"]) {
    it(`costs no ${pace} session, at most a declared gap, and windows go on`, async (t) => {
      const lines = await Promise.all(
        Array.from({ length: 10 }, (_, i) => openLine(wires[i % 2] ?? "grpc", server)),
      );
      t.after(() => {
        for (const line of lines) line.destroy();
      });
      const restarts = await server.metric("worker_restarts");
      const calls = lines.map((line) => talk(line, pace));
      await Promise.all(lines.map((line) => answered(line, 3)));
      const before = server.server.workerPids;
      assert.equal(before.length, 2);
      for (const pid of before) process.kill(pid, "SIGKILL");
      await Promise.all(calls);
      for (const line of lines) {
        const { reason } = await line.ended;
        assert.equal(reason, "", `${line.wire} ended with ${reason}`);
        const summary = await line.event("summary");
        assert.equal(summary["ended_by"], "close");
        assertAccounted(line.events, summary);
        // The last window of each call was scored by somebody who was not there before.
        const last = ofType(line.events, "score").at(-1);
        assert.equal(at(last, "window", "end_ms"), 1000 * seconds);
      }
      const lost = lines.flatMap((line) => ofType(line.events, "gap")).length;
      assert.ok(lost <= 2 * lines.length, `${lost} windows were lost`);
      assert.ok((await server.metric("worker_restarts")) >= restarts + 2);
      await until(() => server.server.workerPids.length === 2);
      assert.ok(server.server.workerPids.every((pid) => !before.includes(pid)));
    });
  }

  it("does not stop recordings either", async () => {
    const body = Buffer.concat(chunks);
    const answer = fetch(`${server.http}/v1/detect?encoding=pcm_s16le&sample_rate=16000`, {
      method: "POST",
      body,
    });
    await until(async () => (await server.metric("pool_queue_windows")) > 0 || (await settled(answer)));
    for (const pid of server.server.workerPids) process.kill(pid, "SIGKILL");
    assert.equal((await answer).status, 200);
  });
});

const settled = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);
