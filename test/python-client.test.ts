import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createEncoder } from "../clients/node/encoder.ts";
import { readConfig } from "../src/server/config.ts";
import { createGrpcServer } from "../src/server/grpc/server.ts";
import { createLog } from "../src/server/log.ts";
import { type RunningServer, serve } from "../src/server/serve.ts";
import { sampleEvent } from "./support/sample-events.ts";
import { ScriptedHost } from "./support/scripted-host.ts";
import { voice } from "./support/voice.ts";
import { wavFile } from "./support/wav-file.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const script = fileURLToPath(new URL("../clients/python/stream.py", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "earwitness-"));
const clip = join(folder, "call.wav");
const seconds = 10;

/** A Python that has gRPC; `.ci/run` makes one. */
const python = process.env["TEST_PYTHON"] ?? "python3";

function missing(): string | false {
  try {
    execFileSync(python, ["-c", "import grpc, grpc_tools"], { stdio: "ignore" });
    return false;
  } catch {
    return `${python} has no gRPC: pip install -r clients/python/requirements.txt, TEST_PYTHON`;
  }
}

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

const run = (...args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(python, [script, ...args], (error, out, err) => {
      resolve({ status: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });

describe("the Python example", { skip: missing() }, () => {
  let server: RunningServer;
  before(async () => {
    const encoder = await createEncoder({ encoding: "pcm_s16le", sampleRate: 16_000, channels: 2 });
    const data = Buffer.concat(encoder.encode([voice(seconds, 16_000), voice(seconds, 16_000, 200)]));
    writeFileSync(clip, wavFile({ tag: 1, bits: 16, channels: 2, data }));
    const config = readConfig({
      ...{ EARWITNESS_PORT: "0", EARWITNESS_GRPC_PORT: "0", EARWITNESS_PROVIDERS: "cpu" },
    });
    server = await serve(config, root, createLog("silent"));
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it("streams both sides of a call, finds every promise kept, and says so", async () => {
    const { status, out, err } = await run(clip, "--target", server.grpcAddress, "--speed", "8");
    assert.equal(err, "");
    assert.equal(status, 0);
    const lines = out.trimEnd().split("\n");
    assert.match(lines[0] ?? "", /^ +0 ready +default /);
    assert.match(lines.at(-2) ?? "", / summary +channel 0 \w+ \(LLR .*; channel 1 \w+ \(LLR /);
    const [, scores] = /^ok: \d+ events, (\d+) scores$/.exec(lines.at(-1) ?? "") ?? [];
    assert.ok(Number(scores) >= 2 * (seconds - 3), lines.at(-1));
  });

  it("exits with 1 when a promise is broken", async () => {
    const host = new ScriptedHost();
    host.onMessage = (_, connection) => {
      connection.send(sampleEvent("ready", 0));
      connection.send(sampleEvent("score", 2));
      connection.close();
    };
    const liar = await createGrpcServer(host, { host: "127.0.0.1", port: 0 });
    const { status, err } = await run(clip, "--target", liar.address, "--speed", "8");
    await liar.close(0);
    assert.equal(status, 1);
    assert.match(err, /^not as promised: /);
  });

  it("exits with 2 where nobody answers", async () => {
    const { status, err } = await run(clip, "--target", "127.0.0.1:1");
    assert.equal(status, 2);
    assert.match(err, /^UNAVAILABLE: /);
  });
});
