import { featureCount } from "./speech-features.ts";
import type { PackedLayer } from "./speech-layer.ts";
import { packedLayers } from "./speech-weights.ts";

/** Frames that make one step of the network: 80 ms. */
export const framesPerStep = 4;
interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly rows: Float64Array;
}

const layers = packedLayers.map(unpack);
const patch = part(0);
const dilated = layers.slice(1, -1);
const heads = part(layers.length - 1);
const channels = patch.outputs;
/** Steps ago, counted from 0, that the newest answer judges: one number for each. */
export const headCount = heads.outputs;
/** Steps after which nothing of an input is left in the network. */
export const memorySteps = 2 ** dilated.length;

// Scratch space shared by all streams: a step runs to its end without giving way.
const now = new Float64Array(2 * channels);
const added = new Float64Array(channels);

/**
 * A causal network over the features of a channel: four frames make a step, layer k adds what it makes of this
 * step and the one 2^k steps earlier, and head d gives the log-odds of speech d steps ago.
 */
export class SpeechNet {
  /** Layer k's last 2^k inputs, one layer after the other. */
  readonly #past = new Float32Array((memorySteps - 1) * channels);
  #step = 0;

  /** Takes `framesPerStep` frames of features; writes the log-odds of all heads. */
  step(features: Float32Array, logOdds: Float32Array): void {
    now.fill(0);
    affine(patch, features, added);
    addPositive();
    let base = 0;
    for (const [k, layer] of dilated.entries()) {
      const span = 2 ** k;
      this.#exchange(base + (this.#step % span) * channels);
      affine(layer, now, added);
      addPositive();
      base += span * channels;
    }
    affine(heads, now, logOdds);
    this.#step = (this.#step + 1) % memorySteps;
  }

  /** Brings back what a layer was given 2^k steps ago, and keeps what it is given now in its place. */
  #exchange(slot: number): void {
    const past = this.#past;
    for (let c = 0; c < channels; c++) {
      now[channels + c] = past[slot + c] ?? 0;
      past[slot + c] = now[c] ?? 0;
    }
  }
}

function addPositive(): void {
  for (let c = 0; c < channels; c++) now[c] = (now[c] ?? 0) + Math.max(0, added[c] ?? 0);
}

/** Two sums run side by side, because each waits for its own last addition. `inputs` is even. */
function affine(
  { inputs, outputs, rows }: Layer,
  input: Float32Array | Float64Array,
  output: Float32Array | Float64Array,
): void {
  let at = 0;
  for (let o = 0; o < outputs; o++) {
    let a = rows[at] ?? 0;
    let b = 0;
    for (let i = 0, w = at + 1; i < inputs; i += 2, w += 2) {
      a += (rows[w] ?? 0) * (input[i] ?? 0);
      b += (rows[w + 1] ?? 0) * (input[i + 1] ?? 0);
    }
    output[o] = a + b;
    at += inputs + 1;
  }
}

function unpack({ inputs, outputs, step, rows }: PackedLayer): Layer {
  const bytes = Uint8Array.from(atob(rows), (char) => char.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const numbers = Float64Array.from(
    { length: outputs * (inputs + 1) },
    (_, i) => view.getInt16(2 * i, true) * step,
  );
  return { inputs, outputs, rows: numbers };
}

function part(index: number): Layer {
  const layer = layers[index];
  if (layer === undefined) throw new RangeError(`the speech network has no layer ${index}`);
  return layer;
}

if (patch.inputs !== framesPerStep * featureCount)
  throw new RangeError("the speech network was trained on other features");
