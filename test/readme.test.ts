import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readConfig } from "../src/server/config.ts";
import { createLog } from "../src/server/log.ts";
import { serve, type RunningServer } from "../src/server/serve.ts";
import { blocks, read, root, section, spans, table } from "./support/markdown.ts";

const readme = read("README.md");

/** Runs Node in the repository with these arguments; resolves to what it printed. Rejects unless it succeeds. */
function run(args: readonly string[], input = ""): Promise<string> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, EARWITNESS_PROVIDERS: "cpu" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`status ${code}: ${errors}`)),
    );
  });
}

/** The README's transcripts of `earwitness`: the arguments after `$ npx earwitness`, and what it shows as the answer. */
const transcripts = blocks(readme, "console").map((block) => {
  const [command = "", ...shown] = block.trimEnd().split("\n");
  const [, args = ""] = /^\$ npx earwitness (.+)$/.exec(command) ?? [];
  return { args: args.split(" "), shown: shown.join("\n") };
});

const number = /[+−]?\d+(?:\.\d+)?/g;
const numbersIn = (text: string): number[] =>
  [...text.matchAll(number)].map(([found]) => Number(found.replace("−", "-")));

/** Without what is drawn, and what is new each time. */
const plain = (text: string): string =>
  text.replace(/session [\da-f-]{36}/g, "session").replace(/▕.*▏/g, "▕▏");

/** Processors round differently: scores may differ in the last place that is shown, but for that all is equal. */
function assertShows(shown: string, printed: string): void {
  assert.equal(plain(shown).replace(number, "#"), plain(printed).replace(number, "#"));
  const [said, done] = [numbersIn(plain(shown)), numbersIn(plain(printed))];
  assert.ok(said.length > 5, "numbers to compare");
  for (const [i, value] of said.entries()) {
    assert.ok(Math.abs(value - (done[i] ?? Number.NaN)) < 0.0101, `${value} is now ${done[i]}`);
  }
}

describe("README.md", { timeout: 120_000 }, () => {
  let server: RunningServer | undefined;
  before(async () => {
    const config = readConfig({
      EARWITNESS_PORT: "0",
      EARWITNESS_GRPC_PORT: "0",
      EARWITNESS_WORKERS: "1",
      EARWITNESS_PROVIDERS: "cpu",
    });
    server = await serve(config, root, createLog("silent"));
  });
  after(() => server?.close());

  it("begins with what it is and the two commands, before any heading", () => {
    const [top = ""] = readme.split("\n## ");
    assert.deepEqual(blocks(top, "sh"), ["npm ci\nnpm start\n"]);
    assert.ok(top.split("\n").length < 70, "the first screen has grown");
  });

  it("shows what the command prints", async () => {
    assert.deepEqual(
      transcripts.map(({ args }) => args[0]),
      ["detect", "stream"],
    );
    assert.ok(server !== undefined);
    // Faster than a call, and with the same scores.
    const here = ["--speed", "8", "--url", server.httpUrl.replace("http:", "ws:")];
    for (const { args, shown } of transcripts) {
      const more = args[0] === "stream" ? here : [];
      const printed = await run([join("bin", "earwitness.js"), ...args, ...more]);
      assertShows(shown, printed.trimEnd());
    }
  });

  it("has a WebSocket example that runs as it stands", async () => {
    const [example = ""] = blocks(readme, "js");
    assert.ok(server !== undefined);
    const url = server.httpUrl.replace("http:", "ws:");
    assert.ok(example.includes("ws://127.0.0.1:8080/"));
    const printed = await run(["--input-type=module", "-"], example.replace("ws://127.0.0.1:8080", url));
    for (const channel of [0, 1])
      assert.match(printed, new RegExp(`^${channel} \\d+ (?:spoof|bonafide|undecided) `, "m"));
    assert.match(printed, /state: '/);
    assert.equal([...printed.matchAll(/audio_ms: 2\d{3}/g)].length, 2);
  });

  it("has a server whose metrics are those of the protocol page", async () => {
    assert.ok(server !== undefined);
    const text = await (await fetch(`${server.httpUrl}/metrics`)).text();
    const served = [...text.matchAll(/^# TYPE (\w+ \w+)$/gm)].map(([, found = ""]) => found);
    const rows = table(section(read("docs/protocol.md"), "Metrics"), "metric");
    assert.deepEqual(rows.map(([name, type]) => `${spans(name).join()} ${type}`).sort(), served.sort());
    const source = read("src/server/metrics.ts");
    for (const [, , labels] of rows) {
      for (const label of spans(labels)) assert.ok(source.includes(`"${label}"`), label);
    }
  });
});
