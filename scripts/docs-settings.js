// Writes the table of settings into README.md, from the configuration's own schema. Run as
// `node --import tsx scripts/docs-settings.js`; a test compares the two.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { settings } from "../src/server/config.ts";

const readme = fileURLToPath(new URL("../README.md", import.meta.url));
const code = (text) => (/[` ]/.test(text) || text === "none" ? text : `\`${text}\``);

const rows = settings.map(
  ({ name, default: fallback, meaning }) => `| \`${name}\` | ${code(fallback)} | ${meaning} |`,
);
const table = ["| setting | default | meaning |", "| --- | --- | --- |", ...rows].join("\n");

const text = readFileSync(readme, "utf8");
const start = text.indexOf("| setting ");
const end = text.indexOf("\n\n", start);
if (start < 0 || end < 0) throw new Error("README.md has no table of settings");
const written = `${text.slice(0, start)}${table}${text.slice(end)}`;
writeFileSync(readme, await format(written, { ...(await resolveConfig(readme)), filepath: readme }));
