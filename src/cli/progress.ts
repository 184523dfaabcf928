const terminalMs = 250;
const plainMs = 10_000;
const quietMs = 2000;

/** Says on stderr how far long work has come: a line that changes on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #describe: () => string;
  readonly #out: NodeJS.WriteStream;
  readonly #timer: NodeJS.Timeout;
  readonly #started = performance.now();
  #shown = false;

  constructor(describe: () => string, out: NodeJS.WriteStream = process.stderr) {
    this.#describe = describe;
    this.#out = out;
    this.#timer = setInterval(() => this.#tick(), out.isTTY ? terminalMs : plainMs);
    this.#timer.unref();
  }

  /** Makes room for a line of results, which may go to the same terminal. */
  clear(): void {
    if (this.#shown && this.#out.isTTY) this.#out.write("\r\x1b[K");
    this.#shown = false;
  }

  close(): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #tick(): void {
    if (performance.now() - this.#started < quietMs) return;
    this.#out.write(this.#out.isTTY ? `\r\x1b[K${this.#describe()}` : `${this.#describe()}\n`);
    this.#shown = true;
  }
}
