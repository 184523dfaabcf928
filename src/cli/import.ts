import { importAasist, type ImportedPack } from "../models/import/aasist.ts";
import type { Precision } from "../models/import/precision.ts";
import { importSafeear } from "../models/import/safeear.ts";
import { readConfig } from "../server/config.ts";
import { readOrder } from "./frame-order.ts";
import { isShipped } from "./package-root.ts";
import { Refusal } from "./refusal.ts";

/** What `earwitness import …` takes beside the files. */
export interface ImportOptions {
  readonly name?: string;
  readonly replace?: true;
}

/**
 * Makes a pack of a published AASIST checkpoint in the user's folder of packs, and says how to use it. Throws
 * {@link Refusal} for a name that would hide it.
 */
export async function importAasistFile(path: string, options: ImportOptions): Promise<number> {
  refuseShipped(options);
  report(await importAasist(path, { folder: readConfig().modelsDir, ...options }));
  return 0;
}

export interface SafeearOptions extends ImportOptions {
  /** A seed, `identity` or `flip`. */
  readonly shuffle?: string;
  readonly precision?: Precision;
}

/** The same of a folder with SafeEar's published files, or of its tokenizer alone. */
export async function importSafeearFolder(path: string, options: SafeearOptions): Promise<number> {
  refuseShipped(options);
  const { shuffle, ...place } = options;
  const order = shuffle === undefined ? {} : { order: readOrder(shuffle) };
  report(await importSafeear(path, { folder: readConfig().modelsDir, ...place, ...order }));
  return 0;
}

function refuseShipped({ name }: ImportOptions): void {
  if (name !== undefined && isShipped(name))
    throw new Refusal(`${name} is a model pack that ships with the package; --name another`);
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
