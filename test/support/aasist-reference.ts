import type { AasistSizes } from "../../src/models/import/aasist-sizes.ts";
import type { TensorMap } from "./aasist-weights.ts";

/*
 * AASIST spelt out: one window, double precision, nothing folded, sizes as they come. Slow, and simple enough to be
 * compared with a description line by line.
 */

type Matrix = number[][];
/** [channel][row][time] */
type Volume = Matrix[];

const selu = (x: number): number => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (Math.exp(x) - 1));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
const times = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x * (b[i] ?? 0));
const plus = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x + (b[i] ?? 0));
const at = <T>(list: readonly T[], i: number): T => {
  const item = list[i];
  if (item === undefined) throw new Error(`nothing at ${i}`);
  return item;
};
const column = (nodes: Matrix, i: number): number[] => nodes.map((node) => at(node, i));

function softmax(scores: readonly number[]): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The average of `nodes` by `shares`. */
const blend = (shares: readonly number[], nodes: Matrix): number[] =>
  at(nodes, 0).map((_, i) => dot(shares, column(nodes, i)));

/** What AASIST with these tensors says of one window. */
export function aasistReference(tensors: TensorMap, sizes: AasistSizes, audio: Float32Array) {
  return new Reference(tensors, sizes).run(audio);
}

class Reference {
  readonly #tensors: TensorMap;
  readonly #sizes: AasistSizes;

  constructor(tensors: TensorMap, sizes: AasistSizes) {
    this.#tensors = tensors;
    this.#sizes = sizes;
  }

