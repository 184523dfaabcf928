import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this package: above `src` in a checkout, above `dist` once built. */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

const shippedPacks = join(packageRoot, "models");

/** Folders that hold model packs, the shipped ones first. */
export const packFolders = (modelsDir: string): readonly string[] => [shippedPacks, modelsDir];

/** Whether a pack of this name comes with the package: it would be found in place of any other. */
export const isShipped = (name: string): boolean => existsSync(join(shippedPacks, name, "model.json"));

function findRoot(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("earwitness is not inside a package");
  return findRoot(parent);
}
