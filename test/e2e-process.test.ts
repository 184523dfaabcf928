import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Client, credentials, status } from "@grpc/grpc-js";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";
import { holds } from "./support/byte-forms.ts";
import { startProcess, type ServerProcess } from "./support/server-process.ts";
import { bytesOf, loopedClip, sendAll, toOpus, toS16 } from "./support/wire-audio.ts";
import { openLine, wires } from "./support/wire-line.ts";

/** grpc.health.v1 as any client of it asks: the answers of `Watch`, as they come. */
function watchHealth(address: string) {
  const path = createRequire(import.meta.url).resolve("grpc-health-check/package.json");
  const loaded = loadSync(join(dirname(path), "proto/health/v1/health.proto"), { enums: String });
  // The package's own schema.
  const service = loaded["grpc.health.v1.Health"] as unknown as Record<
    string,
    MethodDefinition<object, object>
  >;
  const method = service["Watch"];
  assert.ok(method);
  const client = new Client(address, credentials.createInsecure());
  const call = client.makeServerStreamRequest(
    ...[method.path, method.requestSerialize, method.responseDeserialize],
    { service: "earwitness.v1.SpoofDetection" },
  );
  const answers: unknown[] = [];
  let tell: () => void = () => undefined;
  call.on("data", (answer: object) => {
    answers.push(Reflect.get(answer, "status"));
    tell();
  });
  call.on("error", () => undefined);
  return {
    answers,
    async until(wanted: string) {
      while (!answers.includes(wanted)) await new Promise<void>((resolve) => (tell = resolve));
    },
    close: () => client.close(),
  };
}

describe("a server process that is told to stop", { timeout: 60_000 }, () => {
  const drainMs = 2500;

  it("turns readiness and health first, refuses newcomers, warns and sums up, and exits with 0 in time", async (t) => {
    const server = await startProcess({ DRAIN_MS: String(drainMs) });
    t.after(() => server.destroy());
    const health = watchHealth(server.grpc);
    t.after(() => health.close());
    await health.until("SERVING");
    assert.equal((await fetch(`${server.http}/readyz`)).status, 200);
    const lines = await Promise.all(wires.map((wire) => openLine(wire, server)));
    const leaver = await openLine("websocket", server);
    for (const line of [...lines, leaver]) {
      line.start();
      line.audio(new Uint8Array(32_000));
      await line.event("ready");
    }
    const told = performance.now();
    server.kill("SIGTERM");
    await Promise.all(
      [...lines, leaver].map((line) => line.event("warning", ({ code }) => code === "draining")),
    );
    const ready = await fetch(`${server.http}/readyz`);
    assert.deepEqual([ready.status, (await fetch(`${server.http}/healthz`)).status], [503, 200]);
    await health.until("NOT_SERVING");
    for (const wire of wires) {
      const late = await openLine(wire, server);
      late.start();
      const { code, reason } = await late.ended;
      assert.deepEqual([code, reason], [wire === "grpc" ? status.UNAVAILABLE : 1012, "DRAINING"]);
    }
    // Who finishes by itself meanwhile ends as ever.
    leaver.close();
    assert.deepEqual(await leaver.ended, { code: 1000, reason: "" });
    assert.equal((await leaver.event("summary"))["ended_by"], "close");
    for (const line of lines) {
      assert.equal((await line.ended).reason, "DRAINING");
      assert.deepEqual(
        line.events
          .filter(({ type }) => type !== "score" && type !== "ready")
          .map(({ code, ended_by, type }) => [type, ended_by ?? code]),
        [
          ["warning", "draining"],
          ["summary", "drain"],
          ["error", "draining"],
        ],
      );
    }
    assert.ok(performance.now() - told >= drainMs - 50, "nobody was given the drain time");
    assert.deepEqual(await server.exited, { code: 0, signal: null });
    // Two seconds to finish and one to say goodbye are what may be added to the drain time.
    assert.ok(performance.now() - told < drainMs + 4000, `${performance.now() - told} ms`);
  });
});

/** Sixteen bytes that nothing but our audio holds. */
const mark = Uint8Array.from([
  0x91, 0x3e, 0xd7, 0x15, 0xb2, 0x48, 0xfa, 0x06, 0xc9, 0x2d, 0x73, 0xe8, 0x5f, 0x84, 0x1b, 0xa6,
]);

const findMark = (bytes: Buffer): boolean => holds(bytes, mark);

