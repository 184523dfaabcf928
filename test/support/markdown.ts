import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The repository. */
export const root = join(import.meta.dirname, "..", "..");

const skipped = new Set(["node_modules", "dist", ".git", ".venv", "coverage"]);

/** Every Markdown file of the repository, as paths from its root. */
export function markdownFiles(folder = ""): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : markdownFiles(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

export const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** What stands under a heading, up to the next one of its level or above. Throws if there is none. */
export function section(text: string, heading: string): string {
  const lines = withoutCode(text).split("\n");
  const originals = text.split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (start < 0) throw new RangeError(`there is no heading ${heading}`);
  const level = /^#+/.exec(lines[start] ?? "")?.[0].length ?? 0;
  const length = lines.slice(start + 1).findIndex((line) => (/^#+/.exec(line)?.[0].length ?? 99) <= level);
  return originals.slice(start + 1, length < 0 ? undefined : start + 1 + length).join("\n");
}

/** The headings of one level, as written, that are in no code block. */
export function headings(text: string, level: number): string[] {
  const mark = `${"#".repeat(level)} `;
  return withoutCode(text)
    .split("\n")
    .flatMap((line) => (line.startsWith(mark) ? [line.slice(mark.length)] : []));
}

/** The rows of the table whose header begins with this cell, as trimmed cells without the header. Throws if there is none. */
export function table(text: string, firstCell: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => cells(line)[0] === firstCell);
  if (start < 0) throw new RangeError(`there is no table of ${firstCell}`);
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith("|")) break;
    rows.push(cells(line));
  }
  return rows;
}

const cells = (line: string): string[] =>
  line.startsWith("|")
    ? line
        .slice(1, line.lastIndexOf("|"))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim())
    : [];

/** The code spans of a cell. */
export const spans = (cell = ""): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span);

/** The code blocks of a language. */
export const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, found, code = ""]) =>
    found === language ? [code] : [],
  );

/** Lines of code blocks become empty, so that line numbers stay. */
export function withoutCode(text: string): string {
  let inside = false;
  return text
    .split("\n")
    .map((line) => {
      const fence = line.startsWith("```");
      if (fence) inside = !inside;
      return inside || fence ? "" : line;
    })
    .join("\n");
}

/** The targets of a text's links and images, code aside. */
export const links = (text: string): string[] =>
  [...withoutCode(text).matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = ""]) => target);

/** The anchors that GitHub gives a text's headings. */
export function anchors(text: string): Set<string> {
  const found = new Set<string>();
  const counts = new Map<string, number>();
  for (const [, heading = ""] of withoutCode(text).matchAll(/^#+ (.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-");
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    found.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return found;
}
