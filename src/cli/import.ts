import { importAasist, type ImportedPack } from "../models/import/aasist.ts";
import type { Precision } from "../models/import/precision.ts";
import { importSafeear } from "../models/import/safeear.ts";
import { readConfig } from "../server/config.ts";
import { readOrder } from "./frame-order.ts";

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

export interface SafeearOptions extends ImportOptions {
  /** A seed, `identity` or `flip`. */
  readonly shuffle?: string;
  readonly precision?: Precision;
}

/** Makes a pack of a folder with SafeEar's published files, or of its tokenizer alone, and says how to use it. */
export async function importSafeearFolder(path: string, options: SafeearOptions): Promise<number> {
  const { shuffle, ...place } = options;
  const order = shuffle === undefined ? {} : { order: readOrder(shuffle) };
  report(await importSafeear(path, { folder: readConfig().modelsDir, ...place, ...order }));
  return 0;
}

function report({ name, folder, what, lacks }: ImportedPack): void {
  console.log(`${name}: ${what}`);
  console.log(`  ${folder}`);
  if (lacks !== undefined) {
    console.log(`  it cannot judge a voice: it was made without ${lacks}`);
    return;
  }
  console.log(`  not calibrated; score a recording with: earwitness detect FILE --model ${name}`);
}
