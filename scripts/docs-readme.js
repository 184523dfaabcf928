// Writes the parts of README.md that are not prose: the transcripts of `detect`, the table of error rates, the table of
// settings. Run as `node --import tsx scripts/docs-readme.js`; tests compare what it writes with what it comes from.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { format, resolveConfig } from "prettier";
import { settings } from "../src/server/config.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = join(root, "README.md");

/** The error rates of `training/evaluation.json` as rows of cells, the header first. */
export function accuracyRows() {
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
export function settingRows() {
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

const withTranscripts = (text) =>
  text.replace(/(```console\n\$ npx earwitness )(detect .*)\n[^`]*```/g, (_, start, args) => {
    const printed = execFileSync(process.execPath, [join("bin", "earwitness.js"), ...args.split(" ")], {
      cwd: root,
      env: { ...process.env, EARWITNESS_PROVIDERS: "cpu" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    return `${start}${args}\n${printed.trimEnd()}\n\`\`\``;
  });

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const text = withTable(withTable(readFileSync(readme, "utf8"), accuracyRows()), settingRows());
  const options = { ...(await resolveConfig(readme)), filepath: readme };
  writeFileSync(readme, await format(withTranscripts(text), options));
}
