/** What no published checkpoint comes near, and what keeps a hostile one from taking the machine. */
export interface CheckpointLimits {
  /** Bytes of one pickle: the object tree, without tensors. */
  readonly pickleBytes: number;
  /** Opcodes of one pickle; each makes at most one value, so this bounds the tree as well. */
  readonly steps: number;
  /** Values on a pickle's stack. */
  readonly stack: number;
  /** Values a pickle remembers to refer to again. */
  readonly memo: number;
  /** Marks open at once: how deep literals nest. */
  readonly marks: number;
  /** Entries of the archive, storages of the legacy container. */
  readonly storages: number;
  /** Bytes of the archive's directory. */
  readonly directoryBytes: number;
  /** Elements of one tensor. */
  readonly elements: number;
  /** Elements of a tensor that repeats what its storage has once. */
  readonly repeated: number;
  /** Bytes that may be read for one tensor, or sixteen times its own if that is more. */
  readonly span: number;
  /** Bytes of all tensors of one state dict as float32. */
  readonly stateBytes: number;
}

/** The limits in force unless others are given. */
export const defaultLimits: CheckpointLimits = {
  pickleBytes: 2 ** 26,
  steps: 2 ** 20,
  stack: 2 ** 18,
  memo: 2 ** 19,
  marks: 2 ** 10,
  storages: 2 ** 16,
  directoryBytes: 2 ** 25,
  elements: 2 ** 29,
  repeated: 2 ** 20,
  span: 2 ** 26,
  stateBytes: 2 ** 34,
};
