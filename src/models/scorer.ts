/** Where a window lies on a timeline whose windows hold the same samples where they overlap. */
export interface Place {
  readonly track: number;
  /** Its first sample. */
  readonly start: number;
}

/** Windows of one kind, end to end. */
export type Batch =
  | {
      readonly kind: "audio";
      /** As many windows as the batch was padded to, finite. */
      readonly samples: Float32Array;
      /** For each window, where it is known and the window whole. */
      readonly places: readonly (Place | undefined)[];
    }
  | {
      readonly kind: "codes";
      /** For each window stage by stage, each with its frames. */
      readonly codes: Int32Array;
    };

/** A model that is open, in the process that runs it. */
export interface Scorer {
  /** Output rows end to end for a batch of `size` windows, which is one of the model's batch sizes. */
  score(batch: Batch, size: number): Promise<Float32Array>;
  /** Lets go of whatever it kept of earlier windows. */
  forget(): void;
  release(): Promise<void>;
}
