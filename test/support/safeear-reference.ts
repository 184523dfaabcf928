import type { EncoderLayer, TokenizerSizes } from "../../src/models/import/safeear-sizes.ts";
import type { TensorMap } from "./aasist-weights.ts";

/*
 * SafeEar as it is described, one sum after the other in double precision and with nothing folded: weight norm, batch
 * norm and the convolution over code vectors are computed where they stand.
 */

/** Rows by columns. */
type Matrix = readonly (readonly number[])[];

const sum = (count: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
};
const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const at = (matrix: Matrix, row: number, column: number): number => matrix[row]?.[column] ?? NaN;
const transposed = (matrix: Matrix): Matrix =>
  times(matrix[0]?.length ?? 0, (i) => matrix.map((row) => row[i] ?? NaN));
const added = (a: Matrix, b: Matrix): Matrix => a.map((row, i) => row.map((value, j) => value + at(b, i, j)));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const elu = (x: Matrix): Matrix =>
  x.map((row) => row.map((value) => (value > 0 ? value : Math.exp(value) - 1)));

/** Abramowitz and Stegun's 7.1.5, which converges for any argument. */
function erf(x: number): number {
  let [term, total] = [x, x];
  for (let n = 1; n < 100; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

class Reference {
  readonly #tensors: TensorMap;

  constructor(tensors: TensorMap) {
    this.#tensors = tensors;
  }

  vector(key: string): readonly number[] {
    return [...(this.#tensors.get(key)?.data ?? [])];
  }

  /** All but the first dimension as one. */
  matrix(key: string): Matrix {
    const { shape, data } = this.#tensors.get(key) ?? { shape: [], data: [] };
    const rows = shape[0] ?? 0;
    const columns = data.length / rows;
    return times(rows, (i) => [...data.slice(i * columns, (i + 1) * columns)]);
  }

  /** y = W·x + b for each row of `x`. */
  linear(x: Matrix, prefix: string): Matrix {
    const bias = this.vector(`${prefix}.bias`);
    const weight = this.matrix(`${prefix}.weight`);
    return x.map((row) =>
      weight.map((w, i) => sum(row.length, (j) => (row[j] ?? NaN) * (w[j] ?? NaN)) + (bias[i] ?? 0)),
    );
  }

  layerNorm(x: Matrix, prefix: string): Matrix {
    const [weight, bias] = [this.vector(`${prefix}.weight`), this.vector(`${prefix}.bias`)];
    return x.map((row) => {
      const mean = sum(row.length, (i) => row[i] ?? NaN) / row.length;
      const variance = sum(row.length, (i) => ((row[i] ?? NaN) - mean) ** 2) / row.length;
      return row.map(
        (value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * (weight[i] ?? NaN) + (bias[i] ?? NaN),
      );
    });
  }

  /** `[channels, steps]`, mirrored at both ends. */
  convolution(x: Matrix, prefix: string, kernel: number, stride: number): Matrix {
    const [gain, bias] = [this.vector(`${prefix}.weight_g`), this.vector(`${prefix}.bias`)];
    const weight = this.matrix(`${prefix}.weight_v`).map((row, i) => {
      const norm = Math.sqrt(sum(row.length, (j) => (row[j] ?? NaN) ** 2));
      return row.map((value) => (value * (gain[i] ?? NaN)) / norm);
    });
    const steps = x[0]?.length ?? 0;
    const left = Math.ceil((kernel - stride) / 2);
    const mirrored = (i: number): number => (i < 0 ? -i : i < steps ? i : 2 * (steps - 1) - i);
    return weight.map((row, to) =>
      times(
        Math.ceil(steps / stride),
        (t) =>
          sum(
            row.length,
            (i) =>
              (row[i] ?? NaN) * at(x, Math.floor(i / kernel), mirrored(t * stride + (i % kernel) - left)),
          ) + (bias[to] ?? NaN),
      ),
    );
  }

  encode(x: Matrix, layer: EncoderLayer, first: boolean): Matrix {
    const prefix = `encoder.model.${layer.at}`;
    if (layer.kind === "lstm") return this.#lstmStack(x, `${prefix}.lstm`, layer.layers, layer.hidden);
    if (layer.kind === "convolution") {
      return this.convolution(first ? x : elu(x), `${prefix}.conv.conv`, layer.kernel, layer.stride);
    }
    const inner = this.convolution(elu(x), `${prefix}.block.1.conv.conv`, 3, 1);
    const outer = this.convolution(elu(inner), `${prefix}.block.3.conv.conv`, 1, 1);
    return added(this.convolution(x, `${prefix}.shortcut.conv.conv`, 1, 1), outer);
  }

  #lstmStack(x: Matrix, prefix: string, layers: number, hidden: number): Matrix {
    const input = transposed(x);
    let y = input;
    for (let layer = 0; layer < layers; layer++) {
      const forth = this.#lstm(y, prefix, `l${layer}`, hidden);
      const back = [...this.#lstm([...y].reverse(), prefix, `l${layer}_reverse`, hidden)].reverse();
      y = forth.map((row, t) => [...row, ...(back[t] ?? [])]);
    }
    return transposed(y.map((row, t) => row.map((value, i) => value + at(input, t, i % hidden))));
  }

  #lstm(x: Matrix, prefix: string, name: string, hidden: number): Matrix {
    const [w, r] = [this.matrix(`${prefix}.weight_ih_${name}`), this.matrix(`${prefix}.weight_hh_${name}`)];
    const [bw, br] = [this.vector(`${prefix}.bias_ih_${name}`), this.vector(`${prefix}.bias_hh_${name}`)];
    let [h, c] = [times(hidden, () => 0), times(hidden, () => 0)];
    return x.map((row) => {
      const gate = times(
        4 * hidden,
        (i) =>
          sum(row.length, (j) => at(w, i, j) * (row[j] ?? NaN)) +
          sum(hidden, (j) => at(r, i, j) * (h[j] ?? NaN)) +
          (bw[i] ?? NaN) +
          (br[i] ?? NaN),
      );
      // Input, forget, cell, output.
      const part = (which: number, i: number): number => gate[which * hidden + i] ?? NaN;
      c = c.map((value, i) => sigmoid(part(1, i)) * value + sigmoid(part(0, i)) * Math.tanh(part(2, i)));
      h = c.map((value, i) => sigmoid(part(3, i)) * Math.tanh(value));
      return h;
    });
  }

  block(x: Matrix, prefix: string, heads: number): Matrix {
    const attended = this.linear(
      this.#attend(this.layerNorm(x, `${prefix}.pre_norm`), prefix, heads),
      `${prefix}.self_attn.proj`,
    );
    const normed = this.layerNorm(added(x, attended), `${prefix}.norm1`);
    const inner = this.linear(normed, `${prefix}.linear1`).map((row) =>
      row.map((v) => (v * (1 + erf(v / Math.SQRT2))) / 2),
    );
    return added(normed, this.linear(inner, `${prefix}.linear2`));
  }

  #attend(x: Matrix, prefix: string, heads: number): Matrix {
    const all = this.linear(x, `${prefix}.self_attn.qkv`);
    const width = x[0]?.length ?? 0;
    const size = width / heads;
    return all.map((q) => {
      const out = times(heads, (head) => {
        const scores = all.map(
          (k) =>
            sum(size, (i) => (q[head * size + i] ?? NaN) * (k[width + head * size + i] ?? NaN)) /
            Math.sqrt(size),
        );
        const weights = softmax(scores);
        return times(size, (i) =>
          sum(all.length, (t) => (weights[t] ?? NaN) * at(all, t, 2 * width + head * size + i)),
        );
      });
      return out.flat();
    });
  }
}

function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  const exps = scores.map((score) => Math.exp(score - most));
  const total = sum(exps.length, (i) => exps[i] ?? NaN);
  return exps.map((value) => value / total);
}

/** Features `[width, frames]` and codes `[stages, frames]` of some audio. */
export function referenceTokens(tensors: TensorMap, sizes: TokenizerSizes, audio: Float32Array) {
  const reference = new Reference(tensors);
  let x: Matrix = [[...audio]];
  for (const [i, layer] of sizes.encoder.entries()) x = reference.encode(x, layer, i === 0);
  let rest: Matrix = transposed(x);
  const codes = times(sizes.stages, (stage) => {
    const embed = reference.matrix(`quantizer.vq.layers.${stage}._codebook.embed`);
    const nearest = rest.map((row) => {
      const distances = embed.map((e) => sum(e.length, (i) => ((row[i] ?? NaN) - (e[i] ?? NaN)) ** 2));
      return distances.indexOf(Math.min(...distances));
    });
    rest = rest.map((row, t) => row.map((value, i) => value - at(embed, nearest[t] ?? -1, i)));
    return nearest;
  });
  return { features: x, codes };
}

/** Logits for codes `[stages, frames]` whose looked-up frames are heard in the order of `permutation`. */
export function referenceLogits(
  tensors: TensorMap,
  tokenizer: TensorMap,
  {
    codes,
    permutation,
    heads,
    blocks,
  }: { codes: Matrix; permutation: Int32Array; heads: number; blocks: number },
): readonly number[] {
  const [detector, from] = [new Reference(tensors), new Reference(tokenizer)];
  const books = codes.map((_, stage) => from.matrix(`quantizer.vq.layers.${stage}._codebook.embed`));
  const words = transposed(codes).map((frame) =>
    frame.flatMap((code, stage) => (stage === 0 ? [] : (books[stage]?.[code] ?? []))),
  );
  const [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((name) =>
    detector.vector(`bottleneck.1.${name}`),
  );
  const normed = detector
    .linear(words, "bottleneck.0")
    .map((row) =>
      row.map(
        (v, i) =>
          ((v - (mean?.[i] ?? NaN)) / Math.sqrt((variance?.[i] ?? NaN) + 1e-5)) * (weight?.[i] ?? NaN) +
          (bias?.[i] ?? NaN),
      ),
    );
  const width = normed[0]?.length ?? 0;
  const positions = detector.vector("classifier.positional_emb");
  let x: Matrix = [...permutation].map((frame, t) =>
    times(width, (i) => at(normed, frame, i) + (positions[t * width + i] ?? NaN)),
  );
  for (let i = 0; i < blocks; i++) x = detector.block(x, `classifier.blocks.${i}`, heads);
  x = detector.layerNorm(x, "classifier.norm");
  const weights = softmax(detector.linear(x, "classifier.attention_pool").map(([score = NaN]) => score));
  const feature = times(width, (i) => sum(x.length, (t) => (weights[t] ?? NaN) * at(x, t, i)));
  return detector.linear([feature], "classifier.fc")[0] ?? [];
}
