import { hubertConvolutions, hubertShapes, type HubertSizes } from "../../src/models/import/hubert-sizes.ts";
import { Draws } from "../../src/models/safeear/draws.ts";
import type { TensorMap } from "./aasist-weights.ts";

type Row = readonly number[];
/** Rows of numbers: channels over time, or frames of features. */
type Matrix = readonly Row[];

/** A HuBERT of three heads, none of whose sizes equals another. */
export const smallHubert: HubertSizes = {
  channels: [4, 5, 4, 6, 5, 4, 7],
  width: 12,
  inner: 10,
  blocks: 3,
  positions: { kernel: 6, groups: 2 },
};

/** Random tensors for a HuBERT. */
export function randomHubert(sizes: HubertSizes, seed: number): TensorMap {
  const draws = new Draws(seed);
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, shape] of hubertShapes(sizes)) {
    const [low, high] = rangeOf(key, shape);
    const length = shape.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length }, () => low + ((high - low) * draws.bits()) / 2 ** 32);
    tensors.set(key, { shape, data });
  }
  return tensors;
}

/** Of a size that keeps what every layer gives near 1. */
function rangeOf(key: string, shape: readonly number[]): readonly [number, number] {
  if (/weight_g$|norm\.weight$|\.0\.2\.weight$/.test(key)) return [0.5, 1.5];
  if (shape.length < 2) return [-0.5, 0.5];
  const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
  const reach = 2.5 * Math.sqrt(3 / fanIn);
  return [-reach, reach];
}

/** Layer 0 and what each block says after it, frame by frame: HuBERT's definition in plain loops and double precision. */
export function referenceHubert(
  tensors: TensorMap,
  sizes: HubertSizes,
  heads: number,
  audio: Float32Array,
): readonly Matrix[] {
  const layers = new Reference(tensors);
  let x = layers.place(layers.hear([[...audio]]), sizes.positions);
  const states = [x];
  for (let i = 0; i < sizes.blocks; i++) {
    x = layers.block(x, `encoder.layers.${i}`, heads);
    states.push(x);
  }
  return states;
}

class Reference {
  readonly #tensors: TensorMap;

  constructor(tensors: TensorMap) {
    this.#tensors = tensors;
  }

  hear(audio: Matrix): Matrix {
    return hubertConvolutions.reduce((x, { kernel, stride }, i) => {
      const weight = this.#get(`feature_extractor.conv_layers.${i}.0.weight`);
      const y = convolve(x, weight, { kernel, stride, groups: 1 });
      return (i === 0 ? this.#overTime(y) : y).map((row) => row.map(gelu));
    }, audio);
  }

  #overTime(x: Matrix): Matrix {
    const [weight, bias] = this.#pair("feature_extractor.conv_layers.0.2");
    return x.map((row, c) => standard(row).map((value) => value * (weight[c] ?? 0) + (bias[c] ?? 0)));
  }

  place(heard: Matrix, { kernel, groups }: HubertSizes["positions"]): Matrix {
    const x = this.#linear(this.#norm(turned(heard), "layer_norm"), "post_extract_proj");
    const gain = this.#get("encoder.pos_conv.0.weight_g");
    const direction = this.#get("encoder.pos_conv.0.weight_v");
    const lengths = [...gain].map((_, k) => Math.hypot(...direction.filter((_v, i) => i % kernel === k)));
    const weight = direction.map(
      (value, i) => (value * (gain[i % kernel] ?? 0)) / (lengths[i % kernel] ?? 0),
    );
    const silence = Array.from({ length: kernel / 2 }, () => 0);
    const padded = turned(x).map((row) => [...silence, ...row, ...silence]);
    const bias = this.#get("encoder.pos_conv.0.bias");
    const said = convolve(padded, weight, { kernel, stride: 1, groups }).map((row, c) =>
      row.slice(0, -1).map((value) => gelu(value + (bias[c] ?? 0))),
    );
    return this.#norm(sum(x, turned(said)), "encoder.layer_norm");
  }

