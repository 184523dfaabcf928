import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { plainEnvironment } from "../../test/support/environment.ts";
import { voice } from "../../test/support/voice.ts";
import { wavFile } from "../../test/support/wav-file.ts";
import type { SessionEvent, SummaryEvent } from "../../clients/node/events.ts";
import { readConfig } from "../server/config.ts";
import { createLog } from "../server/log.ts";
import { serve, type RunningServer } from "../server/serve.ts";

const root = join(import.meta.dirname, "../..");

function start(args: readonly string[]) {
  const child = spawn(process.execPath, [join(root, "bin/earwitness.js"), "stream", ...args], {
    env: plainEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  const ended = once(child, "close").then(([status]: unknown[]) => ({ status, ...said }));
  return { child, said, ended };
}

const eventsOf = (stdout: string): SessionEvent[] =>
  // What the server says has these types by its contract.
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as SessionEvent);

const summaryOf = (stdout: string): SummaryEvent => {
  const last = eventsOf(stdout).at(-1);
  assert.equal(last?.type, "summary");
  return last;
};

describe("earwitness stream", { timeout: 120_000 }, () => {
  let folder = "";
  let file = "";
  let server: RunningServer;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "earwitness-stream-"));
    file = join(folder, "voice.wav");
    const spoken = Int16Array.from(voice(5, 16_000), (x) => x * 20_000);
    writeFileSync(file, wavFile({ tag: 1, bits: 16, data: new Uint8Array(spoken.buffer) }));
    const environment = { EARWITNESS_PORT: "0", EARWITNESS_GRPC_PORT: "0", EARWITNESS_PROVIDERS: "cpu" };
    server = await serve(readConfig(environment), root, createLog("silent"));
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const ws = () => ["--url", server.httpUrl.replace("http", "ws")];
  const grpc = () => ["--transport", "grpc", "--url", server.grpcAddress];
  const fast = ["--json", "--speed", "50"];

  const cases: readonly (readonly [string, () => string[], number])[] = [
    ["pcm_s16le", ws, 16_000],
    ["pcm_f32le", grpc, 16_000],
    ["pcm_mulaw", ws, 8000],
    ["pcm_alaw", grpc, 8000],
    ["opus", ws, 48_000],
    ["opus", grpc, 48_000],
  ];
  for (const [encoding, where, rate] of cases) {
    it(`plays a whole file as ${encoding} over ${where === ws ? "ws" : "grpc"}`, async () => {
      const { status, stdout, stderr } = await start([file, ...where(), ...fast, "--encoding", encoding])
        .ended;
      assert.equal(status, 0, stderr);
      const [ready] = eventsOf(stdout);
      assert.equal(ready?.type, "ready");
      assert.deepEqual([ready.audio.encoding, ready.audio.sample_rate], [encoding, rate]);
      const { channels } = summaryOf(stdout);
      assert.equal(channels[0]?.audio_ms, 5000);
      assert.ok(channels[0].scored >= 3);
    });
  }

  it("plays two files as the two sides of one call", async () => {
    const { status, stdout, stderr } = await start([file, file, ...ws(), ...fast, "--sample-rate", "8000"])
      .ended;
    assert.equal(status, 0, stderr);
    const [left, right] = summaryOf(stdout).channels;
    assert.deepEqual({ ...left, channel: 1 }, right);
  });

  it("shows the rolling probability as it moves", async () => {
    const { status, stdout } = await start([file, ...ws(), "--speed", "50"]).ended;
    assert.equal(status, 0);
    assert.match(stdout, /^session \S+: pcm_s16le 16000 Hz, 1 ch, model default/);
    assert.match(stdout, /^ +3\.0 s +0 +▕.{24}▏ +(0\.\d{3}|–)/m);
    assert.match(stdout, /channel 0: [A-Z]+/);
  });

  it("keeps real time, and hangs up with a summary at the first SIGINT", async () => {
    const { child, said, ended } = start([file, ...ws(), "--json"]);
    const started = performance.now();
    while (!said.stdout.includes('"type":"score"')) await once(child.stdout, "data");
    assert.ok(performance.now() - started > 1900, "two seconds of audio were played in less");
    child.kill("SIGINT");
    const { status, stdout } = await ended;
    assert.equal(status, 0);
    const { channels, ended_by } = summaryOf(stdout);
    assert.equal(ended_by, "close");
    assert.ok((channels[0]?.audio_ms ?? Infinity) < 5000);
  });

  it("names what went wrong in one line", async () => {
    for (const [args, expected] of [
      [[file, "--url", "ws://127.0.0.1:1"], /connection_failed/],
      [[file, ...ws(), "--model", "nobody"], /unknown_model/],
      [[file, ...ws(), "--encoding", "opus", "--frame-ms", "25"], /frameMs must be one of/],
      [[join(folder, "nowhere.wav"), ...ws()], /ENOENT/],
      [[file, file, file, ...ws()], /one file or two/],
    ] as const) {
      const { status, stderr } = await start(args).ended;
      assert.equal(status, 1);
      assert.match(stderr, expected);
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
  });
});
