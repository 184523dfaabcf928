// Writes the parts of README.md that are not prose: the transcripts of the command, the table of error rates, the table of
// settings. Run as `node --import tsx scripts/docs-readme.js`; tests compare what it writes with what it comes from.
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { format, resolveConfig } from "prettier";
import { readConfig, settings } from "../src/server/config.ts";
import { serve } from "../src/server/serve.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = join(root, "README.md");

/** The error rates of `training/evaluation.json` as rows of cells, the header first. */
function accuracyRows() {
  const { conditions, channels } = JSON.parse(
    readFileSync(join(root, "training", "evaluation.json"), "utf8"),
  );
  const percent = (share) => (100 * share).toFixed(1);
  const flagged = (voice) => `${voice.ever_suspect} of ${voice.channels.length}`;
  return [
    ["heard", "equal error rate of clips", "machine calls `suspect`", "human calls `suspect`"],
    ...Object.entries(conditions).map(([condition, { all }]) => [
      condition,
      `${percent(all.eer)} % (${all.interval.map(percent).join("–")})`,
      flagged(channels[condition].machine),
      flagged(channels[condition].human),
    ]),
  ];
}

/** Every setting as rows of cells, the header first. */
function settingRows() {
  const code = (text) => (/[` ]/.test(text) || text === "none" ? text : `\`${text}\``);
  return [
    ["setting", "default", "meaning"],
    ...settings.map(({ name, default: fallback, meaning }) => [`\`${name}\``, code(fallback), meaning]),
  ];
}

function withTable(text, rows) {
  const start = text.indexOf(`| ${rows[0][0]} `);
  const end = text.indexOf("\n\n", start);
  if (start < 0 || end < 0) throw new Error(`README.md has no table of ${rows[0][0]}`);
  const [header, ...body] = rows.map((cells) => `| ${cells.join(" | ")} |`);
  const rule = `|${" --- |".repeat(rows[0].length)}`;
  return `${text.slice(0, start)}${[header, rule, ...body].join("\n")}${text.slice(end)}`;
}

/** What `earwitness` prints to these arguments, `stream` to a server of our own. */
async function run(args) {
  const server = args[0] === "stream" ? await startServer() : undefined;
  const url = server === undefined ? [] : ["--url", server.httpUrl.replace("http:", "ws:")];
  try {
    const launched = [join("bin", "earwitness.js"), ...args, ...url];
    const { stdout } = await promisify(execFile)(process.execPath, launched, {
      cwd: root,
      env: { ...process.env, EARWITNESS_PROVIDERS: "cpu" },
    });
    return stdout.trimEnd();
  } finally {
    await server?.close();
  }
}

const startServer = () =>
  serve(readConfig({ EARWITNESS_PORT: "0", EARWITNESS_GRPC_PORT: "0", EARWITNESS_PROVIDERS: "cpu" }), root);

async function withTranscripts(text) {
  let written = text;
  for (const [block, args] of text.matchAll(/```console\n\$ npx earwitness (.*)\n[^`]*```/g)) {
    written = written.replace(
      block,
      `\`\`\`console\n$$ npx earwitness ${args}\n${await run(args.split(" "))}\n\`\`\``,
    );
  }
  return written;
}

const text = withTable(withTable(readFileSync(readme, "utf8"), accuracyRows()), settingRows());
const options = { ...(await resolveConfig(readme)), filepath: readme };
writeFileSync(readme, await format(await withTranscripts(text), options));
