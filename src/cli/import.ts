import { importAasist, type ImportedPack } from "../models/import/aasist.ts";
import { readConfig } from "../server/config.ts";

/** What `earwitness import …` takes beside the files. */
export interface ImportOptions {
  readonly name?: string;
  readonly replace?: true;
}

/** Makes a pack of a published AASIST checkpoint in the user's folder of packs, and says how to use it. */
export async function importAasistFile(path: string, options: ImportOptions): Promise<number> {
  report(await importAasist(path, { folder: readConfig().modelsDir, ...options }));
  return 0;
}

function report({ name, folder, what }: ImportedPack): void {
  console.log(`${name}: ${what}`);
  console.log(`  ${folder}`);
  console.log(`  not calibrated; score a recording with: earwitness detect FILE --model ${name}`);
}
