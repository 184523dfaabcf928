import type { Container } from "./container.ts";
import { toFloat32 } from "./dtypes.ts";
import { Malformed, naming } from "./errors.ts";
import { legacyMagic, openLegacyContainer } from "./legacy-container.ts";
import { defaultLimits, type CheckpointLimits } from "./limits.ts";
import { RangedFile } from "./ranged-file.ts";
import { findStateDict, readTensor, type StateDict } from "./state-dict.ts";
import type { TensorRef } from "./values.ts";
import { openZipContainer } from "./zip-container.ts";

/** An open PyTorch checkpoint. Its tensors stay in the file until they are asked for. */
export interface Checkpoint {
  /** The path it was opened by. */
  readonly file: string;
  /** The object tree: Maps, arrays, Sets, literals, TensorRef, Global and Inert. It may contain itself. */
  readonly root: unknown;
  /** Bytes read from the file so far. */
  readonly bytesRead: number;
  /**
   * The tensors in the dictionary at `path`; without a path, those under a usual name (`state_dict`, `model`, …) or the
   * tree's own. Throws CheckpointError where there are none.
   */
  stateDict(...path: string[]): StateDict;
  /** A row-major copy, as float32, of a TensorRef that stands anywhere in `root`. */
  float32(tensor: TensorRef): Promise<Float32Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/**
 * Opens a `.pt`, `.pth` or `.ckpt` file, in the archive or the older form, and reads its object tree. Nothing in the file
 * is executed or imported. Throws CheckpointError on whatever is not such a file, or exceeds `limits`.
 */
export async function openCheckpoint(
  path: string,
  limits: CheckpointLimits = defaultLimits,
): Promise<Checkpoint> {
  return naming(path, undefined, async () => {
    const file = await RangedFile.open(path);
    try {
      const source = { name: path, file, container: await openContainer(file, limits), limits };
      return {
        file: path,
        root: source.container.root,
        get bytesRead() {
          return file.bytesRead;
        },
        stateDict: (...keys) => findStateDict(source, keys),
        float32: (tensor) => naming(path, undefined, () => readTensor(source, tensor, toFloat32)),
        close: () => file.close(),
      };
    } catch (reason) {
      await file.close();
      throw reason;
    }
  });
}

const zipMagic = [0x50, 0x4b, 0x03, 0x04];

async function openContainer(file: RangedFile, limits: CheckpointLimits): Promise<Container> {
  const start = await file.read(0, Math.min(file.size, legacyMagic.length));
  if (zipMagic.every((byte, i) => byte === start[i])) return openZipContainer(file, limits);
  if (legacyMagic.every((byte, i) => byte === start[i])) return openLegacyContainer(file, limits);
  throw new Malformed("is not a PyTorch checkpoint: it starts like neither of their two forms");
}
