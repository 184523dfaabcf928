import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { text } from "node:stream/consumers";
import { voice } from "../../test/support/voice.ts";
import { createEncoder } from "./encoder.ts";
import { twoDoors } from "../../test/support/two-doors.ts";

const examples = ["listen.ts", "private.ts"].map((file) => join(import.meta.dirname, "examples", file));
const [example = ""] = examples;

describe("the client's README", () => {
  it("shows the examples that are type-checked", () => {
    const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
    const shown = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
    const written = examples.map((file) => readFileSync(file, "utf8"));
    assert.deepEqual(
      shown,
      written.map((code) => code.replace("../index.ts", "earwitness/client")),
    );
  });

  it("shows a first example that runs on either transport", async (t) => {
    const { endpoints } = await twoDoors(t);
    const encoder = await createEncoder({ encoding: "pcm_s16le", sampleRate: 16_000, channels: 1 });
    const speech = Buffer.concat(encoder.encode([voice(8, 16_000)]));
    for (const { url = "" } of Object.values(endpoints)) {
      const child = spawn(process.execPath, ["--import", "tsx", example, url], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      child.stdin.end(speech);
      const exited = new Promise((resolve) => child.once("exit", resolve));
      const said = await text(child.stdout);
      assert.equal(await exited, 0);
      assert.match(said, /^4000 ms: this window spoof, so far 0\.\d{3}$/m);
      assert.match(said, /LLR \d+\.\d\d, \d+ ms of speech\n$/);
    }
  });
});
