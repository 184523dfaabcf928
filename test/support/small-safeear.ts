import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importSafeear, type SafeearTarget } from "../../src/models/import/safeear.ts";
import { parseOrder } from "../../src/models/safeear/permutation.ts";
import { writeSafeear } from "./safeear-folder.ts";
import { sharedFixture } from "./shared-fixtures.ts";

/** A folder for packs, and how to remove it. */
export async function temporaryPacks(): Promise<{ readonly folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "earwitness-safeear-"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Imports a SafeEar of random weights, called `safeear`, whose server shuffles by `order`; gives its folder. */
export async function importSmallSafeear(folder: string, order: string): Promise<string> {
  const source = await mkdtemp(join(tmpdir(), "earwitness-checkpoint-"));
  try {
    writeSafeear(source);
    return (await importSafeear(source, toTarget(folder, order))).folder;
  } finally {
    await rm(source, { recursive: true, force: true });
  }
}

/** The same of the reduced model that the original code was run on. */
export const importFixtureSafeear = async (folder: string, order: string): Promise<string> =>
  (await importSafeear(sharedFixture("safeear-small"), toTarget(folder, order))).folder;

const toTarget = (folder: string, order: string): SafeearTarget => ({
  folder,
  name: "safeear",
  order: parseOrder(order),
});
