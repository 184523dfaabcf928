/** The tokenizer's recurrent layers as graphs of their own: `x` [steps, batch, 1024] → `y` [steps, batch, 2048], without the skip. */
import { join, reorderGates } from "../../src/models/import/safeear-fold.ts";
import type { Weights } from "../../src/models/import/weights.ts";
import { Graph, type Value } from "../../src/models/onnx/graph.ts";

const width = 1024;
const layers = [0, 1] as const;
const suffixes = { forward: "", reverse: "_reverse" } as const;
type Direction = keyof typeof suffixes;
const directions: readonly Direction[] = ["forward", "reverse"];

/** One operator for both directions of a layer, as it is imported. */
export function bidirectional(weights: Weights): Graph {
  const { g, x } = begin();
  let y = x;
  for (const layer of layers) {
    const pair = g.op("LSTM", [y, ...constants(g, weights, layer, directions)], {
      direction: "bidirectional",
      hidden_size: width,
    });
    y = g.op("Reshape", [g.op("Transpose", [pair], { perm: [0, 2, 1, 3] }), g.ints([0, 0, -1])]);
  }
  return end(g, y);
}

/** One operator for each direction, which an executor may run side by side. */
export function separate(weights: Weights): Graph {
  const { g, x } = begin();
  let y = x;
  for (const layer of layers) {
    const sides = directions.map((direction) => {
      const one = g.op("LSTM", [y, ...constants(g, weights, layer, [direction])], {
        direction,
        hidden_size: width,
      });
      return g.op("Squeeze", [one, g.ints([1])]);
    });
    y = g.op("Concat", sides, { axis: 2 });
  }
  return end(g, y);
}

function begin(): { g: Graph; x: Value } {
  const g = new Graph("lstm");
  return { g, x: g.input("x", "float32", ["steps", "batch", width]) };
}

function end(g: Graph, y: Value): Graph {
  g.output("y", y, "float32", ["steps", "batch", 2 * width]);
  return g;
}

function constants(g: Graph, weights: Weights, layer: 0 | 1, sides: readonly Direction[]): Value[] {
  const constant = (names: readonly string[], shape: readonly number[]): Value => {
    const keys = sides.flatMap((side) =>
      names.map((name) => `encoder.model.13.lstm.${name}_l${layer}${suffixes[side]}`),
    );
    const load = async (): Promise<Float32Array> =>
      join(await Promise.all(keys.map(async (key) => reorderGates(await weights.float32(key)))));
    return g.constant(keys.join("+"), { type: "float32", load }, [sides.length, ...shape]);
  };
  return [
    constant(["weight_ih"], [4 * width, layer === 0 ? width : 2 * width]),
    constant(["weight_hh"], [4 * width, width]),
    constant(["bias_ih", "bias_hh"], [8 * width]),
  ];
}
