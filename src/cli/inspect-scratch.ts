import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const stops = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** What a shell reports of a process that was interrupted. */
const cutShort = 130;

/** Hands a folder of its own to `use`, and removes it whether that ends, fails or is interrupted. */
export async function withScratchFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "earwitness-inspect-"));
  const leave = (): void => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(cutShort);
  };
  for (const signal of stops) process.once(signal, leave);
  try {
    return await use(folder);
  } finally {
    for (const signal of stops) process.off(signal, leave);
    await rm(folder, { recursive: true, force: true });
  }
}
