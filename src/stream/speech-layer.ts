/** A layer's rows, each its bias and then its weights, as little-endian 16-bit integers in base64, in units of `step`. */
export interface PackedLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly step: number;
  readonly rows: string;
}