  run(audio: Float32Array): { logits: number[]; hidden: number[] } {
    let x = this.#frontEnd(audio);
    for (let i = 0; i < 6; i++) x = this.#block(x, `encoder.${i}.0`);
    const [keepS, keepT, keepMet] = this.#sizes.keep;
    const rows = at(x, 0).map((_, h) => x.map((channel) => Math.max(...at(channel, h).map(Math.abs))));
    const steps = at(at(x, 0), 0).map((_, t) =>
      x.map((channel) => Math.max(...column(channel, t).map(Math.abs))),
    );
    const position = this.#matrix("pos_S", rows.length);
    const spectral = this.#pool(
      this.#attend(
        rows.map((row, i) => plus(row, at(position, i))),
        "GAT_layer_S",
      ),
      keepS,
      "pool_S",
    );
    const temporal = this.#pool(this.#attend(steps, "GAT_layer_T"), keepT, "pool_T");
    const branches = ["1", "2"].map((b) => {
      const first = this.#meet(temporal, spectral, this.#list(`master${b}`), `HtrgGAT_layer_ST${b}1`);
      const s = this.#pool(first.spectral, keepMet, `pool_hS${b}`);
      const t = this.#pool(first.temporal, keepMet, `pool_hT${b}`);
      const second = this.#meet(t, s, first.master, `HtrgGAT_layer_ST${b}2`);
      return {
        temporal: t.map((node, i) => plus(node, at(second.temporal, i))),
        spectral: s.map((node, i) => plus(node, at(second.spectral, i))),
        master: plus(first.master, second.master),
      };
    });
    const [one, two] = [at(branches, 0), at(branches, 1)];
    const larger = (a: readonly number[], b: readonly number[]) =>
      a.map((value, i) => Math.max(value, at(b, i)));
    const summary = (a: Matrix, b: Matrix): number[] => {
      const nodes = a.map((node, i) => larger(node, at(b, i)));
      const peaks = at(nodes, 0).map((_, i) => Math.max(...column(nodes, i).map(Math.abs)));
      const means = at(nodes, 0).map((_, i) => column(nodes, i).reduce((x, y) => x + y, 0) / nodes.length);
      return [...peaks, ...means];
    };
    const hidden = [
      ...summary(one.temporal, two.temporal),
      ...summary(one.spectral, two.spectral),
      ...larger(one.master, two.master),
    ];
    return { logits: this.#linear(hidden, "out_layer"), hidden };
  }

  #list(key: string): number[] {
    const tensor = this.#tensors.get(key);
    if (tensor === undefined) throw new Error(`there is no ${key}`);
    return [...tensor.data];
  }

  #matrix(key: string, rows: number): Matrix {
    const flat = this.#list(key);
    const width = flat.length / rows;
    return Array.from({ length: rows }, (_, i) => flat.slice(i * width, (i + 1) * width));
  }

  #linear(x: readonly number[], prefix: string): number[] {
    const bias = this.#list(`${prefix}.bias`);
    return this.#matrix(`${prefix}.weight`, bias.length).map((row, i) => dot(row, x) + at(bias, i));
  }

  #norm(x: number, prefix: string, i: number): number {
    const [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((name) =>
      at(this.#list(`${prefix}.${name}`), i),
    );
    return ((x - (mean ?? 0)) / Math.sqrt((variance ?? 0) + 1e-5)) * (weight ?? 0) + (bias ?? 0);
  }

  #frontEnd(audio: Float32Array): Volume {
    const mel = (f: number): number => 2595 * Math.log10(1 + f / 700);
    const edges = Array.from({ length: 71 }, (_, i) => 700 * (10 ** ((mel(8000) * i) / 70 / 2595) - 1));
    const lowPass = (f: number, n: number): number =>
      n === 0 ? f / 8000 : Math.sin((Math.PI * f * n) / 8000) / (Math.PI * n);
    const bands = Array.from({ length: 70 }, (_, band) => {
      const taps = Float64Array.from({ length: 129 }, (__, k) => {
        const window = 0.54 - 0.46 * Math.cos((2 * Math.PI * k) / 128);
        return (lowPass(at(edges, band + 1), k - 64) - lowPass(at(edges, band), k - 64)) * window;
      });
      return Float64Array.from({ length: audio.length - 128 }, (__, t) => {
        let sum = 0;
        for (let k = 0; k < 129; k++) sum += (taps[k] ?? 0) * (audio[t + k] ?? 0);
        return Math.abs(sum);
      });
    });
    const [height, width] = [23, Math.floor((audio.length - 128) / 3)];
    const image = Array.from({ length: height }, (_, h) =>
      Array.from({ length: width }, (__, t) => {
        let top = 0;
        for (let i = 0; i < 9; i++) {
          top = Math.max(top, bands[3 * h + Math.floor(i / 3)]?.[3 * t + (i % 3)] ?? 0);
        }
        return top;
      }),
    );
    const first = this.#norm(0, "first_bn", 0);
    const slope = this.#norm(1, "first_bn", 0) - first;
    return [image.map((row) => row.map((value) => selu(slope * value + first)))];
  }

  /** Same width; `padRows` rows of zeros above and below. */
  #convolve(x: Volume, prefix: string, padRows: number): Volume {
    const bias = this.#list(`${prefix}.bias`);
    const kernel = this.#matrix(`${prefix}.weight`, bias.length);
    const kernelRows = at(kernel, 0).length / x.length / 3;
    const width = at(at(x, 0), 0).length;
    const height = at(x, 0).length + 2 * padRows - kernelRows + 1;
    return kernel.map((weights, o) =>
      Array.from({ length: height }, (_, h) => {
        const out = new Array<number>(width).fill(at(bias, o));
        for (const [i, weight] of weights.entries()) {
          const row = x[Math.floor(i / 3 / kernelRows)]?.[h - padRows + (Math.floor(i / 3) % kernelRows)];
          if (row === undefined) continue;
          for (let t = 0; t < width; t++) out[t] = (out[t] ?? 0) + weight * (row[t + (i % 3) - 1] ?? 0);
        }
        return out;
      }),
    );
  }

  #block(x: Volume, prefix: string): Volume {
    const inner = this.#convolve(x, `${prefix}.conv1`, 1).map((channel, o) => {
      const shift = this.#norm(0, `${prefix}.bn2`, o);
      const slope = this.#norm(1, `${prefix}.bn2`, o) - shift;
      return channel.map((row) => row.map((value) => selu(slope * value + shift)));
    });
    const y = this.#convolve(inner, `${prefix}.conv2`, 0);
    const same = !this.#tensors.has(`${prefix}.conv_downsample.weight`);
    const id = same ? x : this.#convolve(x, `${prefix}.conv_downsample`, 0);
    return y.map((channel, c) =>
      channel.map((row, h) => {
        const sum = plus(row, at(at(id, c), h));
        return Array.from({ length: Math.floor(sum.length / 3) }, (_, t) =>
          Math.max(...sum.slice(3 * t, 3 * t + 3)),
        );
      }),
    );
  }

  #mix(nodes: Matrix, shares: Matrix, prefix: string): Matrix {
    return nodes.map((node, i) =>
      plus(
        this.#linear(blend(at(shares, i), nodes), `${prefix}.proj_with_att`),
        this.#linear(node, `${prefix}.proj_without_att`),
      ).map((value, f) => selu(this.#norm(value, `${prefix}.bn`, f))),
    );
  }

  #attend(nodes: Matrix, prefix: string): Matrix {
    const reader = this.#list(`${prefix}.att_weight`);
    const shares = nodes.map((a) =>
      softmax(
        nodes.map((b) => dot(reader, this.#linear(times(a, b), `${prefix}.att_proj`).map(Math.tanh)) / 2),
      ),
    );
    return this.#mix(nodes, shares, prefix);
  }

  #pool(nodes: Matrix, share: number, prefix: string): Matrix {
    return nodes
      .map((node) => ({ node, gate: sigmoid(at(this.#linear(node, `${prefix}.proj`), 0)) }))
      .sort((a, b) => b.gate - a.gate)
      .slice(0, Math.max(1, Math.floor(nodes.length * share)))
      .map(({ node, gate }) => node.map((value) => value * gate));
  }

  #meet(temporal: Matrix, spectral: Matrix, master: number[], prefix: string) {
    const nodes = [
      ...temporal.map((node) => this.#linear(node, `${prefix}.proj_type1`)),
      ...spectral.map((node) => this.#linear(node, `${prefix}.proj_type2`)),
    ];
    const isTemporal = (i: number): boolean => i < temporal.length;
    const reader = (i: number, j: number): number[] => {
      if (isTemporal(i) !== isTemporal(j)) return this.#list(`${prefix}.att_weight12`);
      return this.#list(`${prefix}.att_weight${isTemporal(i) ? "11" : "22"}`);
    };
    const heard = (a: readonly number[], b: readonly number[], name: string): number[] =>
      this.#linear(times(a, b), `${prefix}.${name}`).map(Math.tanh);
    const shares = nodes.map((a, i) =>
      softmax(nodes.map((b, j) => dot(reader(i, j), heard(a, b, "att_proj")) / 100)),
    );
    const masterReader = this.#list(`${prefix}.att_weightM`);
    const masterShares = softmax(
      nodes.map((node) => dot(masterReader, heard(node, master, "att_projM")) / 100),
    );
    const mixed = this.#mix(nodes, shares, prefix);
    return {
      temporal: mixed.slice(0, temporal.length),
      spectral: mixed.slice(temporal.length),
      master: plus(
        this.#linear(blend(masterShares, nodes), `${prefix}.proj_with_attM`),
        this.#linear(master, `${prefix}.proj_without_attM`),
      ),
    };
  }
}
