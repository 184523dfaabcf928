import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect, fakeServer } from "../../../test/support/fake-server.ts";
import { scripted } from "../../../test/support/scripted-session.ts";

describe("an hour in a second", () => {
  const twoSeconds = new Uint8Array(64_000);

  it("ends a live session as too fast", async (t) => {
    const { ws } = await fakeServer(t);
    const client = await connect(t, `${ws}/v1/stream`);
    client.start();
    for (let s = 0; s < 1800; s++) client.socket.send(twoSeconds, () => undefined);
    assert.deepEqual(await client.closed, { code: 4429, reason: "TOO_FAST" });
    assert.deepEqual(client.types.slice(-2), ["summary", "error"]);
    assert.ok(client.types.length < 10);
  });

  it("is held back at the client when it is a file, and all of it arrives in the end", async (t) => {
    const { createSession, sessions } = scripted();
    const { ws } = await fakeServer(t, { parts: { createSession } });
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ pace: "file" });
    await client.event("ready");
    const [session] = sessions;
    assert.ok(session);
    session.parts.valve.pause();
    for (let s = 0; s < 1800; s++) client.socket.send(twoSeconds, () => undefined);
    await settled(() => client.socket.bufferedAmount);
    assert.ok(client.socket.bufferedAmount > 90e6, `${client.socket.bufferedAmount}`);
    assert.ok(session.heard.length < 10, `${session.heard.length}`);
    session.parts.valve.resume();
    client.say({ type: "close" });
    assert.equal((await client.closed).code, 1000);
    assert.equal(session.heard.length, 1800);
  });
});

describe("a client that is held back", () => {
  it("is closed without delay when its session fails", { timeout: 3000 }, async (t) => {
    const { createSession, sessions } = scripted();
    const { ws } = await fakeServer(t, { parts: { createSession } });
    const client = await connect(t, `${ws}/v1/stream`);
    client.start({ pace: "file" });
    await client.event("ready");
    sessions[0]?.parts.valve.pause();
    sessions[0]?.said.error(new Error("a bug"));
    assert.deepEqual(await client.closed, { code: 1011, reason: "INTERNAL" });
  });
});

/** When a number has not changed for many turns of the event loop. */
async function settled(read: () => number): Promise<void> {
  for (let same = 0, last = read(); same < 200;) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = read();
    same = now === last ? same + 1 : 0;
    last = now;
  }
}
