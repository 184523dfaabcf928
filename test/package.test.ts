import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { plainEnvironment } from "./support/environment.ts";
import { soundFile } from "./support/recordings.ts";
import { fileURLToPath } from "node:url";

const root = join(import.meta.dirname, "..");

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: string, args: readonly string[], cwd: string): Promise<Outcome> {
  const child = spawn(command, args, { cwd, env: plainEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { status, stdout, stderr } = await run(command, args, cwd);
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

describe("the package, packed and installed into an empty folder", { timeout: 300_000 }, () => {
  const files: string[] = [];
  let folder = "";
  let app = "";
  let bin = "";

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "earwitness-package-"));
    app = join(folder, "app");
    mkdirSync(app);
    // Our own .npmrc turns scripts off, `prepack` among them: what is packed must have been built.
    await succeed(process.execPath, ["scripts/build.js"], root);
    await succeed("npm", ["pack", "--silent", "--pack-destination", folder], root);
    const [tarball = ""] = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
    files.push(...(await succeed("tar", ["-tzf", join(folder, tarball)], folder)).trim().split("\n"));
    writeFileSync(join(app, "package.json"), JSON.stringify({ private: true, type: "module" }));
    // Without --ignore-scripts onnxruntime-node would download CUDA, and fail where it cannot.
    const options = ["--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
    await succeed("npm", ["install", ...options, join(folder, tarball)], app);
    bin = join(app, "node_modules", ".bin", "earwitness");
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("holds what runs and nothing else", () => {
    const stray = files.filter((file) =>
      /\.test\.|tsbuildinfo|\.built|\/src\/.*(?<!\.d)\.ts$|fixtures|training/.test(file),
    );
    assert.deepEqual(stray, []);
    for (const needed of [
      "bin/earwitness.js",
      "models/default/model.onnx",
      "clients/browser/worklet.js",
      "LICENSE",
    ]) {
      assert.ok(files.includes(`package/${needed}`), needed);
    }
  });

  it("scores a recording without the compiler, the sources or a download", async () => {
    const clip = fileURLToPath(soundFile("mono.opus"));
    const stdout = await succeed(bin, ["detect", "--json", clip], app);
    assert.match(stdout, /^\{"file":".*mono\.opus","model":"default","channels":\[\{"channel":0,/);
  });

  it("serves its page, and stops when it is told to", async () => {
    const env = {
      ...plainEnvironment(),
      EARWITNESS_PORT: "0",
      EARWITNESS_GRPC_PORT: "0",
      EARWITNESS_PROVIDERS: "cpu",
    };
    const server = spawn(bin, ["serve"], { cwd: app, env, stdio: ["ignore", "pipe", "ignore"] });
    const ended = new Promise((resolve) => server.once("close", resolve));
    let said = "";
    const page = await new Promise<string>((resolve, reject) => {
      server.once("close", () => {
        reject(new Error(`it did not start: ${said}`));
      });
      server.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        const found = /page +(\S+)\n/.exec(said)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    const answer = await fetch(new URL("app.js", page));
    assert.equal(answer.status, 200);
    server.kill("SIGTERM");
    assert.equal(await ended, 0);
  });

  it("exports the client", async () => {
    const program = 'import("earwitness/client").then((client) => console.log(Object.keys(client).join()))';
    assert.match(await succeed(process.execPath, ["-e", program], app), /\w/);
  });
});

describe("the launcher in a checkout", { timeout: 300_000 }, () => {
  let checkout = "";
  // A copy: the launchers of other tests, which run beside this one, would build the checkout itself.
  before(async () => {
    await succeed(process.execPath, ["scripts/build.js"], root);
    checkout = mkdtempSync(join(tmpdir(), "earwitness-checkout-"));
    const files = readdirSync(root).filter((name) => /\.json$/.test(name));
    for (const name of ["bin", "clients", "dist", "models", "proto", "scripts", "src", ...files]) {
      cpSync(join(root, name), join(checkout, name), { recursive: true, preserveTimestamps: true });
    }
    symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"), "dir");
  });
  after(() => rmSync(checkout, { recursive: true, force: true }));

  it("starts several at once, of which one builds", async () => {
    utimesSync(join(checkout, "dist", ".built"), 0, 0);
    const runs = await Promise.all(
      [0, 1, 2].map(() => run(process.execPath, ["bin/earwitness.js", "--version"], checkout)),
    );
    for (const { status, stdout } of runs) {
      assert.equal(status, 0);
      assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    }
    const building = runs.filter(({ stderr }) => stderr.includes("building"));
    assert.equal(building.length, 1);
  });
});
