/** What a {@link CheckpointError} can say beside its sentence. */
export interface CheckpointTrouble extends ErrorOptions {
  /** The tensor that was asked for. */
  readonly key?: string;
  /** The Python name, `module.name`, that the file holds where something else was wanted. */
  readonly global?: string;
}

/** A checkpoint file that cannot be read, or lacks what was asked of it; its message names the file. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
  readonly file: string;
  readonly key: string | undefined;
  readonly global: string | undefined;

  constructor(file: string, trouble: string, { key, global, ...options }: CheckpointTrouble = {}) {
    super(key === undefined ? `${file}: ${trouble}` : `${file}: ${quoted(key)} ${trouble}`, options);
    this.file = file;
    this.key = key;
    this.global = global;
  }
}

/** Bytes that are not what the format says; whoever knows the file's name makes a {@link CheckpointError} of it. */
export class Malformed extends Error {
  override readonly name: string = "Malformed";
  readonly global: string | undefined;

  constructor(trouble: string, global?: string) {
    super(trouble);
    this.global = global;
  }
}

/** A string out of a file, fit for a message: quoted, without control characters, at most 120 characters of it. */
export function quoted(text: string): string {
  const short = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return JSON.stringify(short).replace(/[\p{Cc}\p{Cf}]/gu, "\u{fffd}");
}

/** Runs `work`; what is wrong with the bytes, or comes from the file system, is told with the file's name. */
export async function naming<T>(file: string, key: string | undefined, work: () => Promise<T>): Promise<T> {
  const trouble = key === undefined ? {} : { key };
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Malformed) {
      const named = cause.global === undefined ? trouble : { ...trouble, global: cause.global };
      throw new CheckpointError(file, cause.message, { ...named, cause });
    }
    if (cause instanceof Error && "code" in cause) {
      throw new CheckpointError(file, `cannot be read: ${cause.message}`, { ...trouble, cause });
    }
    throw cause;
  }
}
