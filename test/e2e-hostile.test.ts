import assert from "node:assert/strict";
import { createServer, connect as connectTcp, type AddressInfo, type Server, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { status } from "@grpc/grpc-js";
import { encodeMulaw } from "../clients/node/g711-encode.ts";
import { startServer, until, type RealServer } from "./support/server.ts";
import { at, bytesOf, channelOf, loopedClip, ofType, toOpus, toS16 } from "./support/wire-audio.ts";
import { Bystanders } from "./support/wire-bystanders.ts";
import { openLine, openWatcher, wires, type Address, type Event } from "./support/wire-line.ts";

const backlogBytes = 262_144;
const mebibyte = 1 << 20;
const mulaw8k = { encoding: "pcm_mulaw", sample_rate: 8000, channels: 1 };

describe("a hostile client", { timeout: 120_000 }, () => {
  let server: RealServer;
  let bystanders: Bystanders;
  before(async () => {
    server = await startServer({ WORKERS: "2", MAX_BACKLOG_BYTES: String(backlogBytes) });
    bystanders = await Bystanders.create(server);
  });
  after(() => server.close());

  const seen = async (sessionId: string): Promise<Event> => {
    const response = await fetch(`${server.http}/v1/sessions/${sessionId}`);
    // Its shape is the subject of other tests.
    return (await response.json()) as Event;
  };
  const nobodyLeft = async (): Promise<boolean> =>
    (await server.metric("sessions")) === 0 && (await server.metric("opus_streams")) === 0;

  for (const wire of wires) {
    it(`that never reads over ${wire} is cut off as slow_reader, at a bounded cost`, async () => {
      await bystanders.during(async () => {
        const line = await openLine(wire, server);
        const sessionId = `deaf-${wire}`;
        line.start({ pace: "file", session_id: sessionId });
        await line.event("ready");
        // It reads, and has the room of a socket for bursts.
        const watcher = await openWatcher("websocket", server, { session_id: sessionId });
        line.deaf(true);
        const before = process.memoryUsage().rss;
        let most = 0;
        let worst = 0;
        // Hours that were not sent: each message makes two dozen `gap` events, which may not be dropped.
        for (let i = 1; i < 500 && (await seen(sessionId))["ended"] !== true; i++) {
          for (let n = 0; n < 20; n++) line.say("resume", { gap_ms: 14_400_000 });
          const heard = ({ ended, t_media_ms }: Event) =>
            ended === true || t_media_ms === i * 20 * 14_400_000;
          await until(async () => heard(await seen(sessionId)));
          most = Math.max(most, await server.metric("backlog_bytes"));
          worst = Math.max(worst, process.memoryUsage().rss - before);
        }
        const ended = await seen(sessionId);
        assert.deepEqual([ended["ended"], ended["ended_by"]], [true, "fault"]);
        assert.equal((await watcher.event("summary"))["ended_by"], "fault");
        assert.equal((await watcher.event("error"))["code"], "slow_reader");
        if (wire === "websocket") assert.ok(most > backlogBytes / 4, `${most}`);
        assert.ok(most < backlogBytes + 65_536, `${most} bytes are waiting`);
        assert.ok(worst < 150 * mebibyte, `${worst} bytes more`);
        line.deaf(false);
        const { code, reason } = await line.ended;
        const expected = wire === "grpc" ? [status.RESOURCE_EXHAUSTED, "SLOW_READER"] : [4429, "SLOW_READER"];
        assert.deepEqual([code, reason], expected);
        assert.deepEqual(
          line.events.slice(-2).map(({ type }) => type),
          ["summary", "error"],
        );
        watcher.destroy();
      });
      await until(nobodyLeft);
      assert.equal(await server.metric("faults_total", 'code="slow_reader"'), wires.indexOf(wire) + 1);
    });

    it(`that sends an hour in a second over ${wire} is too fast for a live session`, async () => {
      const chunk = new Uint8Array(40_000).fill(0xd5);
      await bystanders.during(async () => {
        const line = await openLine(wire, server);
        line.start({ audio: mulaw8k });
        for (let i = 0; i < 3600 / 5; i++) line.audio(chunk);
        const { code, reason } = await line.ended;
        const expected = wire === "grpc" ? status.RESOURCE_EXHAUSTED : 4429;
        assert.deepEqual([code, reason], [expected, "TOO_FAST"]);
        const summary = await line.event("summary");
        assert.equal(summary["ended_by"], "fault");
        assert.ok(at(channelOf(summary), "audio_ms") <= 15_000);
        const error = await line.event("error");
        assert.ok(error["retryable"] === true);
      });
      await until(nobodyLeft);
    });
  }

  it("that sends an hour of speech in a second as a file is held back, and every window is scored", async (t) => {
    const hopMs = 5000;
    const minute = encodeMulaw(
      (await loopedClip("machine_flite_slt.flac", 60)).filter((_, i) => i % 2 === 0),
    );
    const minutes = 60;
    const line = await openLine("websocket", server);
    t.after(() => line.destroy());
    line.start({ pace: "file", audio: mulaw8k, detection: { hop_ms: hopMs } });
    for (let i = 0; i < minutes; i++) {
      for (let from = 0; from < minute.length; from += 48_000)
        line.audio(minute.subarray(from, from + 48_000));
    }
    line.close();
    let queued = 0;
    let heldBack = 0;
    await bystanders.during(async () => {
      await line.event("score", (score) => {
        heldBack = Math.max(heldBack, line.unsent());
        return at(score, "index") >= 20;
      });
      queued = Math.max(queued, await server.metric("pool_queue_windows"));
    });
    assert.equal((await line.ended).reason, "");
    assert.ok(heldBack > 10 * mebibyte, `${heldBack} bytes were held back`);
    assert.ok(queued <= 40, `${queued} windows were waiting`);
    const channel = channelOf(await line.event("summary"));
    const whole = ofType(line.events, "score").filter(({ provisional }) => provisional !== true);
    // Media that has come in and is not answered yet: a few dozen windows of an hour.
    const ahead = Math.max(...whole.map((score) => at(score, "t_media_ms") - at(score, "window", "end_ms")));
    assert.ok(ahead <= 300_000, `${ahead} ms ahead`);
    // One every hop from the start on, and one that reaches the end.
    assert.equal(whole.length, Math.floor((minutes * 60_000 - 4000) / hopMs) + 2);
    assert.equal(at(channel, "audio_ms"), minutes * 60_000);
    assert.equal(at(channel, "gap_ms") + at(channel, "shed"), 0);
    assert.equal(at(channel, "windows"), ofType(line.events, "score").length);
  });

  for (const wire of wires) {
    it(`that vanishes in the middle of a call over ${wire} leaves nothing but a summary`, async (t) => {
      const cable = await layCable(server);
      t.after(() => cable.cut());
      const lost = `transport="${wire}",ended_by="peer_lost"`;
      const before = await server.metric("sessions_ended_total", lost);
      const packets = await toOpus(await loopedClip("human_lj.flac", 4));
      await bystanders.during(async () => {
        const line = await openLine(wire, cable.address);
        const sessionId = `lost-${wire}`;
        line.start({ pace: "file", session_id: sessionId, audio: { encoding: "opus", channels: 1 } });
        await line.event("ready");
        const watchers = await Promise.all(
          wires.map((other) => openWatcher(other, server, { session_id: sessionId })),
        );
        for (const packet of packets) line.audio(packet);
        await Promise.all(watchers.map((watcher) => watcher.event("score")));
        assert.ok((await server.metric("opus_streams")) >= 1);
        cable.cut();
        for (const watcher of watchers) {
          const summary = await watcher.event("summary");
          assert.equal(summary["ended_by"], "peer_lost");
          assert.ok(at(channelOf(summary), "scored") >= 1);
          assert.equal((await watcher.ended).reason, "");
        }
        line.destroy();
      });
      await until(nobodyLeft);
      assert.equal(await server.metric("sessions_ended_total", lost), before + 1);
    });
  }

  it("that comes and goes two hundred times leaves no decoder behind", async () => {
    const [packet] = await toOpus(await loopedClip("human_lj.flac", 1));
    assert.ok(packet);
    await bystanders.during(async () => {
      for (let i = 0; i < 100; i++) {
        const pair = await Promise.all(wires.map((wire) => openLine(wire, server)));
        for (const line of pair) {
          line.start({ audio: { encoding: "opus", channels: 2 } });
          line.audio(packet);
        }
        if (i % 2) await Promise.all(pair.map((line) => line.event("ready")));
        for (const line of pair) line.destroy();
      }
    });
    await until(nobodyLeft);
    assert.equal(await server.metric("faults_total", 'code="internal"'), 0);
    assert.deepEqual(
      server.logged.filter((line) => /"level":[56]0/.test(line)),
      [],
    );
  });

  it("may say that hours went by without the others noticing", async () => {
    await bystanders.during(async () => {
      const line = await openLine("websocket", server);
      line.start({ pace: "file", results: { kinds: ["score"] }, audio: { ...mulaw8k, channels: 2 } });
      await line.event("ready");
      const from = performance.now();
      for (let i = 0; i < 500; i++) line.say("annotate", { kind: "gap", gap_ms: 14_400_000 });
      line.close();
      assert.equal((await line.ended).reason, "");
      assert.ok(performance.now() - from < 5000, `${performance.now() - from} ms`);
    });
  });

  it("gets away with bytes that are no audio of any kind", async () => {
    const noise = bytesOf(toS16(Float32Array.from({ length: 32_000 }, (_, i) => Math.sin(i * i * 1.7))));
    await bystanders.during(async () => {
      for (const wire of wires) {
        const line = await openLine(wire, server);
        line.start({ pace: "file", audio: { encoding: "opus", channels: 1 } });
        for (let from = 0; from < noise.length; from += 97) line.audio(noise.subarray(from, from + 97));
        line.close();
        const { reason } = await line.ended;
        assert.ok(reason === "" || reason === "UNDECODABLE_AUDIO", reason);
        for (const score of ofType(line.events, "score")) {
          assert.ok(score["llr"] === null || score["llr"] === undefined || Number.isFinite(score["llr"]));
        }
      }
    });
  });
});

/** Something between client and server that can be cut. */
async function layCable(server: Address): Promise<{ readonly address: Address; cut(): void }> {
  const sockets = new Set<Socket>();
  const listeners: Server[] = [];
  const forward = async (to: string): Promise<string> => {
    const { hostname, port } = new URL(`http://${to}`);
    const listener = createServer((client) => {
      const far = connectTcp(Number(port), hostname);
      for (const socket of [client, far]) sockets.add(socket.on("error", () => undefined));
      client.pipe(far).pipe(client);
    });
    listeners.push(listener);
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    // A TCP server's address is never a path.
    return `127.0.0.1:${(listener.address() as AddressInfo).port}`;
  };
  const [ws, grpc] = await Promise.all([forward(new URL(server.ws).host), forward(server.grpc)]);
  return {
    address: { ws: `ws://${ws}`, grpc },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
      for (const listener of listeners) listener.close();
    },
  };
}
