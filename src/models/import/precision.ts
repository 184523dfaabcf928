import type { Graph } from "../onnx/graph.ts";
import { toHalf } from "./precision-half.ts";
import { toBytes } from "./precision-int8.ts";

/**
 * What an imported model computes with: float32 as published; float16, which only a GPU gains by; or recurrent layers and
 * large matrix products in 8-bit integers, for processors. All take and give what the first does.
 */
export const precisions = ["fp32", "fp16", "int8"] as const;
export type Precision = (typeof precisions)[number];

/** `graph` in another precision. Nothing that chooses a code is touched: the nearest one must stay the nearest. */
export function withPrecision(graph: Graph, precision: Precision): Graph {
  switch (precision) {
    case "fp32":
      return graph;
    case "fp16":
      return toHalf(graph);
    case "int8":
      return toBytes(graph);
  }
}

/** A sentence for a pack's description; empty for what is published. */
export function describePrecision(precision: Precision): string {
  switch (precision) {
    case "fp32":
      return "";
    case "fp16":
      return "Computes in float16, all but the choice of codes, so its codes and scores are near the published model's, not equal.";
    case "int8":
      return "Its recurrent layers and large matrix products are in 8-bit integers, so its codes and scores are near the published model's, not equal.";
  }
}