describe("a server process that is told secrets", { timeout: 60_000 }, () => {
  let server: ServerProcess;
  before(async () => {
    server = await startProcess({ LOG_LEVEL: "trace" });
  });
  after(() => server.destroy());

  it("can be searched for them", () => {
    const around = (text: Buffer | string) =>
      Buffer.concat([Buffer.from("xy"), Buffer.from(text), Buffer.from("z")]);
    const inside = Buffer.concat([Buffer.from([7]), mark, Buffer.from([9])]);
    assert.ok(findMark(around(Buffer.from(mark))));
    for (const form of ["base64", "base64url", "hex"] as const)
      assert.ok(findMark(around(inside.toString(form))), form);
    assert.ok(findMark(around(JSON.stringify(Buffer.from(mark)))));
    assert.ok(!findMark(around("nothing of the kind")));
  });

  it("writes none of the audio anywhere, not even when it is broken", async () => {
    const marked = Buffer.alloc(96_000);
    for (let at = 0; at < marked.length; at += mark.length) marked.set(mark, at);
    const tries = [
      { encoding: "pcm_s16le", sample_rate: 16_000, channels: 1 },
      { encoding: "pcm_f32le", sample_rate: 16_000, channels: 1 },
      { encoding: "pcm_mulaw", sample_rate: 8000, channels: 2 },
      { encoding: "opus", channels: 1 },
      { encoding: "pcm_s16le", sample_rate: 16_000, channels: 1, framing: "packet" },
    ];
    for (const wire of wires) {
      for (const audio of tries) {
        const line = await openLine(wire, server);
        line.start({ pace: "file", audio, metadata: { note: "the-customer-s-name" } });
        sendAll(line, marked, audio.encoding === "opus" ? 96 : 6401);
        line.close();
        await line.ended;
      }
    }
    const early = await openLine("websocket", server);
    early.audio(marked.subarray(0, 960));
    await early.ended;
    for (const query of ["", "?encoding=pcm_s16le&sample_rate=16000", "?encoding=nonsense&sample_rate=1"]) {
      await (await fetch(`${server.http}/v1/detect${query}`, { method: "POST", body: marked })).text();
    }
    const kinds = server.written().map(({ where }) => where);
    assert.ok(kinds.length >= 2 && server.stderr().includes("session opened"));
    for (const { bytes, where } of server.written()) {
      assert.ok(!findMark(bytes), `${where} holds audio`);
      assert.ok(!bytes.includes("the-customer-s-name"), `${where} holds metadata`);
    }
  });

  it("says nothing about single broken packets", async () => {
    const good = await toOpus(await loopedClip("human_lj.flac", 6));
    const before = server.stderr().split("\n").length;
    for (const wire of wires) {
      const line = await openLine(wire, server);
      line.start({ pace: "file", audio: { encoding: "opus", channels: 1 } });
      for (const [i, packet] of good.entries()) line.audio(i % 3 ? packet : Uint8Array.of(0x4b, 0, i & 255));
      line.close();
      assert.equal((await line.ended).reason, "");
      assert.ok(line.events.filter(({ type }) => type === "gap").length >= 90);
    }
    const lines = server
      .stderr()
      .split("\n")
      .slice(before - 1);
    const own = lines.filter((line) => line !== "" && !line.includes("batch scored"));
    assert.ok(own.length <= 4, own.join("\n"));
  });

  it("writes no voice down when a worker dies with it, and ends at once when nobody is there", async () => {
    const voice = bytesOf(toS16(await loopedClip("human_lj.flac", 20)));
    const line = await openLine("websocket", server);
    line.start({ pace: "file" });
    sendAll(line, voice);
    await line.event("score");
    const pid = Number(/"pid":(\d+)[^\n]*"worker started"/.exec(server.stderr())?.[1]);
    process.kill(pid, "SIGKILL");
    line.close();
    assert.equal((await line.ended).reason, "");
    assert.match(server.stderr(), /"worker lost"/);
    const piece = Buffer.from(voice.subarray(20_000, 20_064));
    for (const { bytes, where } of server.written()) assert.ok(!bytes.includes(piece), where);
    const told = performance.now();
    server.kill("SIGTERM");
    assert.deepEqual(await server.exited, { code: 0, signal: null });
    assert.ok(performance.now() - told < 10_000, "waited for a drain time without sessions");
  });
});
