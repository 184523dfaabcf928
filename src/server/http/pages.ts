import { readFile } from "node:fs/promises";
import { join } from "node:path";

export interface Page {
  readonly contentType: string;
  readonly body: Buffer;
}

/** Every file of the page; nothing else of the disk can be asked for. */
const files = [
  "index.html",
  "style.css",
  "app.js",
  "curve.js",
  "session.js",
  "sources.js",
  "worklet.js",
] as const;

const contentTypes = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
} as const;

/** What the page may do: load its own files, talk to its own server, listen to the microphone. */
export const pageHeaders = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "media-src 'self' blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "permissions-policy": "microphone=(self)",
  "referrer-policy": "no-referrer",
} as const;

/** The page's files by path, read once. Rejects when the package is incomplete. */
export async function loadPages(folder: string): Promise<ReadonlyMap<string, Page>> {
  const pages = files.map(async (file) => {
    const body = await readFile(join(folder, file));
    const path = file === "index.html" ? "/" : `/${file}`;
    return [path, { contentType: contentTypeOf(file), body }] as const;
  });
  return new Map(await Promise.all(pages));
}

function contentTypeOf(file: (typeof files)[number]): string {
  if (file.endsWith(".html")) return contentTypes.html;
  return file.endsWith(".css") ? contentTypes.css : contentTypes.js;
}
