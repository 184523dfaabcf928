import { listPacks, type PackListing } from "../models/store.ts";
import { readConfig } from "../server/config.ts";
import { toSnakeCase } from "../server/wire-json.ts";
import { packFolders } from "./package-root.ts";
import { rows } from "./table.ts";

type Listed = Exclude<PackListing, { readonly error: string }>;

/** Prints every model pack; resolves to the exit status, 1 when one of them is broken. */
export async function models(options: { readonly json?: true }): Promise<number> {
  const packs = await listPacks(packFolders(readConfig().modelsDir));
  if (options.json === true) for (const pack of packs) console.log(JSON.stringify(toSnakeCase(pack)));
  else
    console.log(rows([["model", "version", "family", "size", "calibration", "digest"], ...packs.map(toRow)]));
  return packs.some((pack) => "error" in pack) ? 1 : 0;
}

function toRow(pack: PackListing): readonly string[] {
  if ("error" in pack) return [pack.id, `cannot be served: ${pack.error}`];
  const { id, version, family, bytes, digest } = pack;
  return [id, version, family, `${(bytes / 1e6).toFixed(1)} MB`, calibrationOf(pack), digest.slice(0, 12)];
}

function calibrationOf({ calibrationId, lacks }: Listed): string {
  if (lacks !== undefined) return `scores nothing without ${lacks}`;
  return calibrationId ?? "not calibrated";
}
