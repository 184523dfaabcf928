/** PyTorch in a process of its own: it opens the part that it is told to, and runs it as often as it is asked. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";

const opened = z.object({ torch: z.string() });
const ran = z.object({ ms: z.array(z.number()), shape: z.array(z.number()) });

export interface TorchRun {
  /** Of each run. */
  readonly ms: readonly number[];
  /** The bytes of the last run's output. */
  readonly output: Buffer;
}

export class PyTorch {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #folder: string;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, folder: string) {
    this.#child = child;
    this.#lines = lines;
    this.#folder = folder;
  }

  /** `python` must have torch and numpy; arrays go through files in `folder`. */
  static start(python: string, folder: string): PyTorch {
    const script = join(import.meta.dirname, "pytorch.py");
    const child = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new PyTorch(child, lines, folder);
  }

  /** Gives torch's version. */
  async open(part: string, checkpoints: string): Promise<string> {
    return opened.parse(await this.#ask({ open: part, folder: checkpoints })).torch;
  }

  async input(values: Float32Array | Int32Array): Promise<void> {
    await writeFile(join(this.#folder, "input.bin"), values);
  }

  /** Runs the part on what {@link input} was given. */
  async run(
    shape: readonly number[],
    type: "float32" | "int32",
    { threads, rounds }: { readonly threads: number; readonly rounds: number },
  ): Promise<TorchRun> {
    const input = join(this.#folder, "input.bin");
    const output = join(this.#folder, "output.bin");
    const { ms } = ran.parse(await this.#ask({ run: true, shape, type, input, output, threads, rounds }));
    return { ms, output: await readFile(output) };
  }

  close(): void {
    this.#child.stdin?.end();
  }

  async #ask(message: unknown): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("PyTorch ended: what it printed says why");
    return JSON.parse(line.value);
  }
}
