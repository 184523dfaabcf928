import type { Edge, EdgeOptions } from "./edge.ts";

/** Opens the pack and loads its tokenizer. Rejects where either cannot be had, with a RangeError for wrong options. */
export async function createEdge(options: EdgeOptions): Promise<Edge> {
  // Loaded only when asked for: few clients have a model of their own.
  const { openEdge } = await import("./edge-windows.ts");
  return openEdge(options);
}
