import { Malformed } from "../checkpoint/errors.ts";
import { Inert } from "../checkpoint/values.ts";

/** Features of each head of the published models. */
const headWidth = 64;

/**
 * The heads of a HuBERT's attention, which no shape tells: those that the settings in the checkpoint's object tree `root`
 * name, else one for 64 features, as published. Throws Malformed where that does not divide `width`, or the settings are
 * those of a model that wants other audio or norms elsewhere.
 */
export function hubertHeads(root: unknown, width: number): number {
  for (const foreign of ["layer_norm_first", "normalize"]) {
    if (setting(root, foreign) === true) {
      throw new Malformed(`${foreign} is set: this is no HuBERT of the base design`);
    }
  }
  const named = setting(root, "encoder_attention_heads");
  const heads = typeof named === "number" ? named : width / headWidth;
  if (Number.isInteger(heads) && heads >= 1 && width % heads === 0) return heads;
  if (typeof named === "number") throw new Malformed(`${named} heads do not divide ${width} features`);
  throw new Malformed(
    `its settings name no encoder_attention_heads, and ${width} features are no multiple of the published ${headWidth}`,
  );
}

/** A training's settings: `cfg` in newer files, which has them in parts, and `args` in older ones. */
function setting(root: unknown, name: string): unknown {
  const config = entry(root, "cfg");
  const places = [entry(config, "model"), entry(config, "task"), entry(root, "args")];
  return places.map((place) => entry(place, name)).find((value) => value !== undefined && value !== null);
}

function entry(value: unknown, name: string): unknown {
  const state = value instanceof Inert ? value.state : value;
  if (!(state instanceof Map)) return undefined;
  const content: unknown = state.get("_content");
  const fields: unknown = content instanceof Map ? content : state;
  return fields instanceof Map ? plain(fields.get(name)) : undefined;
}

/** Settings that are omegaconf's objects have their entries as `_content`, and what is no container as a node's `_val`. */
function plain(value: unknown): unknown {
  const state = value instanceof Inert ? value.state : undefined;
  return state instanceof Map && state.has("_val") ? state.get("_val") : value;
}