  block(x: Matrix, prefix: string, heads: number): Matrix {
    const attended = this.#attention(x, `${prefix}.self_attn`, heads);
    const y = this.#norm(sum(x, attended), `${prefix}.self_attn_layer_norm`);
    const inner = this.#linear(y, `${prefix}.fc1`).map((row) => row.map(gelu));
    return this.#norm(sum(y, this.#linear(inner, `${prefix}.fc2`)), `${prefix}.final_layer_norm`);
  }

  #attention(x: Matrix, prefix: string, heads: number): Matrix {
    const q = this.#linear(x, `${prefix}.q_proj`);
    const k = this.#linear(x, `${prefix}.k_proj`);
    const v = this.#linear(x, `${prefix}.v_proj`);
    const size = (x[0]?.length ?? 0) / heads;
    const share = (row: Row, head: number): Row => row.slice(head * size, (head + 1) * size);
    const mixed = q.map((query) =>
      Array.from({ length: heads }, (_, head) => {
        const scores = k.map((key) => dot(share(query, head), share(key, head)) / Math.sqrt(size));
        const weights = softmax(scores);
        return Array.from({ length: size }, (_v, i) =>
          dot(
            weights,
            v.map((row) => row[head * size + i] ?? 0),
          ),
        );
      }).flat(),
    );
    return this.#linear(mixed, `${prefix}.out_proj`);
  }

  #linear(x: Matrix, prefix: string): Matrix {
    const [weight, bias] = this.#pair(prefix);
    return x.map((row) =>
      Array.from(
        bias,
        (offset, to) => offset + dot(row, [...weight.subarray(to * row.length, (to + 1) * row.length)]),
      ),
    );
  }

  #norm(x: Matrix, prefix: string): Matrix {
    const [weight, bias] = this.#pair(prefix);
    return x.map((row) => standard(row).map((value, i) => value * (weight[i] ?? 0) + (bias[i] ?? 0)));
  }

  #pair(prefix: string): readonly [Float32Array, Float32Array] {
    return [this.#get(`${prefix}.weight`), this.#get(`${prefix}.bias`)];
  }

  #get(key: string): Float32Array {
    const tensor = this.#tensors.get(key);
    if (tensor === undefined) throw new Error(`there is no ${key}`);
    return tensor.data;
  }
}

function convolve(
  x: Matrix,
  weight: Float32Array,
  { kernel, stride, groups }: { readonly kernel: number; readonly stride: number; readonly groups: number },
): Matrix {
  const from = x.length / groups;
  const outputs = weight.length / kernel / from;
  const steps = Math.floor(((x[0]?.length ?? 0) - kernel) / stride) + 1;
  return Array.from({ length: outputs }, (_, to) => {
    const first = Math.floor((to * groups) / outputs) * from;
    return Array.from({ length: steps }, (_v, step) => {
      let total = 0;
      for (let c = 0; c < from; c++) {
        for (let k = 0; k < kernel; k++) {
          total += (weight[(to * from + c) * kernel + k] ?? 0) * (x[first + c]?.[step * stride + k] ?? 0);
        }
      }
      return total;
    });
  });
}

const dot = (a: Row, b: Row): number => a.reduce((total, value, i) => total + value * (b[i] ?? 0), 0);

const sum = (a: Matrix, b: Matrix): Matrix =>
  a.map((row, i) => row.map((value, j) => value + (b[i]?.[j] ?? 0)));

const turned = (x: Matrix): Matrix => (x[0] ?? []).map((_, i) => x.map((row) => row[i] ?? 0));

function softmax(scores: Row): Row {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

/** Without mean, and of variance one. */
function standard(row: Row): Row {
  const mean = row.reduce((a, b) => a + b, 0) / row.length;
  const variance = row.reduce((total, value) => total + (value - mean) ** 2, 0) / row.length;
  return row.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
}

const gelu = (x: number): number => (x * (1 + erf(x / Math.SQRT2))) / 2;

/** Its series, summed until terms no longer count; past 5 it differs from ±1 by less than 2e-12. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let [term, total] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    // e^(−x²) Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1)) has no cancellation.
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}
