import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect, fakeServer } from "../../../test/support/fake-server.ts";
import { scoreOf, scripted, stateOf } from "../../../test/support/scripted-session.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("a client that never reads", () => {
  it("costs no more than the backlog limit, is cut off, and leaves the others alone", async (t) => {
    const { createSession, sessions } = scripted();
    const { ws, door, host, limits } = await fakeServer(t, { parts: { createSession } });
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ session_id: "deaf" });
    await client.event("ready");
    const other = await connect(t, `${ws}/v1/stream`);
    other.start();
    await other.event("ready");
    client.socket.pause();
    let most = 0;
    for (let i = 0; i < 1e6 && host.session("deaf").summary === undefined; i++) {
      sessions[0]?.said.next(scoreOf(i));
      sessions[0]?.said.next(stateOf("spoof"));
      most = Math.max(most, door.backlogBytes());
      if (i % 100 === 0) await turn();
    }
    assert.equal(host.session("deaf").summary?.endedBy, "fault");
    assert.ok(most > limits.backlogBytes / 2, `${most} bytes`);
    assert.ok(most < limits.backlogBytes + 4096, `${most} bytes`);
    client.socket.resume();
    await client.closed;
    sessions[1]?.said.next(stateOf("suspect"));
    await other.event("state");
  });

  it("keeps only the newest scores meanwhile", async (t) => {
    const { createSession, sessions } = scripted();
    const { ws, door, host, limits } = await fakeServer(t, { parts: { createSession } });
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ session_id: "s", audio: { encoding: "pcm_s16le", sample_rate: 8000, channels: 1 } });
    await client.event("ready");
    client.socket.pause();
    let last = 0;
    for (let after = 0; after < 1000; last++) {
      sessions[0]?.said.next(scoreOf(last));
      if (door.backlogBytes() > limits.backlogBytes / 8) after++;
      if (last % 100 === 0) await turn();
    }
    assert.ok(door.backlogBytes() < limits.backlogBytes / 4);
    assert.equal(host.session("s").summary, undefined);
    client.socket.resume();
    client.say({ type: "close" });
    assert.equal((await client.closed).code, 1000);
    const scores = client.events.filter(({ type }) => type === "score");
    assert.equal(scores.at(-1)?.["index"], last - 1);
    assert.ok(scores.length < last - 900);
    assert.deepEqual(
      client.events.filter(({ type }) => type === "warning").map(({ code }) => code),
      ["slow_reader"],
    );
  });
});
