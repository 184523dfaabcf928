import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { connect, createEncoder, type Session, type SessionEvent, watch } from "../clients/node/index.ts";
import { readConfig } from "../src/server/config.ts";
import { createLog } from "../src/server/log.ts";
import { type RunningServer, serve } from "../src/server/serve.ts";
import { checkHealth } from "./support/grpc-client.ts";
import { voice } from "./support/voice.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const audio = { encoding: "pcm_mulaw", sampleRate: 8000, channels: 2 } as const;

async function speak(session: Session, seconds: number): Promise<void> {
  const encoder = await createEncoder(audio);
  const sides = [voice(seconds, 8000), voice(seconds, 8000, 210)];
  for (const chunk of [...encoder.encode(sides), ...encoder.flush()])
    if (!session.send(chunk)) await session.drained();
}

describe("the server over gRPC with the default detector", { timeout: 60_000 }, () => {
  let server: RunningServer;
  before(async () => {
    const variables = { EARWITNESS_PORT: "0", EARWITNESS_GRPC_PORT: "0", EARWITNESS_PROVIDERS: "cpu" };
    server = await serve(readConfig(variables), root, createLog("silent"));
  });
  after(() => server.close());

  it("is watched from WebSocket, and watches it, event for event", async () => {
    const url = `grpc://${server.grpcAddress}`;
    const session = await connect({ url, pace: "file", audio, callId: "both" });
    const watchers = [
      watch({ url, callId: "both" }),
      watch({ url: server.httpUrl, callId: "both" }),
      watch({ url: server.httpUrl, sessionId: session.id }),
    ];
    await Promise.all(watchers.map((watcher) => new Promise((resolve) => watcher.on("ready", resolve))));
    const over = watchers.map((watcher) => new Promise((resolve) => watcher.on("summary", resolve)));
    await speak(session, 6);
    await session.finish();
    await Promise.all(over);
    const scores = async (events: AsyncIterable<SessionEvent>) => {
      const seen: unknown[] = [];
      for await (const event of events) {
        if (event.type === "score") seen.push({ ...event, seq: 0 });
        if (event.type === "summary") break;
      }
      return seen;
    };
    const own = await scores(session);
    assert.ok(own.length >= 8);
    for (const watcher of watchers) {
      assert.deepEqual(await scores(watcher), own);
      watcher.close();
    }
  });

  it("turns its health first when it drains, warns, refuses newcomers and ends with a summary", async () => {
    const url = `grpc://${server.grpcAddress}`;
    const session = await connect({ url, audio });
    assert.equal(await checkHealth(server.grpcAddress), "SERVING");
    const drained = server.drain();
    assert.equal(await checkHealth(server.grpcAddress, "earwitness.v1.SpoofDetection"), "NOT_SERVING");
    await assert.rejects(connect({ url, audio }), { code: "draining", retryable: true });
    await speak(session, 1);
    const summary = await session.finish();
    assert.equal(summary.channels[0]?.audio_ms, 1000);
    const kinds: string[] = [];
    for await (const event of session) kinds.push(event.type === "warning" ? event.code : event.type);
    assert.ok(kinds.includes("draining"), kinds.join());
    await drained;
  });
});
