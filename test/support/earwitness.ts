import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { plainEnvironment } from "./environment.ts";

const bin = fileURLToPath(new URL("../../bin/earwitness.js", import.meta.url));

/** How a command ended, and what it said. */
export interface Outcome {
  readonly status: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `earwitness` on one CPU process, with `dataFolder` for a user's data: packs are in `earwitness/models` there. */
export function runEarwitness(dataFolder: string, ...args: readonly string[]): Promise<Outcome> {
  const env = {
    ...plainEnvironment(),
    EARWITNESS_PROVIDERS: "cpu",
    EARWITNESS_WORKERS: "1",
    XDG_DATA_HOME: dataFolder,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], { env }, (error, stdout, stderr) => {
      // A checkout that was edited builds first, and says so.
      const said = stderr.replace(/^earwitness: building .*\n/, "");
      resolve({ status: error === null ? 0 : error.code, stdout, stderr: said });
    });
  });
}
