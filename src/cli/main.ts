import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DetectFormat, DetectOptions } from "./detect.ts";
import { addEvaluation } from "./evaluate-command.ts";
import { addInspection } from "./inspect-command.ts";
import type { ImportOptions, SafeearOptions } from "./import.ts";
import { packageRoot } from "./package-root.ts";
import { Refusal } from "./refusal.ts";
import type { StreamOptions } from "./stream.ts";

/** Runs `earwitness` with a process's arguments. The only place that ends the process. */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", leaveQuietly);
  try {
    process.exitCode = await run(argv);
  } catch (reason) {
    process.exitCode = toStatus(reason);
  }
}

/** Whoever reads us has heard enough, as `head` does. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
}

/** By name: their modules are loaded with the commands that throw them. */
const foreseen: ReadonlySet<string> = new Set([
  Refusal.name,
  "ConfigError",
  "Fault",
  "CheckpointError",
  "PackTargetError",
]);

function toStatus(reason: unknown): number {
  if (reason instanceof CommanderError) return reason.exitCode === 0 ? 0 : 2;
  // What the system refuses, a missing file say, is nobody's bug.
  const isForeseen = reason instanceof Error && (foreseen.has(reason.name) || "syscall" in reason);
  console.error(
    `earwitness: ${isForeseen ? reason.message : String(reason instanceof Error ? reason.stack : reason)}`,
  );
  return 1;
}

async function run(argv: readonly string[]): Promise<number> {
  let status = 0;
  const program = new Command("earwitness")
    .description(
      "Says, per speaker and every second, how likely a voice is machine-made. Not proof of identity.",
    )
    .version(version())
    .exitOverride()
    .showHelpAfterError("(`earwitness --help` says more)");
  const finish = (result: number): void => {
    status = result;
  };
  addServe(program, finish);
  addDetect(program, finish);
  addStream(program, finish);
  addModels(program, finish);
  addImport(program, finish);
  addEvaluation(program, finish);
  addInspection(program, finish);
  await program.parseAsync([...argv]);
  return status;
}

type Finish = (status: number) => void;

// Each command loads what it needs when it runs, so that `--help` and `models` start at once.

function addServe(program: Command, finish: Finish): void {
  program
    .command("serve")
    .description("start the server; EARWITNESS_… variables configure it")
    .action(async () => {
      const { serveUntilStopped } = await import("./serve.ts");
      finish(await serveUntilStopped());
    });
}

const detectFormats: readonly DetectFormat[] = ["table", "json", "safeear"];

function addDetect(program: Command, finish: Finish): void {
  program
    .command("detect")
    .description("score recordings: WAV, FLAC and Ogg Opus, one or two channels")
    .argument("<files...>")
    .addOption(
      new Option("--format <name>", "how results are printed; safeear also hears each file whole")
        .choices(detectFormats)
        .default("table"),
    )
    .addOption(
      new Option("--json", "one JSON object per file and line, as --format json").conflicts("format"),
    )
    .option("--model <name>", "model pack (default: EARWITNESS_MODEL or `default`)")
    .option("--shuffle <order>", "of SafeEar's frames: a seed, identity or flip (default: the pack's)")
    .option("--hop-ms <ms>", "time between windows, 250 to 5000, a multiple of 20", integer(250, 5000))
    .option("--min-speech-ms <ms>", "speech that a window needs for a verdict", integer(0, 60_000))
    .option("--prior <p>", "P(spoof) before any evidence, between 0 and 1", fraction)
    .action(async (files: string[], options: DetectOptions) => {
      const { detect } = await import("./detect.ts");
      finish(await detect(files, options));
    });
}

function addStream(program: Command, finish: Finish): void {
  program
    .command("stream")
    .description("play a recording into a running server as if it were a call, and watch the verdict move")
    .argument("<files...>", "one file, or two mono files as the two channels of one call")
    .addOption(
      new Option("--transport <name>", "how to connect (default: as --url says, else ws)").choices([
        "ws",
        "grpc",
      ]),
    )
    .option("--url <url>", "server (default: ws://127.0.0.1:8080 or grpc://127.0.0.1:50051)")
    .addOption(
      new Option("--encoding <name>", "what goes over the wire")
        .choices(["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw", "opus"])
        .default("pcm_s16le"),
    )
    .option(
      "--sample-rate <hz>",
      "rate on the wire (default: 8000 for G.711, else the file's)",
      integer(8000, 48_000),
    )
    .option("--frame-ms <ms>", "audio in one message", number(2.5, 1000), 20)
    .option(
      "--speed <factor>",
      "times real time; above 1 the session is of pace `file`",
      number(0.1, 1000),
      1,
    )
    .option("--channels <count>", "send 1 channel (mixed down) or 2 (default: as the file)", integer(1, 2))
    .option("--model <name>", "model pack (default: the server's)")
    .option("--hop-ms <ms>", "time between windows", integer(250, 5000))
    .option("--token <token>", "bearer token")
    .option("--json", "print the events as they come, one JSON object per line")
    .action(async (files: string[], options: StreamOptions) => {
      const { stream } = await import("./stream.ts");
      finish(await stream(files, options));
    });
}

function addModels(program: Command, finish: Finish): void {
  program
    .command("models")
    .description("list the model packs that can be served")
    .option("--json", "one JSON object per pack and line")
    .action(async (options: { json?: true }) => {
      const { models } = await import("./models.ts");
      finish(await models(options));
    });
}

function addImport(program: Command, finish: Finish): void {
  const command = program.command("import").description("make a model pack of published checkpoint files");
  command
    .command("aasist")
    .description("AASIST or AASIST-L, from its .pth file")
    .argument("<file>")
    .option("--name <name>", "what the pack is called (default: aasist or aasist-l)")
    .option("--replace", "take the place of a pack of that name")
    .action(async (file: string, options: ImportOptions) => {
      const { importAasistFile } = await import("./import.ts");
      finish(await importAasistFile(file, options));
    });
  command
    .command("safeear")
    .description("SafeEar, from the folder of SpeechTokenizer.pt and model.ckpt")
    .argument("<folder>")
    .option("--name <name>", "what the pack is called (default: safeear)")
    .option("--replace", "take the place of a pack of that name")
    .option("--shuffle <order>", "the order of frames: a seed, identity or flip (default: a fixed seed)")
    .addOption(
      new Option(
        "--precision <name>",
        "fp16 for GPUs, int8 for processors: faster, with codes and scores near the published ones",
      )
        .choices(["fp32", "fp16", "int8"])
        .default("fp32"),
    )
    .action(async (folder: string, options: SafeearOptions) => {
      const { importSafeearFolder } = await import("./import.ts");
      finish(await importSafeearFolder(folder, options));
    });
}

const number = (least: number, most: number) => (text: string) => {
  const value = text.trim() === "" ? NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw new InvalidArgumentError(`It must lie between ${least} and ${most}.`);
};

const integer = (least: number, most: number) => (text: string) => {
  const value = number(least, most)(text);
  if (Number.isInteger(value)) return value;
  throw new InvalidArgumentError("It must be a whole number.");
};

function fraction(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 1) return value;
  throw new InvalidArgumentError("It must lie between 0 and 1.");
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "";
}
