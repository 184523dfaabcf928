import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this package: above `src` in a checkout, above `dist` once built. */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Folders that hold model packs, the shipped ones first. */
export const packFolders = (modelsDir: string): readonly string[] => [join(packageRoot, "models"), modelsDir];

function findRoot(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("earwitness is not inside a package");
  return findRoot(parent);
}
