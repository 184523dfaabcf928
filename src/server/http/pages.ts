import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

export interface Page {
  readonly contentType: string;
  readonly body: Buffer;
}

/** Every file of the page, by path; nothing else of the disk can be asked for. */
const files = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/session.js": ["session.js", "text/javascript; charset=utf-8"],
  "/sources.js": ["sources.js", "text/javascript; charset=utf-8"],
  "/curve.js": ["curve.js", "text/javascript; charset=utf-8"],
  "/worklet.js": ["worklet.js", "text/javascript; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
} as const satisfies Record<string, readonly [string, string]>;

/** What the page may do: load its own files, talk to its own server, listen to the microphone. */
export const pageHeaders = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "media-src 'self' blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "permissions-policy": "microphone=(self)",
  "referrer-policy": "no-referrer",
} as const;

/** The page's files, read once. Rejects when the package is incomplete. */
export async function loadPages(folder: URL): Promise<ReadonlyMap<string, Page>> {
  const pages = Object.entries(files).map(async ([path, [file, contentType]]) => {
    const body = await readFile(fileURLToPath(new URL(file, folder)));
    return [path, { contentType, body }] as const;
  });
  return new Map(await Promise.all(pages));
}
