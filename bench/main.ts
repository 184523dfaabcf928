/**
 * Every figure that the documents quote, in one run, with the machine that it was taken on.
 *
 * npm run bench                      all of it, about five minutes
 * npm run bench -- --quick           shorter load, for a first look
 * npm run bench -- --streams 300     another number of live streams
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BareFigures, measureBareModel } from "./bare-model.ts";
import { machine } from "./figures.ts";
import { type LoadFigures, measureLoad } from "./load.ts";
import type { SessionFigures } from "./sessions.ts";
import { measureStages } from "./stages.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    streams: { type: "string", default: "200" },
  },
});
const streams = Number(flags.streams);
const seconds = flags.quick ? 15 : 60;

const heading = (text: string): void => {
  console.log(`\n## ${text}`);
};
const ms = (n: number): string => n.toFixed(2);

console.log(`# earwitness bench\n${machine()}`);

heading("CPU ms for one second of one stream, by stage (medians)");
for (const [stage, cost] of await measureStages()) console.log(`${stage.padEnd(34)} ${ms(cost)}`);

heading("The default detector in a bare ONNX Runtime loop, one thread");
const bare = await measureBareModel();
for (const { batch, cpuMsPerWindow } of bare)
  console.log(`batch ${batch}: ${ms(cpuMsPerWindow)} ms CPU per window`);

heading("Opus sessions in one process");
reportSessions(
  JSON.parse(
    execFileSync(
      process.execPath,
      ["--expose-gc", "--import", "tsx", join(import.meta.dirname, "sessions.ts")],
      { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
    ),
  ) as SessionFigures,
);

for (const hopMs of [2000, 1000]) {
  heading(`${streams} live streams, hop ${hopMs / 1000} s, ${seconds} s measured`);
  reportLoad(await measureLoad({ streams, hopMs, seconds }), bare);
}

function reportSessions(figures: SessionFigures): void {
  const { kibPerSession, ringKibPerSession, createMs, churnMiB } = figures;
  console.log(
    `1,000 sessions, half stereo: ${kibPerSession} KiB each beyond the window ring (${ringKibPerSession} KiB)`,
  );
  console.log(`creation, sessions 901 to 1,000: p50 ${ms(createMs.p50)} ms, p99 ${ms(createMs.p99)} ms`);
  console.log(`resident MiB after each 1,000 of 10,000 open and close: ${churnMiB.join(" ")}`);
}

function reportLoad(figures: LoadFigures, [bareSingle]: readonly BareFigures[]): void {
  const { windows, shed, faults, latencyMs, roundTripMs, serverCores, workerCores, clientCores } = figures;
  const cores = serverCores + workerCores;
  const perCpuSecond = windows / (cores * figures.seconds);
  const perWorkerSecond = windows / (workerCores * figures.seconds);
  const barePerSecond = 1000 / (bareSingle?.cpuMsPerWindow ?? NaN);
  console.log(
    `windows answered ${windows}, shed ${shed}, faults ${faults.length} ${faults.slice(0, 3).join(", ")}`,
  );
  console.log(`verdict latency p50 ${ms(latencyMs.p50)} ms, p99 ${ms(latencyMs.p99)} ms`);
  console.log(`as the client sees it p50 ${ms(roundTripMs.p50)} ms, p99 ${ms(roundTripMs.p99)} ms`);
  console.log(
    `event-loop delay p99 ${ms(figures.eventLoopDelayP99Ms)} ms; resident ${Math.round(figures.residentMiB)} MiB`,
  );
  console.log(`cores: server ${ms(serverCores)}, workers ${ms(workerCores)} (client ${ms(clientCores)})`);
  console.log(`live streams per core: ${Math.round(figures.streams / cores)}`);
  console.log(
    `CPU ms per stream-second: ${ms((1000 * cores) / figures.streams)} (inference ${ms((1000 * workerCores) / figures.streams)})`,
  );
  console.log(
    `serving efficiency against the bare loop at batch 1: ${ms(perCpuSecond / barePerSecond)} in all, ${ms(perWorkerSecond / barePerSecond)} in the workers`,
  );
}
